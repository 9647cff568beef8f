#!/bin/sh
# hostile.sh BUILD [SECONDS] - slowhttptest, in its four ways, against a server of two workers, while
# somebody asks for what he is due, again and again. Every such request must be answered, and the
# memory of the server's processes stays bounded. The status is 0 if so.
set -eu

build=$1
seconds=${2:-20}
port=${YOKE_PORT:-18474}
connections=1000
most_mib=256
log=$(mktemp -d "${TMPDIR:-/tmp}/yoke-hostile-XXXXXX")
failed=0

server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$log"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Anonymous memory of the supervisor and all below it.
memory_kib() {
    pids=$server
    below=$server
    while [ -n "$below" ]; do
        next=
        for pid in $below; do
            next="$next $(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)"
        done
        below=$(echo $next)
        pids="$pids $below"
    done
    for pid in $pids; do
        grep RssAnon "/proc/$pid/status" 2>/dev/null || true
    done | awk '{ sum += $2 } END { print sum + 0 }'
}

# Asks until slowhttptest has ended. Says how many requests, how many of them failed, the slowest in
# milliseconds, and the most memory in MiB.
ask_until_over() {
    n=0 bad=0 slowest=0 most=0
    while [ ! -e "$log/over" ]; do
        answer=$(curl -s -m 5 -w ' %{http_code} %{time_total}' "http://127.0.0.1:$port/small" || true)
        n=$((n + 1))
        case $answer in
        "small 200 "*) ms=$(echo "$answer" | awk '{ printf "%d", $3 * 1000 }') ;;
        *) bad=$((bad + 1)) ms=5000 ;;
        esac
        [ "$ms" -le "$slowest" ] || slowest=$ms
        if [ $((n % 5)) = 0 ]; then
            kib=$(memory_kib)
            [ "$kib" -le "$most" ] || most=$kib
        fi
        sleep 0.1
    done
    echo "$n $bad $slowest $((most / 1024))"
}

attack() {
    what=$1
    shift
    rm -f "$log/over"
    {
        timeout $((seconds + 30)) slowhttptest -c "$connections" -r 500 -l "$seconds" -p 3 "$@" \
            >"$log/out" 2>&1 || true
        touch "$log/over"
    } &
    set -- $(ask_until_over)
    wait $!
    printf '%-30s %5d requests, %d unanswered, the slowest %4d ms; at most %3d MiB\n' \
        "$what" "$1" "$2" "$3" "$4"
    { [ "$1" -gt 0 ] && [ "$2" = 0 ] && [ "$4" -le "$most_mib" ]; } || failed=1
}

"$build/server_soak" serve "$port" &
server=$!
i=0
until curl -s -m 1 "http://127.0.0.1:$port/small" >/dev/null; do
    i=$((i + 1))
    [ "$i" -lt 50 ] || {
        echo "hostile: the server does not begin" >&2
        exit 1
    }
    sleep 0.1
done
before=$(memory_kib)

url=http://127.0.0.1:$port
echo "$connections connections, $seconds seconds each; at first $((before / 1024)) MiB"
attack "slow heads (slowloris)" -H -i 1 -u "$url/small"
attack "slow bodies" -B -i 1 -s 100000 -u "$url/echo"
attack "ranges" -R -u "$url/large/100000"
attack "slow readers" -X -w 10 -y 512 -n 1 -z 32 -k 3 -u "$url/large/5000000"

sleep 6 # until the last of them are gone
after=$(memory_kib)
echo "at last $((after / 1024)) MiB"
[ "$after" -le $((before + 64 * 1024)) ] || failed=1

kill "$server"
wait "$server" || failed=1
server=
[ "$failed" = 0 ] && echo "all were answered" || echo "FAILED"
exit "$failed"
