#!/bin/sh
# Builds the plugin in the current folder: src/plugin.c, with other *.c beside it, becomes NAME.wasm.
set -eu
sdk=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stop() {
    echo "$*" >&2
    exit 1
}

[ -f src/plugin.c ] || stop "There is no src/plugin.c in $PWD. Run this in the plugin's folder."
kind=$(sed -n -E 's/^const saker_plugin saker_(collector|processor|backend) =.*/\1/p' src/plugin.c)
name=$(sed -n -E '/^const saker_plugin saker_/,/^};/s/^ *\.name = "([a-z0-9-]+)".*/\1/p' src/plugin.c | head -n 1)
case $kind in
    collector | processor | backend) ;;
    *) stop "src/plugin.c must define one of saker_collector, saker_processor and saker_backend, in a line such as
const saker_plugin saker_collector = {" ;;
esac
[ -n "$name" ] || stop "src/plugin.c: saker_$kind has no line such as
    .name = \"my-plugin\","

# Without a main function: the agent calls the exports. The stack lies first, so that it cannot grow into data unseen.
flags='--target=wasm32-wasi -Wno-deprecated -mexec-model=reactor -Wl,--stack-first -Wl,-z,stack-size=131072'

# Whether this compiler has all that it needs: its linker, its runtime and a C library for WebAssembly.
works() {
    echo 'int saker_try(int *p); int saker_try(int *p) { return *p; }' >"$work/try.c"
    # shellcheck disable=SC2086
    command -v "$1" >/dev/null && "$1" $flags "$work/try.c" -o "$work/try.wasm" 2>"$work/why"
}

clang=
for candidate in $(seq -f clang-%.0f 30 -1 14) clang; do
    if works "$candidate"; then
        clang=$candidate
        break
    fi
done
if [ -z "$clang" ]; then
    [ ! -s "$work/why" ] || cat "$work/why" >&2
    stop "No clang (14 or newer) here can build for WebAssembly: it needs lld, its runtime for wasm32, and wasi-libc.
On Debian and Ubuntu, one line installs all of it:
    apt-get install clang lld libclang-rt-dev-wasm32 wasi-libc
or, for the newest that Debian 12 has:
    apt-get install clang-22 lld-22 libclang-rt-22-dev-wasm32 wasi-libc"
fi

macro=SAKER_KIND_$(echo "$kind" | tr a-z A-Z)
# shellcheck disable=SC2086
"$clang" $flags -std=gnu11 -Oz -flto -Wall -Wextra -fdata-sections -Wl,--strip-debug -I"$sdk/generated" -D"$macro" \
    src/*.c "$sdk"/src/*.c "$sdk/wasm/convert.c" "$sdk/wasm/host.c" "$sdk/wasm/http.c" "$sdk/wasm/$kind.c" \
    "$sdk/generated/bindings.c" "$sdk/generated/$kind.o" -o "$work/$name.wasm"

# Whole or not at all: an agent may be watching the file.
cat "$work/$name.wasm" >".$name.wasm.new"
mv ".$name.wasm.new" "$name.wasm"
echo "$name.wasm: $(wc -c <"$name.wasm") bytes"
