#!/usr/bin/env bash
# A PostgreSQL server for the tests, thrown away afterwards: it listens to a Unix socket only.
#
#     tests/postgres/serve.sh python -m pytest tests/postgres
#
# runs that command with TEST_POSTGRES set to the server's address, and stops what it started.
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1) || true
if [ -z "$bin" ]; then
  bin=$(dirname "$(command -v initdb)") || {
    echo "There is no PostgreSQL server here. On Debian and Ubuntu: apt install postgresql" >&2
    exit 1
  }
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/signal-tracer-postgres.XXXXXX")
# PostgreSQL refuses to run as root.
as_owner=()
if [ "$(id -u)" -eq 0 ]; then
  chown postgres "$folder"
  as_owner=(runuser -u postgres --)
fi
chmod 755 "$folder"

stop() {
  (cd / && "${as_owner[@]}" "$bin/pg_ctl" --pgdata="$folder/data" --mode=immediate stop >/dev/null) || true
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

(
  cd /  # The owner may not be allowed to enter the folder that this was started in.
  "${as_owner[@]}" "$bin/initdb" --pgdata="$folder/data" --username=tests --auth=trust \
    --encoding=UTF8 --no-sync >/dev/null
  "${as_owner[@]}" "$bin/pg_ctl" --pgdata="$folder/data" --log="$folder/log" --wait start \
    --options="-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off" >/dev/null
) || { cat "$folder/log" >&2 2>/dev/null; exit 1; }

export TEST_POSTGRES="$folder" POSTGRES_TESTS=required
"$@"
