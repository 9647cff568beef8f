#!/bin/sh
# tests/browser/run.sh BUILD OUT - makes a store, serves it, and drives the page in headless
# Chromium. Pictures of it are left in OUT.
set -eu

build=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)

chromium=
for name in chromium chromium-browser google-chrome; do
    [ -n "$chromium" ] || chromium=$(command -v $name || true)
done
for program in node npm "${chromium:-chromium}"; do
    command -v "$program" >/dev/null || {
        echo "browser: needs $program, which is not here (Debian: nodejs npm chromium)" >&2
        exit 1
    }
done

mkdir -p "$out/node"
if ! cmp -s "$here/package-lock.json" "$out/node/package-lock.json"; then
    cp "$here/package.json" "$here/package-lock.json" "$out/node/"
    (cd "$out/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) || {
        rm -f "$out/node/package-lock.json"
        echo "browser: npm could not get what drives the browser" >&2
        exit 1
    }
fi

# Words that come and go, beside some that nobody knows, and total counts that grow.
if [ ! -s "$out/store" ]; then
    awk 'BEGIN {
        OFS = "\t"
        split("Albert Einstein:1975:30:300|Sherlock Holmes:1990:60:250|Frankenstein:2015:70:120|" \
              "steam engine:1880:40:900|computer:2000:28:9000|telegraph:1885:35:1800|run:1990:120:9000|" \
              "run_VERB:1990:120:6000|run_NOUN:1985:110:3000|sun:1860:110:8000|radio:1965:28:4500|" \
              "railway:1900:45:4200|television:1990:22:5000|love:1850:150:12000|Straße:1930:60:40|" \
              "STRASSE:1900:30:8|Emperor of Japan:1935:40:60|sea of Japan:1950:60:20|" \
              "Bank of Japan:1995:25:80|rock, paper:2010:20:15", words, "|")
        for (i in words) {
            split(words[i], w, ":")
            for (y = 1800; y < 2020; y++) {
                wave = 0.94 + 0.06 * sin(y * (7 + length(w[1]) % 5) / 9)
                n = int(w[4] * 60 * exp((y - 1800) / 55) * exp(-((y - w[2]) / w[3]) ^ 2) * wave)
                if (n > 0) print w[1], y, n, int(n / 9) + 1
            }
        }
    }' >"$out/words.tsv"
    awk 'BEGIN { printf " \t"; for (y = 1500; y < 2020; y++)
        printf "%d,%d,1,1\t", y, 60000000 * (y < 1800 ? 1 : exp((y - 1800) / 55)) }' >"$out/totals"
    "$build/ngram" gen --bytes 20M --seed 7 --format v2 -o "$out/others.tsv"
    "$build/ngram" index "$out/words.tsv" "$out/others.tsv" -o "$out/store" \
        --release 20200217 --language eng
fi

# Prints the address that a program's log tells, once it does.
address_in() {
    at=
    while [ -z "$at" ]; do
        kill -0 "$2" 2>/dev/null || { cat "$1" >&2; exit 1; }
        sleep 0.1
        at=$(sed -nE 's|.* (http://)?(127[0-9.]*:[0-9]+)/?$|http://\2|p' "$1" | head -1)
    done
    echo "$at"
}

# The server, and a job that has read all there is in its pipe and waits for more.
"$build/ngram" serve "$out/store" --totals "$out/totals" --listen 127.0.0.1:0 2>"$out/server.log" &
server=$!
rm -f "$out/pipe"
mkfifo "$out/pipe"
"$build/ngram" count "$out/others.tsv" "$out/pipe" --status 127.0.0.1:0 -o "$out/counts" 2>"$out/job.log" &
job=$!
trap 'kill $server $job 2>/dev/null || true' EXIT
exec 9>"$out/pipe"
page=$(address_in "$out/server.log" $server)
status=$(address_in "$out/job.log" $job)
cd "$out/node"
CHROMIUM=$chromium timeout 300 node "$here/page.mjs" "$page" "$status" "$out"

# The example with a live count, in two tabs.
[ -x "$build/example_live" ] || exit 0
"$build/example_live" 127.0.0.1:0 >"$out/live.address" 2>"$out/live.log" &
live=$!
trap 'kill $server $job $live 2>/dev/null || true' EXIT
CHROMIUM=$chromium timeout 100 node "$here/live.mjs" "$(address_in "$out/live.address" $live)" "$out"
