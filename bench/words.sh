#!/bin/bash
# bench/words.sh [BUILD] - words of plain text counted through the public API, beside mawk and a
# pipeline of coreutils; and a map function that reads n-grams row by row, beside ngram top.
#
# All contenders run one after the other in every round, so that a busy minute of the machine hits
# all alike; what counts is the ratio of the medians. The files are made once and kept in the build
# folder; everything is read from the page cache. Some machines take pages back that were not used
# for a minute, so what a contender will read is read right before it is measured.
#
#   BYTES=200000000 NGRAMS=1G ROUNDS=5 WORKERS=2 bench/words.sh build/release
set -eu
LC_ALL=C
export LC_ALL

build=${1:-build/release}
bytes=${BYTES:-200000000}
ngrams=${NGRAMS:-1G}
rounds=${ROUNDS:-5}
workers=${WORKERS:-2}
words=$build/bench_words
data=$build/bench-data
text=$data/words-$bytes.txt
rows=$data/$ngrams.tsv
out=$(mktemp -d "${TMPDIR:-/tmp}/yoke-bench.XXXXXX")
trap 'rm -rf "$out"' EXIT

mkdir -p "$data"
[ -s "$text" ] || "$words" make "$bytes" >"$text"
[ -s "$rows" ] || "$build/ngram" gen --bytes "$ngrams" --seed 7 -o "$rows"
cat "$text" "$rows" >/dev/null

# ---- Who takes part -----------------------------------------------------------------------------

contenders=("words, threads" "words, processes" "mawk" "tr | sort | uniq"
    "rows, threads" "rows, processes" "ngram top")

run() {
    case $1 in
    "words, threads") "$words" words threads "$workers" "$text" ;;
    "words, processes") "$words" words processes "$workers" "$text" ;;
    mawk) mawk '{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print w "\t" n[w] }' "$text" ;;
    "tr | sort | uniq") tr -s '[:space:]' '\n' <"$text" | sort | uniq -c ;;
    "rows, threads") "$words" rows threads "$workers" "$rows" ;;
    "rows, processes") "$words" rows processes "$workers" "$rows" ;;
    "ngram top") "$build/ngram" top --workers "$workers" --executor threads --progress never "$rows" ;;
    esac
}

file_of() {
    case $1 in
    rows* | ngram*) echo "$rows" ;;
    *) echo "$text" ;;
    esac
}

for ((round = 1; round <= rounds; round++)); do
    for who in "${contenders[@]}"; do
        [ "$who" != mawk ] || command -v mawk >/dev/null || continue
        [[ $who != tr* ]] || ((round <= 2)) || continue # it takes its time
        echo "round $round of $rounds: $who" >&2
        cat "$(file_of "$who")" >/dev/null
        began=$EPOCHREALTIME
        run "$who" >/dev/null
        echo "$began $EPOCHREALTIME" | awk '{ printf "%.4f\n", $2 - $1 }' >>"$out/$who"
    done
done

# ---- What came out ------------------------------------------------------------------------------

median() {
    sort -n "$out/$1" | awk '{ t[NR] = $1 } END { print NR % 2 ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2 }'
}

bytes_of() {
    stat -Lc %s "$(file_of "$1")"
}

ratio() { # how many times as fast as $2 is $1, beside a wanted figure
    [ -e "$out/$1" ] && [ -e "$out/$2" ] || return 0
    awk -v a="$(median "$1")" -v b="$(median "$2")" -v what="$1 / $2" -v want="$3" \
        'BEGIN { printf "%-40s %7.2f   %s\n", what, b / a, want }'
}

printf '%-40s %9s %9s\n' "" seconds MB/s
for who in "${contenders[@]}"; do
    [ ! -e "$out/$who" ] || awk -v who="$who" -v t="$(median "$who")" -v b="$(bytes_of "$who")" \
        'BEGIN { printf "%-40s %9.3f %9.0f\n", who, t, b / t / 1e6 }'
done
printf '\n%-40s %7s   %s\n' "ratios of pace" "" "wanted"
ratio "words, threads" "mawk" ">= 10 (goal)"
ratio "words, processes" "mawk" ">= 10 (goal)"
ratio "words, processes" "tr | sort | uniq" ""
ratio "rows, threads" "ngram top" ">= 0.60 (goal)"
ratio "rows, processes" "ngram top" ">= 0.60 (goal)"
