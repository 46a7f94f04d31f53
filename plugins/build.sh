#!/bin/sh
# Builds plugins for WebAssembly and puts each as NAME.wasm into a folder.
#
#   plugins/build.sh OUT [CRATE…]      the crates saker-{collector,processor,backend}-NAME; all of them if none is named
#   plugins/build.sh OUT --guests      what the tests run: the guests in tests/guests, one also as a core module
#
# The wasm32-wasip2 target comes from rustup. Where rustup reaches nothing, Debian's packages of the same target do:
# rustc-web rust-web-src rust-web-llvm lld-22 wasi-libc.
set -eu
cd "$(dirname "$0")/.."
out=$1
shift

has_target() {
    [ -n "$(find "$(rustc --print sysroot)/lib/rustlib/$1" -name 'libstd-*.rlib' 2>/dev/null | head -n 1)" ]
}

add_target() {
    if ! has_target "$1" && command -v rustup >/dev/null 2>&1; then
        echo "adding the Rust target $1" >&2
        rustup target add "$1" >&2 || true
    fi
}

has_debian_route() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/wasm-ld-22 ] && [ -d /usr/lib/wasm32-wasi ] &&
        [ -n "$(debian_linker)" ]
}

debian_linker() {
    find "$(/usr/bin/rustc --print sysroot)/lib/rustlib" -name wasm-component-ld -type f 2>/dev/null | head -n 1
}

add_target wasm32-wasip2
if ! has_target wasm32-wasip2 && ! has_debian_route && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "rustup cannot add wasm32-wasip2; trying Debian's rustc-web" >&2
    (apt-get update -qq && apt-get install -y -qq --no-install-recommends rustc-web rust-web-src rust-web-llvm lld-22 wasi-libc) >&2 || true
fi

profile=plugin
if [ "${1-}" = --guests ]; then profile=guest; fi
here=${CARGO_TARGET_DIR:-target}
if has_target wasm32-wasip2; then
    build() { cargo build --locked --profile "$profile" --target wasm32-wasip2 "$@"; }
elif has_debian_route; then
    # Its own folder: another compiler's output must not mix with ours.
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/debian"
    build() {
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
            RUSTFLAGS="-C linker=$(debian_linker) -C link-arg=--wasm-ld-path -C link-arg=/usr/bin/wasm-ld-22 -L native=/usr/lib/wasm32-wasi ${RUSTFLAGS-}" \
            cargo build --locked --profile "$profile" --target wasm32-wasip2 -Zbuild-std=std,panic_abort "$@"
    }
else
    cat >&2 <<'TEXT'
The Rust target wasm32-wasip2 is missing, and plugins cannot be built without it. Get it in one of these ways:
  rustup target add wasm32-wasip2
  apt-get install rustc-web rust-web-src rust-web-llvm lld-22 wasi-libc        (Debian)
TEXT
    exit 1
fi

built=${CARGO_TARGET_DIR:-target}
mkdir -p "$out"

# put FILE NAME: whole or not at all, for an agent may be watching the folder. Unchanged files are left alone.
put() {
    if ! cmp -s "$1" "$out/$2.wasm"; then
        cp "$1" "$out/.$2.wasm.new"
        mv "$out/.$2.wasm.new" "$out/$2.wasm"
    fi
}

if [ "${1-}" = --guests ]; then
    build -p saker-test-guests --examples
    for guest in tests/guests/examples/*.rs; do
        name=$(basename "$guest" .rs)
        put "$built/wasm32-wasip2/guest/examples/$(echo "$name" | tr - _).wasm" "$name"
    done
    # Modules written by hand, which no compiler would make. The tool that makes them runs here, and is built of what the
    # tests are built of.
    CARGO_TARGET_DIR="$here" cargo build --locked --release -q --workspace --bin saker-test-lies
    "$here/release/saker-test-lies" "$out"
    # What a toolchain puts out that knows no components: the agent wraps it.
    add_target wasm32-wasip1
    if has_target wasm32-wasip1; then
        cargo build --locked --profile "$profile" --target wasm32-wasip1 -p saker-test-guests --example read
        put "$built/wasm32-wasip1/guest/examples/read.wasm" read-core
    else
        # The next best: our own target's module, before its linker makes a component of it.
        export CARGO_TARGET_DIR="$built/core" RUSTFLAGS="${RUSTFLAGS-} -C link-arg=--skip-wit-component"
        build -p saker-test-guests --example read
        put "$built/core/wasm32-wasip2/guest/examples/read.wasm" read-core
    fi
    exit
fi

if [ $# -eq 0 ]; then
    for manifest in plugins/collectors/*/Cargo.toml plugins/processors/*/Cargo.toml plugins/backends/*/Cargo.toml; do
        set -- "$@" "$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)"
    done
fi

packages=
for crate in "$@"; do packages="$packages -p $crate"; done
# shellcheck disable=SC2086
build $packages
for crate in "$@"; do
    name=$(echo "$crate" | sed 's/^saker-\(collector\|processor\|backend\)-//')
    put "$built/wasm32-wasip2/plugin/$(echo "$crate" | tr - _).wasm" "$name"
done
