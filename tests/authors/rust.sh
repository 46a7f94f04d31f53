#!/bin/sh
# Makes a plugin of each kind in Rust, by the commands of its README, and holds it to its contract.
#
#   tests/authors/rust.sh OUT SAKER      leaves OUT/rust-KIND.wasm; needs the target wasm32-wasip2
set -eu
. "$(dirname "$0")/shared/project.sh"

follow_readme() {
    # All projects share what they depend on, and so does the next run.
    mkdir -p "$out/rust-target" && ln -s "$out/rust-target" target &&
        cargo test &&
        cargo build --release --target wasm32-wasip2 && cp "target/wasm32-wasip2/release/my_$1.wasm" "my-$1.wasm"
}

author_all rust
