# shellcheck shell=bash
# Packages that tests need, from Debian and its like. Sourced by the scripts that make sure of them.

# Installs the packages in $@.
install_packages() {
  command -v apt-get >/dev/null || { echo "install first: $*" >&2; return 1; }
  echo "installing $*" >&2
  local sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  # A package with a server would start one of its own; nobody asked for that.
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
