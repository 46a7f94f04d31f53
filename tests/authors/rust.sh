#!/bin/sh
# Makes a plugin of each kind in Rust, by the commands of its README, and holds it to its contract.
#
#   tests/authors/rust.sh OUT SAKER      leaves OUT/rust-KIND.wasm; needs the target wasm32-wasip2
set -eu

mkdir -p "$1/rust-target"
out=$(cd "$1" && pwd)
saker=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# author KIND ARGUMENT…: what an author of this kind does. The arguments are those of `saker plugin test`.
author() {
    kind=$1
    shift
    "$saker" plugin new "my-$kind" --kind "$kind" --language rust
    (
        cd "my-$kind"
        # All projects share what they depend on, and so does the next run.
        ln -s "$out/rust-target" target
        cargo test
        cargo build --release --target wasm32-wasip2 && cp "target/wasm32-wasip2/release/my_$kind.wasm" "my-$kind.wasm"
        "$saker" plugin test "my-$kind.wasm" "$@"
    )
    cp "my-$kind/my-$kind.wasm" "$out/rust-$kind.wasm"
}

author collector --grant wanted
(cd my-collector && "$saker" collect my-collector.wasm --grant wanted)
author processor --settings '{"rack": "r12"}'
author backend
