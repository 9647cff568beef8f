#!/bin/sh
# Prints the table of docs/scenarios.md: which test proves which scenario. The ids are in the names
# of the tests: test_P04_segfault_fails_only_its_job proves P04. What each id means is in
# tests/scenarios.tsv; why one cannot apply, in docs/scenarios-notes.txt.
#
#   tests/scenarios.sh                  the whole page
#   tests/scenarios.sh --missing FWE    the ids of these sections that are neither proven nor
#                                       explained; fails if there are any
set -eu
cd "$(dirname "$0")/.."

# id, file, name of every test function that is registered or generated in the file
proofs() {
    grep -rnoE --include='*.c' '^static void test_[A-Z][0-9]{2}(_[A-Z][0-9]{2})*_[A-Za-z0-9_]+' tests |
        sed -E 's/^([^:]+):[0-9]+:static void test_(.*)$/\1 \2/' |
        awk '{ n = split($2, part, "_"); rest = ""
               for (i = 1; i <= n && part[i] ~ /^[A-Z][0-9][0-9]$/; i++) ;
               for (k = i; k <= n; k++) rest = rest (k > i ? " " : "") part[k]
               for (k = 1; k < i; k++) print part[k] "\t" $1 "\t" rest }' | sort -u
}

table() {
    proofs | awk -F '\t' -v missing="$1" '
        function section(id) {
            name["F"] = "Futures"; name["W"] = "Waiting"; name["E"] = "Executors"
            name["I"] = "Initializers and finalizers"; name["P"] = "Process faults"
            name["T"] = "Time-outs, cancellation, recycling"; name["S"] = "Shutdown"
            name["A"] = "Tasks and the loop"; name["L"] = "Locks and queues"
            name["U"] = "Fork and libuv"
            return name[substr(id, 1, 1)]
        }
        FILENAME == "tests/scenarios.tsv" { order[++n] = $1; what[$1] = $2; next }
        FILENAME == "docs/scenarios-notes.txt" {
            id = substr($0, 1, 3); note[id] = substr($0, 5); sub(/^ +/, "", note[id]); next
        }
        {
            sub(/^tests\//, "", $2)
            count[$1]++
            proof[$1] = proof[$1] (proof[$1] ? "<br>" : "") $3 " (" $2 ")"
        }
        END {
            for (i = 1; i <= n; i++) {
                id = order[i]
                state = count[id] ? "proven" : note[id] ? "explained" : "open"
                total[substr(id, 1, 1), state]++
                if (missing) {
                    if (state == "open" && index(missing, substr(id, 1, 1))) { print id " " what[id]; bad = 1 }
                    continue
                }
                if (substr(id, 1, 1) != last) {
                    last = substr(id, 1, 1)
                    print "\n## " section(id) "\n\n| id | what happens | state | by |\n|---|---|---|---|"
                }
                by = proof[id] (proof[id] && note[id] ? "<br>" : "") note[id]
                gsub(/\|/, "\\|", what[id])
                print "| " id " | " what[id] " | " state " | " by " |"
            }
            exit bad
        }' tests/scenarios.tsv docs/scenarios-notes.txt -
}

if [ "${1:-}" = --missing ]; then
    table "${2:-FWEIPTSALU}"
    exit
fi

cat <<'END'
# Scenarios

What an executor and its loop must survive, as the systems that came before learnt it. *proven*: tests bear the
id in their names; those of the executors run on every executor that they apply to, from plain threads and from
tasks, and `./dev test` runs them in release, under the address and undefined-behaviour sanitizers and
under the thread sanitizer. *explained*: it cannot apply, and the last column says why. *open*: not yet.

`./dev scenarios` writes this page from the tests.
END
table ""
