#!/bin/sh
# AddressSanitizer over the engine's own tests (those of the ring and of every driver included)
# and over one fill per driver of a real server.
set -eu
cd "$(dirname "$0")/.."

# Sanitizers are -Z options, which a stable compiler takes only like this. Nothing that is shipped
# is built so. Frame pointers are the flags of .cargo/config.toml, which RUSTFLAGS replaces.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes"
export ASAN_OPTIONS="detect_stack_use_after_return=1:abort_on_error=1"
target=x86_64-unknown-linux-gnu
folder=target/asan

cargo test --locked --target "$target" --target-dir "$folder" -p redis-client-engine --lib --tests
cargo build --locked --target "$target" --target-dir "$folder" -p redis-client

# The end-to-end tests that move the most bytes, with the instrumented program.
REDIS_CLIENT_BIN="$PWD/$folder/$target/debug/redis-client"
export REDIS_CLIENT_BIN
unset RUSTFLAGS RUSTC_BOOTSTRAP
cargo test --locked -p redis-client-tests engines::
