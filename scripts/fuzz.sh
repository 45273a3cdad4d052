#!/bin/sh
# Runs every fuzz target for so many seconds: fuzz.sh SECONDS
# Inputs that reach new code are kept below fuzz/target. One that breaks a check is named, and lies
# in fuzz/artifacts; once it is mended, move it into fuzz/corpus, which the ordinary tests replay.
set -eu
cd "$(dirname "$0")/.."

# Coverage and sanitizers are -Z options, which a stable compiler takes only like this. Nothing
# that is shipped is built so.
export RUSTC_BOOTSTRAP=1
target=x86_64-unknown-linux-gnu
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

for path in fuzz/fuzz_targets/*.rs; do
  name=$(basename "$path" .rs)
  found=fuzz/target/found/$name
  mkdir -p "$found"
  cargo fuzz run --target "$target" "$name" "$found" "fuzz/corpus/$name" -- \
    -max_total_time="$1" -max_len=4096 -rss_limit_mb=512 -timeout=10 -verbosity=0 -print_final_stats=1
done
