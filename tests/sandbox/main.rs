//! The sandbox with real guest components: what misbehaves is ended as what it is and hurts nobody, and nothing is
//! touched that was not granted. The guests are in tests/guests; `make guests` builds them.
#![allow(clippy::unwrap_used, reason = "clippy takes only functions with #[test] for tests, not what they share")]

mod backends;
mod caching;
mod columns;
mod compression;
mod deadlines;
mod denied_by_default;
mod disk;
mod faults;
mod files;
mod fills;
mod folders;
mod held_grants;
mod kernel_files;
mod lies;
mod limits;
mod lookups;
mod neighbours;
mod network;
mod output;
mod processors;
mod secrets;
mod single_files;
mod state;
mod stuck;
mod support;
mod texts;
mod tls;
mod unix_sockets;
mod values;

#[path = "../shared/machine_code.rs"]
mod machine_code;

/// Every guest, and the module that tests it.
const GUESTS: &[(&str, &str)] = &[
    ("abort", "faults"),
    ("burn", "../agent/hostile"),
    ("burrow", "kernel_files"),
    ("chatter", "output"),
    ("columns", "columns"),
    ("counter", "state"),
    ("describe-changing", "files"),
    ("describe-spin", "files"),
    ("describe-trap", "files"),
    ("df", "fills"),
    ("dial", "network"),
    ("drop-spin", "deadlines"),
    ("environment", "denied_by_default"),
    ("exit", "faults"),
    ("fail", "faults"),
    ("fetch", "network"),
    ("fickle", "../kit/main"),
    ("figures", "state"),
    ("fill", "disk"),
    ("flood", "limits"),
    ("hasty", "texts"),
    ("hoard", "limits"),
    ("huge-text", "limits"),
    ("judge", "processors"),
    ("junk", "values"),
    ("knock", "unix_sockets"),
    ("leak-files", "limits"),
    ("leak-handles", "limits"),
    ("leak-sockets", "network"),
    ("link", "folders"),
    ("lookup", "network"),
    ("lookup-flood", "lookups"),
    ("miscount", "processors"),
    ("misnamed", "files"),
    ("misschemed", "../kit/main"),
    ("mouthy", "texts"),
    ("mouthy-backend", "texts"),
    ("mouthy-processor", "texts"),
    ("nosy", "denied_by_default"),
    ("overclaim", "backends"),
    ("ponder", "../agent/hostile"),
    ("pry", "../agent/hostile"),
    ("punctual", "../agent/attacks"),
    ("random-bomb", "limits"),
    ("read", "denied_by_default"),
    ("recurse", "limits"),
    ("reflect", "secrets"),
    ("reject-bomb", "backends"),
    ("relabel", "processors"),
    ("relapse", "../agent/hostile"),
    ("schema-bomb", "files"),
    ("schema-flood", "files"),
    ("series-bomb", "../agent/cardinality"),
    ("sink", "backends"),
    ("sleep", "deadlines"),
    ("smuggle", "secrets"),
    ("spin", "deadlines"),
    ("spin-write", "backends"),
    ("squeeze", "compression"),
    ("stall", "stuck"),
    ("state-bomb", "state"),
    ("steady-1", "neighbours"),
    ("steady-2", "files"),
    ("steady-columns", "columns"),
    ("swap", "held_grants"),
    ("tag-bomb", "values"),
    ("threads", "faults"),
    ("trap", "faults"),
    ("usage", "denied_by_default"),
    ("wants-bomb", "texts"),
    ("write", "folders"),
    ("wrong-backend", "../kit/main"),
    ("wrong-collector", "../kit/main"),
    ("wrong-processor", "../kit/main"),
];

/// Guests that are refused when they are loaded.
const REFUSED: &[&str] = &["describe-spin", "describe-trap", "misnamed", "schema-bomb", "schema-flood", "wants-bomb"];

#[test]
fn every_guest_has_a_test_that_names_it() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");
    let files = std::fs::read_dir(format!("{tests}/guests/examples")).unwrap();
    let mut found: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".rs").map(str::to_owned))
        .collect();
    found.sort();
    let known: Vec<_> = GUESTS.iter().map(|(guest, _)| *guest).collect();
    assert_eq!(found, known, "tests/guests/examples on the left, GUESTS in tests/sandbox/main.rs on the right");
    for (guest, module) in GUESTS {
        let source = std::fs::read_to_string(format!("{tests}/sandbox/{module}.rs")).unwrap();
        assert!(source.contains(&format!("\"{guest}\"")), "tests/sandbox/{module}.rs has no test of {guest}");
    }
}
