#!/bin/sh
# Makes a plugin of each kind in Python, by the commands of its README, and holds it to its contract; before that, the
# kit's own tests.
#
#   tests/authors/python.sh OUT SAKER      leaves OUT/python-KIND.wasm; needs python3 with the module venv
set -eu
. "$(dirname "$0")/shared/project.sh"

(cd "$here/../../plugins/sdk/python" && PYTHONDONTWRITEBYTECODE=1 python3 -m unittest)

# The README's installation, once for all three projects.
python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check componentize-py==0.25.1

follow_readme() {
    ln -s ../.venv .venv && python3 sdk/build.py && python3 -m unittest
}

author_all python

cp -r "$here/../guests/columns/python" columns
(cd columns && ../.venv/bin/python "$here/../../plugins/sdk/python/build.py" . && columns columns-python.wasm)

# One that takes memory without end is ended for that, and for nothing else.
cp -r "$here/../guests/python" hoard && cd hoard
../.venv/bin/python "$here/../../plugins/sdk/python/build.py" .
if said=$("$saker" collect hoard.wasm 2>&1); then
    echo "hoard.wasm was not ended: $said" >&2
    exit 1
fi
echo "$said" | grep 'killed: it wanted more than its memory limit of 67108864 bytes'
