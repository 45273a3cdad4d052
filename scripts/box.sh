#!/usr/bin/env bash
# Runs vagrant/provision.sh twice in a fresh Debian 12, then builds the program there and fills a
# server with 1 GiB: what `vagrant up` does, without Vagrant and on this machine's kernel. As root; it
# takes some minutes, about 3 GiB of disk, and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
  scripts/tools.sh debootstrap
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  box=$(mktemp -d "${TMPDIR:-/tmp}/redis-client-box-XXXXXX")
  trap '"${sudo[@]}" rm -rf --one-file-system "$box"' EXIT
  # Mounts and processes end with these namespaces.
  "${sudo[@]}" env PATH="$PATH:/usr/sbin:/sbin" \
    unshare --mount --pid --fork --kill-child "$0" inside "$box"
  exit
fi

box=$2
home=/home/vagrant
checkout=$home/redis-client
mount --make-rprivate /
debootstrap --variant=minbase --include=ca-certificates bookworm "$box" \
  http://deb.debian.org/debian >"$box.log" 2>&1 || { cat "$box.log" >&2; exit 1; }
rm "$box.log"
chmod 755 "$box"
# The machine may be behind a proxy with a certificate of its own.
cp /etc/resolv.conf "$box/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$box/etc/ssl/certs/ca-certificates.crt"
mount --rbind /dev "$box/dev"
mount -t proc proc "$box/proc"
# The kernel's settings are those of the machine.
mount --bind "$box/proc/sys" "$box/proc/sys"
mount -o remount,bind,ro "$box/proc/sys"

# Runs $@ in the box.
in_box() { env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 chroot "$box" "$@"; }

in_box useradd --create-home --shell /bin/bash vagrant
mkdir "$box$checkout"
tar --create --exclude=./target --exclude=./fuzz/target --exclude=./.git . |
  tar --extract --directory "$box$checkout" --no-same-owner
in_box chown -R vagrant: "$checkout"

echo "+ provision.sh"
in_box "$checkout/vagrant/provision.sh" vagrant "$checkout"
echo "+ provision.sh once more"
again=$(in_box "$checkout/vagrant/provision.sh" vagrant "$checkout")
echo "$again"
if grep -q '^+' <<<"$again"; then
  echo "the second run changed something" >&2
  exit 1
fi
in_box "$checkout/vagrant/build-folder.sh" vagrant "$checkout"
again=$(in_box "$checkout/vagrant/build-folder.sh" vagrant "$checkout")
[ -z "$again" ] || { echo "the second time it mounts again: $again" >&2; exit 1; }

# As one who logs in.
as_vagrant() { in_box runuser --login vagrant --command "cd redis-client && $1"; }
if (ulimit -H -l unlimited) 2>/dev/null; then
  limit=$(as_vagrant 'ulimit -l')
  [ "$limit" = unlimited ] || { echo "locked memory is limited to $limit KiB" >&2; exit 1; }
else
  echo "note: not even root may raise the limit of locked memory here, so that is not tried" >&2
fi
echo "+ make demo"
as_vagrant 'make demo'
echo "The box builds and fills."
