# shellcheck shell=bash
# One server process on loopback, without persistence, in a folder of its own. Sourced by the
# scripts that start and stop servers.

# The first of the programs in $@ that is installed.
first_of() { for program in "$@"; do command -v "$program" && return; done; return 1; }

# Where to find what was started: $1 says what it is, $2 is its first port.
folder_of() { echo "${TMPDIR:-/tmp}/redis-client-$1-$(id -u)-$2"; }

# Whether anything listens on port $1.
is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# What the server on port $1 answers to the rest of $@.
ask() { "$(first_of redis-cli valkey-cli)" -p "$@" 2>/dev/null; }

# Starts a server on port $1 in folder $2, with the settings in the rest of $@.
launch() {
  local port=$1 folder=$2
  shift 2
  mkdir -p "$folder"
  chmod 700 "$folder"
  "$(first_of redis-server valkey-server)" --port "$port" --bind 127.0.0.1 --save '' \
    --appendonly no --daemonize yes --dir "$folder" --pidfile "$folder/pid" \
    --logfile "$folder/log" "$@" >/dev/null
}

# Waits up to ten seconds until what $@ says is so.
await() {
  for _ in $(seq 100); do
    ! "$@" || return 0
    sleep 0.1
  done
  return 1
}

# Whether the server on port $1 answers.
answers() { [ "$(ask "$1" ping)" = PONG ]; }

# Whether the server that was launched in folder $1 runs. Its process id alone does not say so:
# another process may have it by now, one that works in another folder.
runs_in() { [ "/proc/$(cat "$1/pid" 2>/dev/null)/cwd" -ef "$1" ]; }
has_ended() { ! runs_in "$1"; }

# Ends the server that was launched in folder $1, if it runs, and waits until it has ended.
end() {
  local folder=$1 pid
  pid=$(cat "$folder/pid" 2>/dev/null) || return 0
  if runs_in "$folder"; then kill "$pid" 2>/dev/null || return 0; fi
  await has_ended "$folder" || { echo "the server (process $pid) does not stop" >&2; return 1; }
}
