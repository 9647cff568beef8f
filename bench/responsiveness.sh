#!/bin/sh
# bench/responsiveness.sh BUILD [--plot]: how well a loop keeps time while its workers compute, by
# their scheduling. With --plot, also puts the table into docs/benchmarks.md and draws
# docs/bench-responsiveness.svg.
set -eu
build=$1
out=build/bench
mkdir -p "$out"

"$build/bench_responsiveness" "${BENCH_ROUNDS:-3}" "${BENCH_MS:-500}" "${BENCH_TRIES:-3}" \
    "$out/responsiveness.tsv" >"$out/responsiveness.txt"
cat "$out/responsiveness.txt"
[ "${2:-}" = --plot ] || exit 0

# Replaces what stands between the two marks.
awk -v text="$out/responsiveness.txt" '
    /<!-- responsiveness: end -->/ { inside = 0 }
    !inside { print }
    /<!-- responsiveness: begin -->/ {
        inside = 1
        print "```"
        while ((getline line < text) > 0) { sub(/ +$/, "", line); print line }
        print "```"
    }' docs/benchmarks.md >"$out/benchmarks.md"
cp "$out/benchmarks.md" docs/benchmarks.md

if ! command -v gnuplot >/dev/null 2>&1; then
    echo "bench: no plot: gnuplot is missing (install gnuplot-nox)" >&2
    exit 0
fi
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

# A line for each choice (of processes): its name, the p90 of the lag at each load, and the
# workers' throughput beside foreign programs.
awk -F'\t' '
    $1 != "processes" { next }
    {
        if (!($3 in seen)) { seen[$3] = 1; names[n++] = $3 }
        if (!($2 in column)) { column[$2] = 1; loads[m++] = $2 }
        lag[$3, $2] = $5
        jobs[$3, $2] = $9
    }
    END {
        for (i = 0; i < n; i++) {
            printf "\"%s\"", names[i]
            for (k = 0; k < m; k++)
                printf "\t%s", lag[names[i], loads[k]]
            printf "\t%s\n", jobs[names[i], loads[m - 1]]
        }
    }' "$out/responsiveness.tsv" >"$data/rows"
gnuplot <<END
set terminal svg size 760,560 font "sans-serif,12" background "white"
set output "docs/bench-responsiveness.svg"
set multiplot layout 2,1
set grid ytics lc rgb "#dddddd"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set xtics rotate by -20 nomirror
set bmargin 4
set title "Lag (p90) of a 1 ms timer of the loop while twice as many processes as cores compute"
set ylabel "microseconds"
set logscale y
set yrange [10:10000]
set key top right horizontal
plot "$data/rows" using 2:xtic(1) title "loop light" lc rgb "#4477aa", \
     "" using 3 title "20 % busy" lc rgb "#ddaa33", \
     "" using 4 title "50 % busy" lc rgb "#228833"
unset logscale y
set title "What the workers get done beside as many foreign programs as cores"
set ylabel "of normal workers"
set yrange [0:1.3]
unset key
plot "$data/rows" using 6:xtic(1) lc rgb "#aa3377"
unset multiplot
END
