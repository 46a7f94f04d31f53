#!/bin/sh
# Makes a plugin of each kind in Python, by the commands of its README, and holds it to its contract.
#
#   tests/authors/python.sh OUT SAKER      leaves OUT/python-KIND.wasm; needs python3 with the module venv
set -eu

guests=$(cd "$(dirname "$0")/../guests/python" && pwd)
build=$(cd "$(dirname "$0")/../../plugins/sdk/python" && pwd)/build.py
mkdir -p "$1"
out=$(cd "$1" && pwd)
saker=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# The README's installation, once for all three projects.
python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check componentize-py==0.25.1

# author KIND ARGUMENT…: what an author of this kind does. The arguments are those of `saker plugin test`.
author() {
    kind=$1
    shift
    "$saker" plugin new "my-$kind" --kind "$kind" --language python
    (
        cd "my-$kind"
        ln -s ../.venv .venv
        python3 sdk/build.py
        python3 -m unittest
        "$saker" plugin test "my-$kind.wasm" "$@"
    )
    cp "my-$kind/my-$kind.wasm" "$out/python-$kind.wasm"
}

author collector --grant wanted
(cd my-collector && "$saker" collect my-collector.wasm --grant wanted)
author processor --settings '{"rack": "r12"}'
author backend

# One that takes memory without end is ended for that, and for nothing else.
cp -r "$guests" hoard && cd hoard
../.venv/bin/python "$build" .
if said=$("$saker" collect hoard.wasm 2>&1); then
    echo "hoard.wasm was not ended: $said" >&2
    exit 1
fi
echo "$said" | grep 'killed: it wanted more than its memory limit of 67108864 bytes'
