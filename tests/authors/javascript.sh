#!/bin/sh
# Makes a plugin of each kind in JavaScript, by the commands of its README, and holds it to its contract; before that, the
# kit's own tests.
#
#   tests/authors/javascript.sh OUT SAKER      leaves OUT/javascript-KIND.wasm; needs Node.js 20 or newer with npm
set -eu
. "$(dirname "$0")/shared/project.sh"

(cd "$here/../../plugins/sdk/javascript" && npm test --silent)

follow_readme() {
    # What is installed in the first project is above all three from then on.
    if [ ! -d ../node_modules ]; then
        npm install --no-audit --no-fund && mv node_modules ..
    fi && npm run build --silent && npm test --silent
}

author_all javascript

cp -r "$here/../guests/columns/javascript" columns && cp -r my-collector/sdk columns/sdk
(cd columns && node sdk/build.mjs && columns columns-javascript.wasm)
