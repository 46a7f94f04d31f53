# What the scripts beside this folder have in common, to be read in by them: they are called with OUT and SAKER, and work
# in a folder of their own that goes with them.

here=$(realpath "$(dirname "$0")")
out=$(mkdir -p "$1" && realpath "$1")
saker=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# author LANGUAGE KIND ARGUMENT…: does what an author does, by the README's commands, which the function `follow_readme`
# gives, and holds the plugin to its contract. The arguments are those of `saker plugin test`.
author() {
    language=$1 kind=$2
    shift 2
    "$saker" plugin new "my-$kind" --kind "$kind" --language "$language"
    (cd "my-$kind" && follow_readme "$kind" && "$saker" plugin test "my-$kind.wasm" "$@")
    cp "my-$kind/my-$kind.wasm" "$out/$language-$kind.wasm"
}

# author_all LANGUAGE: a plugin of each kind.
author_all() {
    author "$1" collector --grant requested
    (cd my-collector && "$saker" collect my-collector.wasm --grant requested | grep load.fifteen)
    author "$1" processor --settings '{"rack": "r12"}'
    author "$1" backend
}

# columns FILE: holds a collector to its contract that brings a hundred values in columns, of which one comes and goes.
columns() {
    "$saker" plugin test "$1"
    for runs in 1 2 3; do
        lines=$("$saker" collect "$1" --runs "$runs" --interval 10ms --format json | grep -c columns.value)
        [ "$lines" -eq $((101 - (runs + 1) % 2)) ] || { echo "$1: $lines values at run $runs" >&2; exit 1; }
    done
}
