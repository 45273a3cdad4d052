#!/usr/bin/env bash
# Puts what is built onto the box's own disk: a folder that is shared with another system is slow,
# and may hold what that system has built. As root, after every start:
#   build-folder.sh USER CHECKOUT
set -euo pipefail

user=${1:?usage: build-folder.sh USER CHECKOUT}
checkout=${2:?usage: build-folder.sh USER CHECKOUT}

for name in target fuzz/target; do
  own=/var/cache/redis-client/$name
  mountpoint -q "$checkout/$name" && continue
  install -d -o "$user" -g "$(id -gn "$user")" "$own"
  runuser -u "$user" -- mkdir -p "$checkout/$name"
  mount --bind "$own" "$checkout/$name"
  echo "+ mounted $own on $checkout/$name"
done
