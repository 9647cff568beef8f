#!/bin/sh
# Prints the table of docs/scenarios.md: which test proves which scenario. The ids are in the
# names of the tests: test_P04_segfault_fails_only_its_job proves P04.
set -eu
cd "$(dirname "$0")/.."

cat <<'END'
# Scenarios

What an executor and its loop must survive. F: futures; W: waiting; E: executors; P: process faults;
T: time-outs, cancellation and recycling; S: shutdown; A: tasks and the loop. A test carries the ids that it
proves in its name; executor tests run on every executor that they apply to, from plain threads and
from tasks. `./dev scenarios` makes this table from the tests.

END
echo "| id | proven by | in |"
echo "|---|---|---|"
grep -rnoE --include='*.c' '^static void test_[A-Z][0-9]{2}(_[A-Z][0-9]{2})*_[A-Za-z0-9_]+' tests |
    sed -E 's/^([^:]+):[0-9]+:static void test_(.*)$/\1 \2/' |
    while read -r file name; do
        rest=$name
        ids=
        while :; do
            id=${rest%%_*}
            case $id in
            [A-Z][0-9][0-9]) ids="$ids $id"; rest=${rest#*_} ;;
            *) break ;;
            esac
        done
        for id in $ids; do
            printf '| %s | %s | %s |\n' "$id" "$(printf '%s' "$rest" | tr _ ' ')" "$file"
        done
    done | sort -u
