#!/usr/bin/env bash
# Makes a Debian 12 ready to build, fill and profile: packages, Rust, limits. As root:
#   provision.sh USER CHECKOUT      for this user, and the checkout of this project in that folder
# RUST=VERSION takes another version of Rust than Cargo.toml asks for; KERNEL=backports takes the
# kernel of Debian's backports. It may run as often as one likes: each change is told in a line that
# begins with "+", and the second time there is none.
set -euo pipefail

user=${1:?usage: provision.sh USER CHECKOUT}
checkout=${2:?usage: provision.sh USER CHECKOUT}
home=$(getent passwd "$user" | cut -d: -f6) || true
rust=${RUST:-$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$checkout/Cargo.toml")}

packages=(
  # to build
  ca-certificates curl gcc git libc6-dev make
  # to fill
  redis-server redis-tools
  # to profile: docs/PROFILING.md
  iftop linux-perf procps strace sysstat tcpdump valgrind
  # to check and to test
  codespell iproute2 python3-venv ruby shellcheck
)

# The newest rustup when this was written, and what is downloaded of it.
rustup=1.28.2
declare -A rustup_sha256=(
  [x86_64]=20a06e644b0d9bd2fbdbfd52d42540bdde820ea7df86e92e533c073da0cdd43c
  [aarch64]=e3853c5a252fca15252d07cb23a1bdd9377a8c6f3efa01531109281ae47f841c
)

main() {
  [ "$(id -u)" = 0 ] || { echo "provision.sh wants to be root" >&2; exit 1; }
  [ -n "$home" ] || { echo "there is no user $user" >&2; exit 1; }
  [ -n "$rust" ] || { echo "$checkout/Cargo.toml says no rust-version" >&2; exit 1; }
  leave_the_port_alone
  install_packages
  take_newer_kernel
  raise_limits
  permit_profiling
  install_rust
  echo "this box is ready: Linux $(uname -r), Rust $rust for $user"
}

# Installs what is missing of the packages in $@, from the suite $suite if that is set.
install() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  [ "${#missing[@]}" != 0 ] || return 0
  # An older box knows of packages that are long gone from the servers.
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    ${suite:+-t "$suite"} "${missing[@]}" >/dev/null
  echo "+ installed ${missing[*]}"
}

install_packages() { install "${packages[@]}"; }

# Debian 12 has Linux 6.1, which has all that a fill uses.
take_newer_kernel() {
  local major
  major=$(uname -r | cut -d. -f1)
  [ "$major" -ge 6 ] || echo "note: Linux $(uname -r) has no zero-copy sends; 6.0 has" >&2
  [ "${KERNEL:-}" = backports ] || return 0
  local suite=bookworm-backports
  put /etc/apt/sources.list.d/redis-client-backports.list \
    "deb http://deb.debian.org/debian $suite main"
  apt-get update -qq
  install "linux-image-$(dpkg --print-architecture)"
  echo "note: the new kernel runs after the next start (vagrant reload)"
}

# Writes the lines in the rest of $@ into the file $1, unless they are there.
put() {
  local file=$1
  shift
  if ! printf '%s\n' "$@" | cmp -s - "$file"; then
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" >"$file"
    echo "+ wrote $file"
  fi
}

# Servers are started by the project's own scripts, on the port that Debian's service would take.
leave_the_port_alone() {
  local service=/etc/systemd/system/redis-server.service
  [ "$(readlink "$service")" != /dev/null ] || return 0
  [ ! -d /run/systemd/system ] || systemctl stop redis-server 2>/dev/null || true
  mkdir -p "$(dirname "$service")"
  ln -sf /dev/null "$service"
  echo "+ masked redis-server.service"
}

# Registered buffers count against it, and 8 MiB is all that a user has.
raise_limits() {
  put /etc/security/limits.d/90-redis-client.conf \
    '* soft memlock unlimited' '* hard memlock unlimited'
}

# Debian lets root alone use perf. 1: one's own processes, kernel included.
permit_profiling() {
  local file=/etc/sysctl.d/90-redis-client.conf
  put "$file" 'kernel.perf_event_paranoid = 1' 'kernel.kptr_restrict = 0'
  sysctl --quiet --load="$file" 2>/dev/null ||
    echo "note: $file takes effect at the next start" >&2
}

# Runs $@ as the user, with programs of Rust in the path.
as_user() {
  local run=(env "HOME=$home" "PATH=$home/.cargo/bin:/usr/local/bin:/usr/bin:/bin" "$@")
  if [ "$user" = root ]; then (cd / && "${run[@]}"); else
    (cd / && runuser -u "$user" -- "${run[@]}")
  fi
}

install_rust() {
  as_user sh -c 'command -v rustup' >/dev/null || install_rustup
  # A version may be given in part: 1.88 is 1.88.0.
  if ! as_user rustup run "$rust" rustc --version >/dev/null 2>&1; then
    as_user rustup --quiet toolchain install --no-self-update --profile minimal \
      --component clippy --component rustfmt "$rust" >/dev/null
    echo "+ installed Rust $rust"
  fi
  if ! as_user rustup default >/dev/null 2>&1; then
    as_user rustup --quiet default "$rust" >/dev/null
    echo "+ made Rust $rust the default"
  fi
}

install_rustup() {
  local machine folder
  machine=$(uname -m)
  [ -n "${rustup_sha256[$machine]:-}" ] || { echo "no rustup for $machine" >&2; exit 1; }
  folder=$(mktemp -d)
  curl --silent --show-error --fail --location --retry 3 --output "$folder/rustup-init" \
    "https://static.rust-lang.org/rustup/archive/$rustup/$machine-unknown-linux-gnu/rustup-init"
  echo "${rustup_sha256[$machine]}  $folder/rustup-init" | sha256sum --check --quiet
  chmod 755 "$folder" "$folder/rustup-init"
  as_user "$folder/rustup-init" -y --quiet --profile minimal --default-toolchain none >/dev/null
  rm -r "$folder"
  echo "+ installed rustup $rustup"
}

main
