#!/usr/bin/env bash
# A private cluster of redis-server or valkey-server without persistence, on loopback. Its nodes
# take consecutive ports from PORT on, masters first.
#   cluster.sh start PORT MASTERS REPLICAS    start one in a temporary folder; REPLICAS per master
#   cluster.sh stop PORT                      stop the one that `start` started
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=process.sh
. "$(dirname "$0")/process.sh"

# Servers reach each other on a second port, so much further on.
bus=10000

# Says what is wrong and what to do.
refuse() { echo "nothing was started: $1" >&2; exit 2; }

# Refuses numbers that no cluster can be made of.
check_numbers() {
  local port=$1 masters=$2 replicas=$3
  [[ "$masters" =~ ^[35]$ ]] ||
    refuse "NODES=$masters: the number of masters is 3 or 5 (make redis-cluster-start NODES=3)"
  [[ "$replicas" =~ ^[01]$ ]] ||
    refuse "REPLICAS=$replicas: each master has 0 or 1 replicas (make redis-cluster-start REPLICAS=0)"
  local last=$((65535 - bus - masters * (1 + replicas) + 1))
  [[ "$port" =~ ^[1-9][0-9]{0,4}$ && "$port" -le "$last" ]] ||
    refuse "PORT=$port: the first port is a number from 1 to $last, since each node needs its port and the one $bus further on"
}

# Refuses ports that somebody has: all of $@.
check_ports() {
  local port taken=()
  for port in "$@"; do
    if is_taken "$port"; then taken+=("$port"); fi
    if is_taken "$((port + bus))"; then taken+=("$((port + bus))"); fi
  done
  [ "${#taken[@]}" = 0 ] ||
    refuse "something answers already on port ${taken[*]}, and the nodes need $1 to $port and $(($1 + bus)) to $((port + bus)); choose others: make redis-cluster-start PORT=..."
}

# Ends every server in folder $1, together, and removes it. One that was interrupted before it
# wrote down its process id does so within a moment.
end_all() {
  local node ends=()
  for node in "$1"/*/; do
    await_pid "${node%/}"
    end "${node%/}" &
    ends+=($!)
  done
  for node in "${ends[@]}"; do wait "$node"; done
  rm -rf "$1"
}

await_pid() {
  for _ in $(seq 10); do
    [ ! -f "$1/pid" ] || return 0
    sleep 0.05
  done
}

# Whether the node on port $1 knows $2 masters, $3 replicas and an owner of every slot, and has a
# copy of its master's data if it is a replica.
is_ready() {
  local info nodes
  info=$(ask "$1" cluster info; ask "$1" info replication) nodes=$(ask "$1" cluster nodes)
  [[ "$info" == *cluster_state:ok* && "$info" == *cluster_slots_ok:16384* ]] &&
    [[ "$info" != *master_link_status:down* ]] &&
    [ "$(grep -c master <<<"$nodes") $(grep -c slave <<<"$nodes")" = "$2 $3" ]
}

# Stops what was started of the cluster in folder $cluster.
give_up() {
  echo "the cluster did not start; stopping what was started of it" >&2
  end_all "$cluster"
}

start() {
  local first=$1 masters=$2 replicas=$3 port
  check_numbers "$@"
  local ports=() addresses=()
  for port in $(seq "$first" $((first + masters * (1 + replicas) - 1))); do
    ports+=("$port") addresses+=("127.0.0.1:$port")
  done
  check_ports "${ports[@]}"
  cluster=$(folder_of cluster "$first")
  # Nothing of it answers, so this is what a crash or a reboot left.
  if [ -d "$cluster" ]; then end_all "$cluster"; fi
  trap give_up EXIT
  for port in "${ports[@]}"; do
    launch "$port" "$cluster/$port" --cluster-enabled yes --cluster-node-timeout 5000 \
      --repl-diskless-sync-delay 0
  done
  for port in "${ports[@]}"; do
    await answers "$port" || { cat "$cluster/$port/log" >&2; exit 1; }
  done
  local said
  said=$("$(first_of redis-cli valkey-cli)" --cluster create "${addresses[@]}" \
    --cluster-replicas "$replicas" --cluster-yes) || { echo "$said" >&2; exit 1; }
  for port in "${ports[@]}"; do
    await is_ready "$port" "$masters" "$((masters * replicas))" || { ask "$port" cluster nodes >&2; exit 1; }
  done
  trap - EXIT
  echo "a cluster runs on 127.0.0.1, ports $first to $port: $masters masters, $((masters * replicas)) replicas"
  local at=""
  [ "$first" = 6379 ] || at=" -p $first"
  echo "fill it with: redis-client fill -h localhost$at -c -d 1"
  echo "stop it with: make redis-cluster-stop PORT=$first"
}

stop() {
  local folder
  folder=$(folder_of cluster "$1")
  if [ ! -d "$folder" ]; then
    echo "no cluster of ours begins at port $1" >&2
    exit 1
  fi
  end_all "$folder"
  echo "stopped"
}

case "${1:-} $#" in
  "start 4" | "stop 2") "$@" ;;
  *) echo "usage: cluster.sh start PORT MASTERS REPLICAS | stop PORT" >&2; exit 2 ;;
esac
