#!/bin/sh
# bench/store.sh BUILD - a store of a made-up gigabyte of n-grams: how long it takes to make one, and to
# find an n-gram in it, beside LMDB's own reader. SIZE (1G) and FOLDER (build/bench) may be changed.
set -eu
build=$1
size=${SIZE:-1G}
folder=${FOLDER:-build/bench}
mkdir -p "$folder"
rows=$folder/store-$size.tsv
store=$folder/store-$size
[ -s "$rows" ] || "$build/ngram" gen --bytes "$size" --shards 3 --seed 7 -o "$rows" --progress never
echo "ngram index, $size of rows:"
"$build/ngram" index "$rows" -o "$store" --stats --progress never 2>&1 | grep -E '^(seconds|throughput|memory)'
"$build/ngram" info "$store" --progress never | grep -E '^(stored|ngrams)'
echo
"$build/bench_store" "$store"
