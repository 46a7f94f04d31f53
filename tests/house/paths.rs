//! Every path that some router of the host has is in the one table of paths, which the agent's tests hold to the agent.

use std::path::Path;

use crate::names::sources;

/// What stands before paths: a route, or the list that a listener's routes are made of.
const BEFORE: &[&str] =
    &[".route(", "const PATHS: &[&str] = &[", "const PATHS: &'static [&'static str] = &[", ": [&str; 2] = ["];

#[test]
fn every_route_is_in_the_table_of_paths() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = std::fs::read_to_string(root.join("host/agent/src/paths.txt")).unwrap();
    let listed: Vec<_> = table.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let mut found = 0;
    for file in sources(&root.join("host")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for rest in BEFORE.iter().flat_map(|before| text.split(before).skip(1)) {
            // Lists of the kernel's files begin alike.
            let is_served = |literal: &&str| literal.starts_with('/') && !literal.starts_with("/proc/");
            for path in literals(rest).into_iter().filter(is_served) {
                assert!(listed.contains(&path), "{path} of {} is not in host/agent/src/paths.txt", file.display());
                found += 1;
            }
        }
    }
    assert!(found >= 20, "{found} routes");
}

/// The texts that begin here, separated by commas.
fn literals(mut rest: &str) -> Vec<&str> {
    let mut all = Vec::new();
    while let Some((literal, after)) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        all.push(literal);
        rest = after.trim_start().strip_prefix(',').unwrap_or("");
    }
    all
}
