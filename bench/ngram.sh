#!/bin/bash
# bench/ngram.sh [BUILD [--plot]] - ngram top on a made-up file of 1 GiB, beside the tools that people
# use, and then files from 100 MB to 10 GB. With --plot, also puts the tables into docs/benchmarks.md
# and draws docs/bench-ngram.svg and docs/bench-ngram-sizes.svg.
#
# All contenders run one after the other in every round, the quick ones three times, so that a busy
# minute of the machine hits all alike; what counts is the ratio of the medians. Beside it stands
# that of the quickest runs, which knows less of the machine's other guests, where both have run
# equally often. The file is made once and kept in the build folder; everything is read from the
# page cache. Some machines take pages back that were not used for a minute, so what a contender
# will read is read right before it is measured.
#
#   BYTES=1G ROUNDS=5 WORKERS=2 SIZES="100M 300M 1G 3G 10G" bench/ngram.sh build/release
#
# DuckDB takes part where it was installed: npm install --prefix build/bench-peers @duckdb/node-api
set -eu
LC_ALL=C
export LC_ALL

build=${1:-build/release}
rounds=${ROUNDS:-5}
workers=${WORKERS:-2}
bytes=${BYTES:-1G}
sizes=${SIZES-100M 300M 1G 3G 10G}
here=$(dirname "$0")
ngram=$build/ngram
data=$build/bench-data
name=$data/$bytes
out=$(mktemp -d "${TMPDIR:-/tmp}/yoke-bench.XXXXXX")
trap 'rm -rf "$out"' EXIT
export NODE_PATH=${NODE_PATH:-$PWD/build/bench-peers/node_modules}

# ---- The files ----------------------------------------------------------------------------------

make_file() { # FILE BYTES [OPTION...]
    [ -s "$1" ] && return
    echo "making $1 (once)" >&2
    "$ngram" gen --bytes "$2" --seed 7 -o "$1" "${@:3}"
}

mkdir -p "$data"
make_file "$name.tsv" "$bytes"
make_file "$name.zst" "$bytes"
make_file "$name.gz" "$bytes" --level 6
make_file "$data/1M.tsv" 1M
text=$(stat -c %s "$name.tsv")
cat "$name.tsv" "$name.zst" "$name.gz" >/dev/null

# ---- Who takes part -----------------------------------------------------------------------------

contenders=()
declare -A command slow patience
add() { # NAME COMMAND [slow [ROUNDS]]
    contenders+=("$1")
    command[$1]=$2
    slow[$1]=${3:-}
    patience[$1]=${4:-$rounds}
}

warm() { # COMMAND
    local word
    for word in $1; do
        [[ $word != "$data"/* ]] || cat "$word"
    done >/dev/null
}

top="$ngram top --workers $workers --progress never"
add "ngram threads" "$top --executor threads $name.tsv"
add "ngram processes" "$top --executor processes $name.tsv"
add "ngram hybrid" "$top --executor hybrid $name.tsv"
add "wc -l" "wc -l $name.tsv"
add "cat" "cat $name.tsv"
add "ngram zstd, threads" "$top --executor threads $name.zst"
add "ngram zstd, processes" "$top --executor processes $name.zst"
[ -x "$build/bench_zstd_threads" ] &&
    add "only unpack zstd, $workers threads" "$build/bench_zstd_threads $name.zst $workers"
command -v zstd >/dev/null && add "zstd -dc" "zstd -dcq $name.zst"
add "ngram gzip, threads" "$top --executor threads $name.gz"
add "ngram gzip, processes" "$top --executor processes $name.gz"
add "ngram two gzip files" "$top --executor processes $name.gz $name.gz"
command -v igzip >/dev/null && add "igzip -dc" "igzip -dc $name.gz"
add "gzip -dc" "gzip -dc $name.gz" slow
command -v mawk >/dev/null &&
    add "mawk" "mawk -F\\t {m[\$1]+=\$3}END{for(n\\040in\\040m)if(m[n]>b){b=m[n];w=n};print\\040w,b} $name.tsv" slow
command -v node >/dev/null && node -e 'require("@duckdb/node-api")' 2>/dev/null &&
    add "DuckDB" "node $here/ngram_duckdb.js $name.tsv $workers" slow
command -v python3 >/dev/null &&
    add "Python, partitions" "python3 $here/ngram_partitions.py $name.tsv $workers" slow 2
add "ngram top of 1 MB, processes" "$top --executor processes $data/1M.tsv"
add "ngram top of 1 MB, threads" "$top --executor threads $data/1M.tsv"

# ---- Rounds -------------------------------------------------------------------------------------

run_once() { # its output is thrown away, not measured through a pipe
    local words
    read -ra words <<<"$1"
    words=("${words[@]//\\040/ }")
    local began=$EPOCHREALTIME
    "${words[@]}" >/dev/null
    echo "$began $EPOCHREALTIME"
}

for ((round = 1; round <= rounds; round++)); do
    for pass in first second third; do
        for who in "${contenders[@]}"; do
            ((round <= patience[$who])) || continue
            [ $pass = first ] || [ -z "${slow[$who]}" ] || continue
            echo "round $round of $rounds: $who" >&2
            warm "${command[$who]}"
            run_once "${command[$who]}" | awk '{ printf "%.4f\n", $2 - $1 }' >>"$out/$who"
        done
    done
done

median() {
    sort -n "$out/$1" | awk '{ t[NR] = $1 } END { print NR % 2 ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2 }'
}

best() {
    sort -n "$out/$1" | head -1
}

runs_of() {
    wc -l <"$out/$1"
}

# ---- Memory -------------------------------------------------------------------------------------

# The proportional memory of a process and all below it, without mapped files, in KiB.
family_memory() {
    local pid=$1 child
    awk '/^Pss_(Anon|Shmem):/ { sum += $2 } END { print sum + 0 }' "/proc/$pid/smaps_rollup" 2>/dev/null || true
    for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
        family_memory "$child"
    done
}

# The most that was seen while a command ran, in MB.
peak_memory() {
    local words most=0 now
    read -ra words <<<"$1"
    "${words[@]}" >/dev/null &
    local pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        now=$(family_memory "$pid" | awk '{ sum += $1 } END { print sum + 0 }')
        ((now > most)) && most=$now
    done
    wait "$pid"
    echo $((most * 1024 / 1000000))
}

# ---- What came out ------------------------------------------------------------------------------

bytes_of() {
    case $1 in
    *"two gzip"*) echo $((2 * text)) ;;
    *"of 1 MB"*) stat -c %s "$data/1M.tsv" ;;
    *) echo "$text" ;;
    esac
}

show_contenders() {
    printf '%-36s %9s %9s %9s\n' "" seconds MB/s "quickest"
    for who in "${contenders[@]}"; do
        printf '%-36s %9.3f %9.0f %9.3f\n' "$who" "$(median "$who")" \
            "$(awk -v t="$(median "$who")" -v b="$(bytes_of "$who")" 'BEGIN { print b / t / 1e6 }')" \
            "$(best "$who")"
    done
}

ratio() { # how many times as fast as $2 is $1, beside a wanted figure
    [ -e "$out/$1" ] && [ -e "$out/$2" ] || return 0
    awk -v a="$(median "$1")" -v b="$(median "$2")" -v x="$(bytes_of "$1")" -v y="$(bytes_of "$2")" \
        -v c="$(best "$1")" -v d="$(best "$2")" -v what="$1 / $2" -v want="$3" \
        -v alike="$(($(runs_of "$1") == $(runs_of "$2")))" \
        'BEGIN {
            printf "%-56s %7.2f %9s   %s\n", what, x / a / (y / b),
                alike ? sprintf("%.2f", x / c / (y / d)) : "-", want
        }'
}

show_ratios() {
    printf '%-56s %7s %9s   %s\n' "ratios of pace" "" "quickest" "wanted"
    ratio "ngram threads" "wc -l" ">= 0.42 (goal)"
    ratio "ngram processes" "ngram threads" "within 5 % (goal)"
    ratio "ngram processes" "DuckDB" ">= 4, 10 (goal)"
    ratio "ngram processes" "Python, partitions" ">= 60 (goal)"
    ratio "ngram processes" "mawk" ""
    ratio "ngram zstd, threads" "only unpack zstd, $workers threads" ">= 0.50, 0.70 (goal)"
    ratio "ngram zstd, processes" "only unpack zstd, $workers threads" ">= 0.50, 0.70 (goal)"
    ratio "ngram zstd, processes" "zstd -dc" ""
    ratio "ngram gzip, threads" "igzip -dc" ">= 0.75, 0.95 (goal)"
    ratio "ngram gzip, processes" "igzip -dc" ">= 0.75, 0.95 (goal)"
    ratio "ngram two gzip files" "ngram gzip, processes" ">= 1.1, 1.25 (goal)"
    ratio "ngram gzip, processes" "gzip -dc" ""
}

show_memory() {
    for executor in threads processes; do
        printf '%-56s %4d MB %9s  %s\n' "memory, $executor: the most of all processes, sampled" \
            "$(peak_memory "$top --executor $executor $name.tsv")" "" "<= 100 MB, 50 MB (goal)"
    done
}

# ---- Sizes --------------------------------------------------------------------------------------

# The best of three: what is asked is whether a row costs more in a large file.
measure_size() {
    local file=$data/$1.tsv i
    make_file "$file" "$1"
    cat "$file" >/dev/null
    for i in 1 2 3; do
        run_once "$top --executor processes $file" | awk '{ printf "%.4f\n", $2 - $1 }'
    done | sort -n | awk -v bytes="$(stat -c %s "$file")" -v rows="$(wc -l <"$file")" -v size="$1" \
        'NR == 1 { printf "%s\t%.0f\t%.0f\t%.3f\t%.2f\t%.0f\n", size, bytes, rows, $1, $1 / rows * 1e9, bytes / $1 / 1e6 }'
}

show_sizes() {
    printf '%-12s %14s %12s %9s %9s %9s\n' "size of file" bytes rows seconds ns/row MB/s
    for size in $sizes; do
        echo "a file of $size" >&2
        measure_size "$size"
    done | tee "$out/sizes.tsv" | awk '{ printf "%-12s %14.0f %12.0f %9.3f %9.2f %9.0f\n", $1, $2, $3, $4, $5, $6 }'
}

# ---- Pictures -----------------------------------------------------------------------------------

draw() {
    command -v gnuplot >/dev/null || {
        echo "bench: no plots: gnuplot is missing (install gnuplot-nox)" >&2
        return
    }
    for who in "${contenders[@]}"; do
        [[ $who == *"of 1 MB"* ]] ||
            awk -v t="$(median "$who")" -v b="$(bytes_of "$who")" -v who="$who" \
                'BEGIN { printf "\"%s\"\t%.0f\n", who, b / t / 1e6 }'
    done >"$out/paces"
    gnuplot <<END
set terminal svg size 760,420 font "sans-serif,12" background "white"
set output "docs/bench-ngram.svg"
set title "ngram top, 1 GiB of text, $workers workers"
set ylabel "MB of text a second"
set logscale y
set yrange [10:20000]
set grid ytics lc rgb "#dddddd"
set style data histogram
set style fill solid 0.9 noborder
set boxwidth 0.8
set xtics rotate by -35 nomirror noenhanced
set bmargin 9
unset key
plot "$out/paces" using 2:xtic(1) lc rgb "#4477aa"
set output "docs/bench-ngram-sizes.svg"
unset logscale y
set title "What a row costs, by the size of the file"
set ylabel "ns a row, $workers processes"
set logscale x
set xtics norotate
set xlabel "rows"
set format x "10^{%L}"
set yrange [0:*]
set bmargin 5
plot "$out/sizes.tsv" using 3:5 with linespoints lw 2 pt 7 lc rgb "#4477aa"
END
}

put_into_page() {
    awk -v text="$1" '
        /<!-- ngram: end -->/ { inside = 0 }
        !inside { print }
        /<!-- ngram: begin -->/ {
            inside = 1
            print "```"
            while ((getline line < text) > 0) { sub(/ +$/, "", line); print line }
            print "```"
        }' docs/benchmarks.md >"$out/page"
    cp "$out/page" docs/benchmarks.md
}

{
    echo "ngram top, $workers workers, $text bytes of text in the page cache; medians of $rounds rounds (of the quick ones thrice)"
    echo
    show_contenders
    echo
    show_ratios
    echo
    show_memory
    echo
    show_sizes
} | tee "$out/report"
[ "${2:-}" = --plot ] || exit 0
put_into_page "$out/report"
draw
