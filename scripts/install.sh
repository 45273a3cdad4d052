#!/usr/bin/env bash
# Installs the program, its man pages and its completions.
#   install.sh PATH-TO-REDIS-CLIENT FOLDER
set -euo pipefail
program=${1:?path to redis-client}
into=${2:?folder, as in /usr/local}

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$program" man --into "$made"
for shell in bash zsh fish; do
  "$program" completions "$shell" >"$made/$shell"
done

share=$into/share
install -D -m 755 "$program" "$into/bin/redis-client"
for page in "$made"/*.1; do
  install -D -m 644 "$page" "$share/man/man1/$(basename "$page")"
done
install -D -m 644 "$made/bash" "$share/bash-completion/completions/redis-client"
install -D -m 644 "$made/zsh" "$share/zsh/site-functions/_redis-client"
install -D -m 644 "$made/fish" "$share/fish/vendor_completions.d/redis-client.fish"
