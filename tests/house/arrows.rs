//! Which crate of the host may know which. A crate exists to forbid a dependency; this is where it is forbidden.

use std::collections::BTreeSet;

use crate::graph::ours;

/// What each crate of the host may depend on, of ours. Crates that are not named here are not held yet.
const ARROWS: &[(&str, &[&str])] = &[
    ("saker-names", &[]),
    ("saker-model", &["saker-names"]),
    ("saker-journal", &[]),
    ("saker-config", &["saker-model"]),
    ("saker-telemetry", &["saker-model"]),
    ("saker-log", &["saker-config", "saker-telemetry", "saker-model"]),
    ("saker-sdk", &["saker-names"]),
    ("saker-sandbox", &["saker-model"]),
    ("saker-pipeline", &["saker-config", "saker-model", "saker-telemetry"]),
    ("saker-cache", &["saker-pipeline", "saker-http", "saker-config", "saker-telemetry", "saker-model"]),
    (
        "saker-ingest",
        &["saker-pipeline", "saker-http", "saker-codec", "saker-config", "saker-telemetry", "saker-model"],
    ),
    ("saker-query", &["saker-pipeline", "saker-http", "saker-config", "saker-telemetry", "saker-model"]),
    ("saker-web", &["saker-query", "saker-pipeline", "saker-http", "saker-model"]),
    ("saker-http", &["saker-config", "saker-telemetry", "saker-model"]),
    (
        "saker-cli",
        &[
            "saker-author",
            "saker-plugins",
            "saker-query",
            "saker-sandbox",
            "saker-store",
            "saker-pipeline",
            "saker-http",
            "saker-config",
            "saker-model",
        ],
    ),
    (
        "saker-forward",
        &["saker-pipeline", "saker-http", "saker-config", "saker-journal", "saker-model", "saker-telemetry"],
    ),
    (
        "saker-plugins",
        &[
            "saker-sandbox",
            "saker-pipeline",
            "saker-forward",
            "saker-journal",
            "saker-config",
            "saker-telemetry",
            "saker-http",
            "saker-model",
        ],
    ),
    ("saker-author", &["saker-plugins", "saker-sandbox", "saker-model"]),
    ("saker-store", &["saker-pipeline", "saker-journal", "saker-config", "saker-model", "saker-telemetry"]),
];

#[test]
fn every_crate_knows_only_what_it_may() {
    for (name, allowed) in ARROWS {
        let package = ours().find(|package| package.name == *name);
        let package = package.unwrap_or_else(|| panic!("there is no crate {name}"));
        let known: BTreeSet<_> = package.runs_with.iter().filter(|asked| is_ours(asked)).collect();
        let forbidden: Vec<_> = known.iter().filter(|asked| !allowed.contains(&asked.as_str())).collect();
        assert!(forbidden.is_empty(), "{name} depends on {forbidden:?}, and may on {allowed:?}");
    }
}

#[test]
fn nothing_depends_on_the_agent() {
    let by: Vec<_> = ours().filter(|it| it.asks_for.iter().any(|asked| asked == "saker")).map(|it| &it.name).collect();
    assert!(by.is_empty(), "{by:?} depend on the agent");
}

fn is_ours(name: &str) -> bool {
    ours().any(|package| package.name == name)
}
