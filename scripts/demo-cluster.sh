#!/usr/bin/env bash
# Fills a private cluster of five masters with 1 GiB and compares the report with what redis-cli
# sees on each of them.
#   demo-cluster.sh PATH-TO-REDIS-CLIENT
set -euo pipefail
here=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR source=process.sh
. "$here/process.sh"
program=${1:?path to redis-client}
export XDG_CONFIG_HOME=/nonexistent # no habits of the user of this machine
expected=1048576 # ceil(2^30 / (512 + 512))
masters=5

# Whether nobody has the ports that a cluster takes from port $1 on.
are_free() {
  local port
  for port in $(seq "$1" $(($1 + masters - 1))); do
    if is_taken "$port" || is_taken "$((port + 10000))"; then return 1; fi
  done
}

# Anywhere, but below the ports that the kernel gives to clients: it may give one away at any time.
port=$((12000 + RANDOM % 10000))
until are_free "$port"; do port=$((12000 + RANDOM % 10000)); done

"$here/cluster.sh" start "$port" "$masters" 0 >/dev/null
trap '"$here/cluster.sh" stop "$port" >/dev/null' EXIT

echo "+ redis-client fill -h 127.0.0.1 -p $port -c -d 1 -f"
status=0
"$program" fill -h 127.0.0.1 -p "$port" -c -d 1 -f || status=$?
echo
sum=0
for node in $(seq "$port" $((port + masters - 1))); do
  echo "+ redis-cli -p $node DBSIZE"
  seen=$(ask "$node" DBSIZE) || seen=0
  echo "$seen"
  sum=$((sum + seen))
done
if [ "$status" != 0 ] || [ "$sum" != "$expected" ]; then
  echo "demo FAILED: exit status $status, $sum keys instead of $expected" >&2
  exit 1
fi
echo "The $masters masters hold exactly the $expected keys that were asked for."
