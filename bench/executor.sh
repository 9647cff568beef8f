#!/bin/sh
# bench/executor.sh BUILD [--plot]: what a job costs, beside the peers that are installed; some four
# minutes. With --plot, also puts the tables into docs/benchmarks.md and draws docs/bench-*.svg.
#
# BENCH_ROUNDS (5) rounds of BENCH_MS (250) milliseconds; after BENCH_SECONDS (240) no more begin.
# BENCH_COLUMN (all): one of 1, 64, 1024, "64 KiB", "1 MiB", deaths, idle, compute.
set -eu
build=$1
out=build/bench
mkdir -p "$out"

# Where, with what, and how busy the machine was before: 0 is best.
version() {
    pkg-config --modversion "$1" 2>/dev/null || echo missing
}
describe() {
    echo "$(nproc) CPUs ($(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)), Linux $(uname -r | cut -d. -f1,2)," \
        "$(cc --version 2>/dev/null | head -n 1 | sed 's/ (.*)//; s/^cc /gcc /'), $(date '+%B %Y'); load when it began: $(cut -d' ' -f1 /proc/loadavg)"
    echo "libuv $(version libuv), GLib $(version glib-2.0), oneTBB $(version tbb)," \
        "$(python3 --version 2>/dev/null || echo 'Python missing')"
    echo
}

{
    describe
    "$build/bench_executor" "${BENCH_ROUNDS:-5}" "${BENCH_MS:-250}" "$out/executor.tsv" "${BENCH_SECONDS:-240}"
} | tee "$out/executor.txt"
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
