#!/bin/sh
# Runs the unit tests of the plugin in the current folder, natively: test.c, which includes src/plugin.c, and other
# *.c beside it. A compiler that has sanitizers finds what is wrong with memory, too. CC and CFLAGS are heeded.
set -eu
sdk=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stop() {
    echo "$*" >&2
    exit 1
}

[ -f test.c ] && [ -f src/plugin.c ] ||
    stop "There is no test.c or no src/plugin.c in $PWD. Run this in the plugin's folder."
kind=$(sed -n -E 's/^const saker_plugin saker_(collector|processor|backend) =.*/\1/p' src/plugin.c)
case $kind in
    collector | processor | backend) ;;
    *) stop "src/plugin.c must define one of saker_collector, saker_processor and saker_backend." ;;
esac

# The first C compiler that makes a program for this machine. Natively no target is given.
cc=
echo 'int main(void) { return 0; }' >"$work/try.c"
for candidate in ${CC:-} cc gcc clang $(seq -f clang-%.0f 30 -1 14); do
    if command -v "$candidate" >/dev/null && "$candidate" "$work/try.c" -o "$work/try" 2>/dev/null; then
        cc=$candidate
        break
    fi
done
[ -n "$cc" ] || stop "No C compiler here makes programs for this machine. On Debian and Ubuntu:
    apt-get install gcc libc6-dev"

sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all'
# shellcheck disable=SC2086
"$cc" $sanitize "$work/try.c" -o "$work/try" 2>/dev/null && "$work/try" 2>/dev/null || sanitize=

sources=
for file in *.c src/*.c; do
    case $file in
        src/plugin.c) ;;
        *) sources="$sources $file" ;;
    esac
done
# shellcheck disable=SC2086
"$cc" -std=gnu11 -O1 -g -Wall -Wextra -Werror $sanitize -DSAKER_ARENA_CHUNK=0 -DSAKER_PLUGIN="saker_$kind" \
    ${CFLAGS:-} $sources "$sdk"/src/*.c "$sdk"/fake/*.c -lm -o "$work/test"
"$work/test"
