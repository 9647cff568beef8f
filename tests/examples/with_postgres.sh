#!/bin/sh
# tests/examples/with_postgres.sh COMMAND...: runs a command beside a PostgreSQL of its own.
#
# The server is in a temporary folder, listens on a Unix socket there and nowhere else, and ends with
# the command, or with this script, however that ends. The command finds it by PGHOST and PGUSER.
# Exit status: the command's; 77 where there is no PostgreSQL.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -x "$bin/postgres" ] || bin=$(dirname "$(command -v postgres || echo /nowhere/postgres)")
if ! [ -x "$bin/postgres" ] || ! [ -x "$bin/initdb" ]; then
    echo "skipped: there is no PostgreSQL here" >&2
    exit 77
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/yoke-postgres-XXXXXX")
server=
end() {
    [ -z "$server" ] || { kill -INT "$server" && wait "$server"; } 2>/dev/null || true
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# It refuses to be root; the package has made a user for it.
user=$(id -un)
[ "$user" != root ] || user=postgres
chown "$user" "$folder"
as_user() {
    group=$(id -gn "$user")
    [ "$user" = "$(id -un)" ] || set -- --reuid="$user" --regid="$group" --clear-groups "$@"
    exec setpriv --pdeathsig INT "$@"
}

cd "$folder"
(as_user "$bin/initdb" -D data -U yoke -A trust -E UTF8 --locale=C --no-sync) >log 2>&1 || {
    cat log >&2
    exit 1
}
as_user "$bin/postgres" -D data -k "$folder" -c listen_addresses= -c fsync=off \
    -c max_connections=12 >log 2>&1 &
server=$!
until "$bin/pg_isready" -q -h "$folder"; do
    kill -0 "$server" 2>/dev/null || {
        cat log >&2
        exit 1
    }
    sleep 0.05
done
cd "$OLDPWD"
export PGHOST="$folder" PGUSER=yoke PGDATABASE=postgres
"$@"
