#!/bin/sh
# Follows docs/write-a-plugin.md to the letter, in each of its languages: what it says to write is written, and what it
# says to run is run.
#
#   tests/authors/page.sh OUT SAKER     puts file-nr-LANGUAGE.wasm into OUT; SAKER is the agent's binary
set -eu
. "$(dirname "$0")/shared/project.sh"
page=$here/../../docs/write-a-plugin.md

# block LANGUAGE FILE: the code below the comment that names them.
block() {
    awk -v mark="<!-- $1 $2 -->" '
        $0 == mark { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        found && inside { print }
    ' "$page"
}

# cell STEP LANGUAGE: the commands that the table in step 3 gives; STEP is 1 for the build, 2 for the test.
cell() {
    awk -F '|' -v language=" $2 " -v column=$(($1 + 2)) '
        /^## 3/ { here = 1 }
        /^## 4/ { here = 0 }
        here && $2 == language { print $column; exit }
    ' "$page" | grep -o '`[^`]*`' | tr -d '`'
}

# follow LANGUAGE TITLE FILE…: the files are those that the page shows.
follow() {
    language=$1
    title=$2
    shift 2
    mkdir "$work/$language"
    cd "$work/$language"
    "$saker" plugin new file-nr --kind collector --language "$language"
    cd file-nr
    for file in "$@"; do
        block "$language" "$file" >"$file"
        [ -s "$file" ] || { echo "the page shows no $file for $title" >&2; exit 1; }
    done
    # Compiled dependencies outlive the run.
    if [ "$language" = rust ]; then
        mkdir -p "$out/rust-target" && ln -s "$out/rust-target" target
    fi
    cell 1 "$title" >steps
    cell 2 "$title" >>steps
    [ "$(wc -l <steps)" -ge 2 ] || { echo "the page says not how $title is built and tested" >&2; exit 1; }
    echo "$title: $(tr '\n' ';' <steps)"
    sh -eu steps
    "$saker" collect file-nr.wasm --grant requested | grep filenr.max
    "$saker" plugin test file-nr.wasm --grant requested | tail -n 1
    cp file-nr.wasm "$out/file-nr-$language.wasm"
}

follow rust Rust src/lib.rs
follow python Python src/plugin.py test_plugin.py
follow javascript JavaScript src/plugin.js test/plugin.test.js
follow c C src/plugin.c test.c
