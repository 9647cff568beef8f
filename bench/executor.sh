#!/bin/sh
# bench/executor.sh BUILD [--plot]: what a job costs, beside the peers that are installed. With
# --plot, also puts the tables into docs/benchmarks.md and draws docs/bench-*.svg.
set -eu
build=$1
out=build/bench
mkdir -p "$out"

"$build/bench_executor" "${BENCH_ROUNDS:-5}" "${BENCH_MS:-250}" "$out/executor.tsv" |
    tee "$out/executor.txt"
[ "${2:-}" = --plot ] || exit 0

# Replaces what stands between the two marks.
awk -v text="$out/executor.txt" '
    /<!-- executor: end -->/ { inside = 0 }
    !inside { print }
    /<!-- executor: begin -->/ {
        inside = 1
        print "```"
        while ((getline line < text) > 0) { sub(/ +$/, "", line); print line }
        print "```"
    }' docs/benchmarks.md >"$out/benchmarks.md"
cp "$out/benchmarks.md" docs/benchmarks.md
bench/plot.sh "$out/executor.tsv" docs
