#!/usr/bin/env bash
# A private redis-server or valkey-server without persistence, on loopback.
#   server.sh ensure          install redis-server if neither is there
#   server.sh start PORT      start one in a temporary folder
#   server.sh stop PORT       stop the one that `start` started
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=process.sh
. "$(dirname "$0")/process.sh"
# shellcheck source-path=SCRIPTDIR source=packages.sh
. "$(dirname "$0")/packages.sh"

ensure() {
  if first_of redis-server valkey-server >/dev/null && first_of redis-cli valkey-cli >/dev/null; then
    return
  fi
  install_packages redis-server redis-tools
}

start() {
  local port=$1 folder
  folder=$(folder_of server "$port")
  if is_taken "$port"; then
    echo "something answers on port $port already; choose another: make redis-start PORT=..." >&2
    exit 1
  fi
  launch "$port" "$folder"
  await answers "$port" || { echo "the server did not start; its log: $folder/log" >&2; exit 1; }
  echo "a server runs on 127.0.0.1:$port; stop it with: make redis-stop PORT=$port"
}

stop() {
  local folder
  folder=$(folder_of server "$1")
  if ! runs_in "$folder"; then
    echo "no server of ours runs on port $1" >&2
    exit 1
  fi
  end "$folder"
  rm -rf "$folder"
  echo "stopped"
}

case "${1:-}" in
  ensure) ensure ;;
  start | stop) "$1" "${2:?port}" ;;
  *) echo "usage: server.sh ensure | start PORT | stop PORT" >&2; exit 2 ;;
esac
