//! Where packages come from, and which are not to come.

use crate::graph::{ours, packages};

/// What no manifest of ours may ask for, and why.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "TLS is rustls'"),
    ("native-tls", "TLS is rustls'"),
    ("aws-lc-rs", "one provider of cryptography, ring, and no C to build"),
    ("reqwest", "hyper is here, and a client of it"),
    ("tower", "tower-service has the one trait"),
    ("wasmtime-environ", "it is wasmtime's own inside"),
    ("rustls-pemfile", "rustls_pki_types reads PEM"),
    ("lazy_static", "the standard library has OnceLock"),
    ("once_cell", "the standard library has OnceLock"),
    ("rand", "the few random numbers come from the system"),
];

/// What must not come by way of others either.
const BANNED_ANYWHERE: &[(&str, &str)] = &[
    ("openssl-sys", "a system's library at run time"),
    ("native-tls", "a system's library at run time"),
    ("aws-lc-sys", "a second provider of cryptography, which takes minutes to build"),
];

#[test]
fn every_package_comes_from_the_one_registry() {
    let mut sources: Vec<_> = packages().iter().filter(|it| !it.is_ours()).map(|it| it.source.as_deref()).collect();
    sources.sort_unstable();
    sources.dedup();
    // Neither a path beside this workspace nor somebody's repository.
    assert!(matches!(*sources, [Some(registry)] if registry.starts_with("registry+https://")), "{sources:?}");
}

#[test]
fn nothing_that_is_banned_is_asked_for() {
    for (name, why) in BANNED {
        let by: Vec<_> = ours().filter(|it| it.asks_for.iter().any(|asked| asked == name)).map(|it| &it.name).collect();
        assert!(by.is_empty(), "{by:?} ask for {name}: {why}");
    }
    for (name, why) in BANNED_ANYWHERE {
        assert!(packages().iter().all(|it| it.name != *name), "{name} is there: {why}");
    }
}

#[test]
fn only_the_sandbox_asks_for_wasmtime() {
    let by: Vec<_> = ours()
        .filter(|it| it.asks_for.iter().any(|asked| asked.starts_with("wasmtime")))
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(by, ["saker-sandbox"]);
}

#[test]
fn the_version_of_wasmtime_that_is_said_is_the_one_that_is_locked() {
    let locked: Vec<_> = packages().iter().filter(|it| it.name == "wasmtime").map(|it| it.version.as_str()).collect();
    assert_eq!(locked, [saker_sandbox::wasmtime_version()]);
}
