#!/bin/sh
# The commands that a newcomer reads, from `saker plugin new` to a plugin that keeps to its contract, in JavaScript.
#
#   tests/authors/javascript.sh OUT SAKER     puts javascript-KIND.wasm into OUT; SAKER is the agent's binary
#
# Needs Node.js 20 or newer with npm, and a registry of packages that npm reaches.
set -eu
out=$(mkdir -p "$1" && realpath "$1")
saker=$(realpath "$2")
kit=$(realpath "$(dirname "$0")/../../plugins/sdk/javascript")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The kit's own tests.
(cd "$kit" && npm test --silent)

cd "$work"
for kind in collector processor backend; do
    name=my-$kind
    file=$out/javascript-$kind.wasm
    "$saker" plugin new $name --kind $kind --language javascript
    # What is installed in the first project is above all three from then on.
    if [ ! -d node_modules ]; then
        (cd $name && npm install --no-audit --no-fund)
        mv $name/node_modules .
    fi
    (cd $name && npm run build --silent && npm test --silent)
    cp "$name/$name.wasm" "$file"
    case $kind in
    collector)
        "$saker" collect "$file" --grant wanted | grep load.fifteen
        "$saker" plugin test "$file" --grant wanted
        ;;
    processor) "$saker" plugin test "$file" --settings '{"rack": "r12"}' ;;
    backend) "$saker" plugin test "$file" ;;
    esac
done
