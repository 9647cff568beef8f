#!/bin/bash
# bench/ngram.sh [BUILD] - ngram top on a made-up file of 1 GiB, beside the tools that people use.
#
# All contenders run one after the other in every round, so that a busy minute of the machine hits
# all alike; what counts is the ratio of the medians. The file is made once and kept in the build
# folder; everything is read from the page cache.
#
#   BYTES=1G ROUNDS=5 WORKERS=2 bench/ngram.sh build/release
set -eu
LC_ALL=C
export LC_ALL

build=${1:-build/release}
rounds=${ROUNDS:-5}
workers=${WORKERS:-2}
bytes=${BYTES:-1G}
ngram=$build/ngram
data=$build/bench-data
name=$data/$bytes
out=$(mktemp -d "${TMPDIR:-/tmp}/yoke-bench.XXXXXX")
trap 'rm -rf "$out"' EXIT

# ---- The files ----------------------------------------------------------------------------------

make_file() {
    [ -s "$1" ] && return
    echo "making $1 (once)" >&2
    "$ngram" gen --bytes "$bytes" --seed 7 -o "$1" "${@:2}"
}

mkdir -p "$data"
make_file "$name.tsv"
make_file "$name.zst"
make_file "$name.gz" --level 6
text=$(stat -c %s "$name.tsv")
cat "$name.tsv" "$name.zst" "$name.gz" >/dev/null

# ---- Who takes part -----------------------------------------------------------------------------

contenders=()
declare -A command
add() {
    contenders+=("$1")
    command[$1]=$2
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
add "gzip -dc" "gzip -dc $name.gz"
command -v mawk >/dev/null &&
    add "mawk" "mawk -F\\t {m[\$1]+=\$3}END{for(n\\040in\\040m)if(m[n]>b){b=m[n];w=n};print\\040w,b} $name.tsv"

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
    for who in "${contenders[@]}"; do
        echo "round $round of $rounds: $who" >&2
        run_once "${command[$who]}" | awk '{ printf "%.4f\n", $2 - $1 }' >>"$out/$who"
    done
done

median() {
    sort -n "$out/$1" | awk '{ t[NR] = $1 } END { print NR % 2 ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2 }'
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
    *) echo "$text" ;;
    esac
}

echo "ngram top, $workers workers, $text bytes of text in the page cache; medians of $rounds rounds"
echo
printf '%-32s %9s %9s\n' "" seconds MB/s
for who in "${contenders[@]}"; do
    printf '%-32s %9.3f %9.0f\n' "$who" "$(median "$who")" \
        "$(awk -v t="$(median "$who")" -v b="$(bytes_of "$who")" 'BEGIN { print b / t / 1e6 }')"
done

ratio() { # how many times as fast as $2 is $1, beside a wanted figure
    [ -e "$out/$1" ] && [ -e "$out/$2" ] || return 0
    awk -v a="$(median "$1")" -v b="$(median "$2")" -v x="$(bytes_of "$1")" -v y="$(bytes_of "$2")" \
        -v what="$1 / $2" -v want="$3" \
        'BEGIN { printf "%-56s %7.2f   %s\n", what, (x / a) / (y / b), want }'
}

echo
printf '%-56s %7s   %s\n' "ratios of pace" "" "wanted"
ratio "ngram threads" "wc -l" ">= 0.42 (goal)"
ratio "ngram processes" "ngram threads" "within 5 % (goal)"
ratio "ngram threads" "mawk" ""
ratio "ngram processes" "mawk" ""
ratio "ngram zstd, threads" "only unpack zstd, $workers threads" ">= 0.50, 0.70 (goal)"
ratio "ngram zstd, processes" "only unpack zstd, $workers threads" ">= 0.50, 0.70 (goal)"
ratio "ngram zstd, processes" "zstd -dc" ""
ratio "ngram gzip, threads" "igzip -dc" ">= 0.75, 0.95 (goal)"
ratio "ngram gzip, processes" "igzip -dc" ">= 0.75, 0.95 (goal)"
ratio "ngram two gzip files" "ngram gzip, processes" ">= 1.1, 1.25 (goal)"
ratio "ngram gzip, processes" "gzip -dc" ""

echo
for executor in threads processes; do
    printf '%-56s %4d MB   %s\n' "memory, $executor: the most of all processes, sampled" \
        "$(peak_memory "$top --executor $executor $name.tsv")" "<= 100 MB, 50 MB (goal)"
done
