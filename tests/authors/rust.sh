#!/bin/sh
# The commands that a newcomer reads, from `saker plugin new` to a plugin that keeps to its contract, in Rust.
#
#   tests/authors/rust.sh OUT SAKER     puts rust-KIND.wasm into OUT; SAKER is the agent's binary
set -eu
out=$(mkdir -p "$1" && realpath "$1")
saker=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# The three share what they depend on.
export CARGO_TARGET_DIR="$work/target"

for kind in collector processor backend; do
    name=my-$kind
    file=$out/rust-$kind.wasm
    "$saker" plugin new $name --kind $kind --language rust
    (cd $name && cargo test --quiet && cargo build --quiet --release --target wasm32-wasip2)
    cp "target/wasm32-wasip2/release/my_$kind.wasm" "$file"
    case $kind in
    collector)
        "$saker" collect "$file" --grant wanted | grep load.fifteen
        "$saker" plugin test "$file" --grant wanted
        ;;
    processor) "$saker" plugin test "$file" --settings '{"rack": "r12"}' ;;
    backend) "$saker" plugin test "$file" ;;
    esac
done
