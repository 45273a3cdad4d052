#!/usr/bin/env bash
# A private redis-server or valkey-server without persistence, on loopback.
#   server.sh ensure          install redis-server if neither is there
#   server.sh start PORT      start one in a temporary folder
#   server.sh stop PORT       stop the one that `start` started
set -euo pipefail

# The folder of the server on port $1: its process id and its log.
folder() { echo "${TMPDIR:-/tmp}/redis-client-server-$(id -u)-$1"; }

# The first of the programs in $@ that is installed.
first_of() { for program in "$@"; do command -v "$program" && return; done; return 1; }

ensure() {
  if first_of redis-server valkey-server >/dev/null && first_of redis-cli valkey-cli >/dev/null; then
    return
  fi
  command -v apt-get >/dev/null || { echo "install redis-server or valkey-server first" >&2; exit 1; }
  echo "installing redis-server" >&2
  local sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  # The package would start a server of its own on port 6379; nobody asked for that one.
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends redis-server redis-tools >/dev/null
}

start() {
  local port=$1 folder server cli
  folder=$(folder "$port")
  server=$(first_of redis-server valkey-server) cli=$(first_of redis-cli valkey-cli)
  if [ "$("$cli" -p "$port" ping 2>/dev/null)" ]; then
    echo "something answers on port $port already; choose another: make redis-start PORT=..." >&2
    exit 1
  fi
  mkdir -p -m 700 "$folder"
  "$server" --port "$port" --bind 127.0.0.1 --save '' --appendonly no --daemonize yes \
    --dir "$folder" --pidfile "$folder/pid" --logfile "$folder/log" >/dev/null
  for _ in $(seq 100); do
    if [ "$("$cli" -p "$port" ping 2>/dev/null)" = PONG ]; then
      echo "a server runs on 127.0.0.1:$port; stop it with: make redis-stop PORT=$port"
      return
    fi
    sleep 0.1
  done
  echo "the server did not start; its log: $folder/log" >&2
  exit 1
}

stop() {
  local folder
  folder=$(folder "$1")
  if [ ! -f "$folder/pid" ]; then
    echo "no server of ours runs on port $1" >&2
    exit 1
  fi
  local pid
  pid=$(cat "$folder/pid")
  kill "$pid"
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || { rm -rf "$folder"; echo "stopped"; return; }
    sleep 0.1
  done
  echo "the server (process $pid) does not stop" >&2
  exit 1
}

case "${1:-}" in
  ensure) ensure ;;
  start | stop) "$1" "${2:?port}" ;;
  *) echo "usage: server.sh ensure | start PORT | stop PORT" >&2; exit 2 ;;
esac
