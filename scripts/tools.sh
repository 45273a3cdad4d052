#!/usr/bin/env bash
# Tools that `make` needs besides Rust and a server, installed where they are missing:
#   tools.sh NAME...
# Most are Debian's packages of the same name. Those of Python go into target/tools, those of Rust to
# the user's other ones.
set -euo pipefail
cd "$(dirname "$0")/.."

main() {
  local missing=() name
  for name in "$@"; do
    case $name in
      check-jsonschema) python "$name" 0.39.0 ;;
      cargo-deny) cargo_install "$name" 0.20.2 ;;
      cargo-machete) cargo_install "$name" 0.9.2 ;;
      *) command -v "$name" >/dev/null || missing+=("$name") ;;
    esac
  done
  if [ "${#missing[@]}" != 0 ]; then debian "${missing[@]}"; fi
}

debian() {
  command -v apt-get >/dev/null || { echo "install $* first" >&2; exit 1; }
  echo "installing $*" >&2
  local sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Debian keeps Python's packages out of its own; so they get an environment of theirs.
python() {
  local folder=target/tools/python
  [ "$("$folder/bin/python" -m pip show "$1" 2>/dev/null | sed -n 's/^Version: //p')" != "$2" ] || return 0
  python3 -c 'import ensurepip, venv' 2>/dev/null || debian python3-venv
  echo "installing $1 into $folder" >&2
  python3 -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$1==$2"
}

cargo_install() { command -v "$1" >/dev/null || cargo install --locked "$1@$2"; }

main "$@"
