#!/bin/sh
# Makes a plugin of each kind in C, by the commands of its README, and holds it to its contract.
#
#   tests/authors/c.sh OUT SAKER      leaves OUT/c-KIND.wasm; installs what the README names, where it is missing
set -eu

mkdir -p "$1"
out=$(cd "$1" && pwd)
saker=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# author KIND ARGUMENT…: what an author of this kind does. The arguments are those of `saker plugin test`.
author() {
    kind=$1
    shift
    "$saker" plugin new "my-$kind" --kind "$kind" --language c
    (
        cd "my-$kind"
        # The README's installation, where nothing here can build.
        sh sdk/build.sh >/dev/null 2>&1 ||
            { apt-get update -qq && apt-get install -y -qq clang lld libclang-rt-dev-wasm32 wasi-libc; }
        sh sdk/build.sh
        sh sdk/test.sh
        "$saker" plugin test "my-$kind.wasm" "$@"
    )
    cp "my-$kind/my-$kind.wasm" "$out/c-$kind.wasm"
}

author collector --grant wanted
(cd my-collector && "$saker" collect my-collector.wasm --grant wanted)
author processor --settings '{"rack": "r12"}'
author backend
