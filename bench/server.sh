#!/bin/bash
# bench/server.sh [BUILD] - requests per second of the HTTP server in several processes, beside nginx
# and Node's cluster, by wrk on the same CPUs.
#
#   keep-alive   a 13-byte answer, 64 connections
#   pipelined    the same, 16 requests at once on each connection
#   cpu          a job of 1 ms on the executors for each request (in Node, in its loop)
#   light        the 99th percentile of the latency of small answers while 32 other connections ask
#                for nothing but cpu
#
# "punctual" is yoke with .punctual: its loops stay SCHED_OTHER however busy they are.
#
# All take turns in every round, so that a busy minute of the machine hits all alike; what counts is
# the median of the rounds' ratios. Peers that are not installed are named and left out.
#
#   SECONDS_EACH=4 ROUNDS=5 PROCESSES=2 PORT=18100 KINDS="keep-alive cpu" bench/server.sh build/release
set -eu
LC_ALL=C
export LC_ALL

build=${1:-build/release}
each=${SECONDS_EACH:-4}
rounds=${ROUNDS:-5}
processes=${PROCESSES:-2}
port=${PORT:-18100}
kinds=${KINDS:-keep-alive pipelined cpu light}
out=$(mktemp -d "${TMPDIR:-/tmp}/yoke-bench.XXXXXX")
running=
trap '[ -z "$running" ] || kill $running; wait; rm -rf "$out"' EXIT

if ! command -v wrk >/dev/null; then
    echo "bench/server.sh: it takes wrk to ask (Debian: wrk)" >&2
    exit 0
fi

# ---- Who takes part -----------------------------------------------------------------------------

start_yoke() {
    exec "$build/bench_server" "$1" "$processes"
}

# See loop/serve/serve.h.
start_punctual() {
    exec "$build/bench_server" "$1" "$processes" punctual
}

start_nginx() {
    mkdir -p "$out/nginx"
    cat >"$out/nginx.conf" <<END
worker_processes $processes;
pid $out/nginx/pid;
error_log stderr crit;
daemon off;
events { worker_connections 16384; multi_accept on; }
http {
    access_log off;
    client_body_temp_path $out/nginx; proxy_temp_path $out/nginx; fastcgi_temp_path $out/nginx;
    uwsgi_temp_path $out/nginx; scgi_temp_path $out/nginx;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    server_tokens off;
    server {
        listen 127.0.0.1:$1 reuseport backlog=4096;
        default_type text/plain;
        location = / { return 200 "Hello, world\n"; }
    }
}
END
    exec nginx -p "$out/nginx" -c "$out/nginx.conf"
}

start_node() {
    cat >"$out/node.js" <<'END'
const cluster = require('cluster'), http = require('http');
const [port, processes] = process.argv.slice(2).map(Number);
if (cluster.isPrimary) {
    for (let i = 0; i < processes; i++) cluster.fork();
} else {
    http.createServer((req, res) => {
        if (req.url === '/cpu')
            for (const until = performance.now() + 1; performance.now() < until;) ;
        res.setHeader('Content-Type', 'text/plain');
        res.end('Hello, world\n');
    }).listen(port, '127.0.0.1');
}
END
    exec node "$out/node.js" "$1" "$processes"
}

servers="yoke punctual"
for who in nginx node; do
    if command -v "$who" >/dev/null; then
        servers="$servers $who"
    else
        echo "left out: $who is not installed" >&2
    fi
done

# Each server is there all the time, asleep while the others are asked.
begin() {
    "start_$1" "$2" &
    running="$running $!"
    for ((i = 0; i < 100; i++)); do
        ! (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null || return 0
        sleep 0.05
    done
    echo "bench/server.sh: $1 does not answer" >&2
    exit 1
}

# ---- How they are asked -------------------------------------------------------------------------

cat >"$out/pipeline.lua" <<'END'
init = function(args)
    local all = {}
    for i = 1, 16 do all[i] = wrk.format(nil, "/") end
    batch = table.concat(all)
end
request = function() return batch end
END

per_second() {
    awk '/^Requests\/sec/ { print $2 }'
}

# Milliseconds.
p99() {
    awk '$1 == "99%" { n = $2 + 0; if ($2 ~ /us$/) n /= 1000; else if ($2 ~ /[0-9]s$/) n *= 1000; print n }'
}

ask() { # kind, port
    case $1 in
    keep-alive) wrk -t2 -c64 -d"$each" "http://127.0.0.1:$2/" | per_second ;;
    pipelined) wrk -t2 -c64 -d"$each" -s "$out/pipeline.lua" "http://127.0.0.1:$2/" | per_second ;;
    cpu) wrk -t2 -c64 -d"$each" "http://127.0.0.1:$2/cpu" | per_second ;;
    light)
        wrk -t1 -c32 -d"$((each + 1))" "http://127.0.0.1:$2/cpu" >/dev/null &
        local heavy=$!
        sleep 0.5
        wrk -t1 -c8 -d"$each" --latency "http://127.0.0.1:$2/" | p99
        wait "$heavy"
        ;;
    esac
}

# nginx computes nothing.
takes_part() {
    [ "$1" != nginx ] || [ "$2" = keep-alive ] || [ "$2" = pipelined ]
}

n=0
for who in $servers; do
    begin "$who" "$((port + n++))"
done
for ((round = 1; round <= rounds; round++)); do
    for kind in $kinds; do
        n=0
        for who in $servers; do
            at=$((port + n++))
            takes_part "$who" "$kind" || continue
            echo "round $round of $rounds: $kind, $who" >&2
            ask "$kind" "$at" >>"$out/$kind-$who"
        done
    done
done

# ---- What came out ------------------------------------------------------------------------------

median() {
    sort -n "$out/$1" | awk '{ t[NR] = $1 } END { print NR % 2 ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2 }'
}

range() {
    sort -n "$out/$1" | awk 'NR == 1 { low = $1 } { high = $1 } END { print low "-" high }'
}

ratio() { # kind, peer, what was wanted
    local who
    for who in yoke punctual; do
        [ -e "$out/$1-$who" ] && [ -e "$out/$1-$2" ] || continue
        paste "$out/$1-$who" "$out/$1-$2" | awk '{ print $1 / $2 }' >"$out/ratios"
        printf '%-40s %7.2f   %s\n' "$1: $who / $2" "$(median ratios)" "$3"
    done
}

echo "$processes processes, $(nproc) CPUs, $(nginx -v 2>&1 | sed 's/.*nginx/nginx/'), node $(node --version 2>/dev/null)"
printf '%-24s %12s   %s\n' "" median range
for kind in $kinds; do
    unit="requests/s"
    [ "$kind" != light ] || unit="ms, p99"
    for who in $servers; do
        [ ! -e "$out/$kind-$who" ] ||
            printf '%-24s %12s   %s %s\n' "$kind, $who" "$(median "$kind-$who")" "$(range "$kind-$who")" "$unit"
    done
done
printf '\n%-40s %7s   %s\n' "ratios" "" "wanted"
ratio keep-alive nginx ">= 1.15 (goal)"
ratio pipelined nginx ">= 4 (goal)"
ratio keep-alive node ""
ratio pipelined node ""
ratio cpu node ""
ratio light node "(smaller is better)"
