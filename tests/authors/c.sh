#!/bin/sh
# Makes a plugin of each kind in C, by the commands of its README, and holds it to its contract; after that, the kit's own
# tests.
#
#   tests/authors/c.sh OUT SAKER      leaves OUT/c-KIND.wasm; installs what the README names, where it is missing
set -eu
. "$(dirname "$0")/shared/project.sh"

follow_readme() {
    # The README's installation, where nothing here can build.
    sh sdk/build.sh >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq clang lld libclang-rt-dev-wasm32 wasi-libc; } || return
    sh sdk/build.sh && sh sdk/test.sh
}

author_all c

cp -r "$here/../guests/columns/c" columns && cp -r my-collector/sdk columns/sdk
(cd columns && sh sdk/build.sh && columns columns-c.wasm)

sh "$here/../../plugins/sdk/c/tests/run.sh"
