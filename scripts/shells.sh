#!/usr/bin/env bash
# The shells that there are completions for, and what reads man pages.
#   shells.sh ensure          install those that are missing
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=packages.sh
. "$(dirname "$0")/packages.sh"

[ "${1:-}" = ensure ] || { echo "usage: shells.sh ensure" >&2; exit 2; }
missing=()
for program in bash zsh fish groff; do
  command -v "$program" >/dev/null || missing+=("$program")
done
command -v man >/dev/null || missing+=(man-db)
[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
