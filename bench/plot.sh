#!/bin/sh
# bench/plot.sh TSV FOLDER: draws bench-threads.svg and bench-processes.svg from the file that
# bench_executor writes.
set -eu
tsv=$1
folder=$2
if ! command -v gnuplot >/dev/null 2>&1; then
    echo "bench: no plots: gnuplot is missing (install gnuplot-nox)" >&2
    exit 0
fi
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

# A line for each contender: its name and the jobs a second at windows 1, 64 and 1024.
table() {
    awk -F'\t' -v kind="$1" '
        $1 == kind && $3 ~ /^(1|64|1024)$/ {
            if (!($2 in seen)) { seen[$2] = 1; names[n++] = $2 }
            speed[$2, $3] = $4
        }
        END {
            for (i = 0; i < n; i++) {
                name = names[i]
                printf "\"%s\"", name
                for (w = 1; w <= 1024; w = w == 1 ? 64 : w * 16)
                    printf "\t%s", (name, w) in speed ? speed[name, w] : "nan"
                print ""
            }
        }' "$tsv"
}

draw() {
    table "$1" >"$data/$1"
    gnuplot <<END
set terminal svg size 760,400 font "sans-serif,12" background "white"
set output "$folder/bench-$1.svg"
set title "Empty jobs of 8 bytes from a loop and back, 2 $1"
set ylabel "jobs/s"
set logscale y
set format y "10^{%L}"
set yrange [1e3:2e8]
set grid ytics lc rgb "#dddddd"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set xtics rotate by -20 nomirror noenhanced
set key top left horizontal
set bmargin 5
plot "$data/$1" using 2:xtic(1) title "window 1" lc rgb "#4477aa", \
     "" using 3 title "window 64" lc rgb "#ddaa33", \
     "" using 4 title "window 1024" lc rgb "#228833"
END
}

draw threads
draw processes
