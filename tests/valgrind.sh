#!/bin/sh
# tests/valgrind.sh BUILD [NAME...]: runs test programs, and whatever they fork, under valgrind.
#
# Without a name: all of executor/ and loop/. What valgrind finds in any process fails the test; but
# not in one that died of a signal: those are the tests' own crashes, which it reports as well.
set -eu
build=$(cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
logs=$build/valgrind
command -v valgrind >/dev/null || {
    echo "valgrind is not installed" >&2
    exit 1
}

# Reports, one line a log: valgrind's own remarks about itself begin with "--".
findings() {
    for log in "$logs/$1".*.log; do
        [ -s "$log" ] || continue
        grep -q 'Process terminating with default action of signal' "$log" && continue
        grep -q '^==' "$log" && printf '%s\n' "$log"
    done
    return 0
}

run_one() {
    name=$1
    set --
    case $name in
    test_executor_orphans) set -- "$build/executor_orphan_program" ;;
    test_loop_main) set -- "$build/loop_main_program" ;;
    esac
    rm -f "$logs/$name".*
    status=0
    begin=$(date +%s)
    # Coroutines say where their stacks are; a context switch is no overflow of a frame. A call that
    # is bound when it is first made moves the stack in a way that is taken for a switch.
    LD_BIND_NOW=1 timeout "${YOKE_VALGRIND_LIMIT:-1800}" valgrind -q --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite --max-stackframe=16777216 --fair-sched=try \
        --suppressions="$here/valgrind.supp" --log-file="$logs/$name.%p.log" \
        "$build/$name" "$@" >"$logs/$name.out" 2>&1 || status=$?
    found=$(findings "$name")
    verdict=clean
    [ -z "$found" ] || verdict="$(printf '%s\n' "$found" | wc -l) processes with findings"
    [ "$status" = 0 ] || verdict="failed ($status), $verdict"
    printf '%-36s %4s s  %s\n' "$name" $(($(date +%s) - begin)) "$verdict"
    [ "$verdict" = clean ] && return 0
    grep -E 'ERROR|Failure|LINE|watchdog' "$logs/$name.out" || true
    for log in $found; do
        grep '^==' "$log" | head -40
    done
    return 1
}

if [ "${1:-}" = -one ]; then
    run_one "$2"
    exit
fi
mkdir -p "$logs"
[ $# -gt 0 ] || set -- $(cd "$build" && ls -d test_executor_* test_loop_*)
printf '%s\n' "$@" | xargs -P "${YOKE_VALGRIND_JOBS:-2}" -I{} sh "$here/valgrind.sh" "$build" -one {}
