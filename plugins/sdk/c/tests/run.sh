#!/bin/sh
# Tests the SDK: its functions, natively, with every allocation watched and with memory as in the sandbox; that a test
# which fails is told; and what the scripts say where something is missing.
set -eu
cd "$(dirname "$0")"
sdk=$(cd .. && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# says WORDS COMMAND…: the command fails, and these are among its words.
says() {
    words=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        echo "FAILED: this should have failed: $*" >&2
        exit 1
    fi
    grep -q -F -e "$words" "$work/said" || {
        echo "FAILED: $* should say \"$words\", and says:" >&2
        cat "$work/said" >&2
        exit 1
    }
}

sh ../test.sh
CFLAGS=-USAKER_ARENA_CHUNK sh ../test.sh >"$work/said" || {
    cat "$work/said" >&2
    exit 1
}
echo "with memory as in the sandbox: $(tail -n 1 "$work/said")"

mkdir -p "$work/plugin/src" "$work/bin"
cd "$work/plugin"
says "There is no src/plugin.c" sh "$sdk/build.sh"
says "There is no test.c" sh "$sdk/test.sh"
echo '// Nothing.' >src/plugin.c
says "src/plugin.c must define one of" sh "$sdk/build.sh"
echo 'const saker_plugin saker_collector = {};' >src/plugin.c
says 'has no line such as' sh "$sdk/build.sh"
cat >src/plugin.c <<EOF
#include "$sdk/saker.h"

const saker_plugin saker_collector = {
    .name = "nothing",
};
EOF
# With the tools of the scripts themselves, and no compiler.
for tool in sh cat dirname head mktemp rm sed seq; do
    ln -s "$(command -v "$tool")" "$work/bin/$tool"
done
says "apt-get install clang lld" env PATH="$work/bin" sh "$sdk/build.sh"
cat >test.c <<EOF
#include "src/plugin.c"
#include "$sdk/saker_test.h"

TEST(one_and_one) {
    CHECK_NUMBER(1 + 1, 3);
}
EOF
says "apt-get install gcc" env PATH="$work/bin" sh "$sdk/test.sh"
says "1 + 1 is 2, and not 3" sh "$sdk/test.sh"
says "0 ok, 1 failed" sh "$sdk/test.sh"
echo "what the scripts say: ok"
