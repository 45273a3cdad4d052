#!/usr/bin/env bash
# Fills a private server with 1 GiB and compares the report with what redis-cli sees.
#   demo.sh PATH-TO-REDIS-CLIENT
set -euo pipefail
here=$(dirname "$0")
program=${1:?path to redis-client}
export XDG_CONFIG_HOME=/nonexistent # no habits of the user of this machine
expected=1048576 # ceil(2^30 / (512 + 512))

# A free port: the kernel names one, and nobody else takes it in the meantime.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null ||
  { for port in $(seq 16379 16479); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; break; }; done; })
cli=$(command -v redis-cli || command -v valkey-cli)

"$here/server.sh" start "$port" >/dev/null
trap '"$here/server.sh" stop "$port" >/dev/null' EXIT

echo "+ redis-client fill -h 127.0.0.1 -p $port -d 1 -f"
status=0
"$program" fill -h 127.0.0.1 -p "$port" -d 1 -f || status=$?
echo
echo "+ redis-cli -p $port DBSIZE"
seen=$("$cli" -p "$port" DBSIZE)
echo "$seen"
if [ "$status" != 0 ] || [ "$seen" != "$expected" ]; then
  echo "demo FAILED: exit status $status, $seen keys instead of $expected" >&2
  exit 1
fi
echo "The server holds exactly the $expected keys that were asked for."
