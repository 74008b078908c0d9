#!/usr/bin/env bash
# A Redis server for the tests, thrown away afterwards: it listens to a Unix socket only.
#
#     tests/redis/serve.sh python -m pytest tests/redis
#
# runs that command with TEST_REDIS set to the server's socket, and stops what it started.
set -euo pipefail

command -v redis-server >/dev/null || {
  echo "There is no Redis server here. On Debian and Ubuntu: apt install redis-server" >&2
  exit 1
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/signal-tracer-redis.XXXXXX")
server=
stop() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" || true; }
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

redis-server --port 0 --unixsocket "$folder/socket" --dir "$folder" --save '' --appendonly no \
  --daemonize no >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 100); do
  [ -S "$folder/socket" ] && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
[ -S "$folder/socket" ] || { cat "$folder/log" >&2; exit 1; }

export TEST_REDIS="$folder/socket" REDIS_TESTS=required
"$@"
