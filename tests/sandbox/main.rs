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
    ("columns", "columns"),
    ("compress", "compression"),
    ("counter", "state"),
    ("cpu-burner", "../agent/hostile"),
    ("custom-metrics", "state"),
    ("describe-snooper", "denied_by_default"),
    ("describe-spin", "files"),
    ("describe-trap", "files"),
    ("drop-spin", "deadlines"),
    ("environment", "denied_by_default"),
    ("exit", "faults"),
    ("fail", "faults"),
    ("fifo-backend", "stuck"),
    ("fill", "disk"),
    ("grant-swapper", "held_grants"),
    ("header-smuggler", "secrets"),
    ("http-post", "network"),
    ("huge-text", "limits"),
    ("huge-texts", "texts"),
    ("huge-texts-backend", "texts"),
    ("huge-texts-processor", "texts"),
    ("invalid-name", "files"),
    ("invalid-samples", "values"),
    ("invalid-schema", "../kit/main"),
    ("leak-files", "limits"),
    ("leak-handles", "limits"),
    ("leak-sockets", "network"),
    ("log-flood", "output"),
    ("lookup", "network"),
    ("lookup-flood", "lookups"),
    ("memory-hog", "limits"),
    ("missing-verdict", "processors"),
    ("overclaiming-backend", "backends"),
    ("panic-on-second-call", "../agent/hostile"),
    ("path-explorer", "kernel_files"),
    ("random-bomb", "limits"),
    ("read", "denied_by_default"),
    ("recurse", "limits"),
    ("reject-bomb", "backends"),
    ("relabel", "processors"),
    ("request-bomb", "texts"),
    ("run-lateness", "../agent/attacks"),
    ("sample-flood", "limits"),
    ("schema-bomb", "files"),
    ("schema-flood", "files"),
    ("scripted-backend", "backends"),
    ("secret-reflection", "secrets"),
    ("series-bomb", "../agent/cardinality"),
    ("sleep", "deadlines"),
    ("slow-processor", "../agent/hostile"),
    ("socket-dialer", "network"),
    ("socket-error-texts", "../agent/hostile"),
    ("spin", "deadlines"),
    ("spin-write", "backends"),
    ("state-bomb", "state"),
    ("statfs", "denied_by_default"),
    ("statfs-many", "fills"),
    ("steady-1", "neighbours"),
    ("steady-2", "files"),
    ("steady-columns", "columns"),
    ("symlink-escape", "folders"),
    ("tag-bomb", "values"),
    ("threads", "faults"),
    ("tiny-interval", "texts"),
    ("trap", "faults"),
    ("unix-request", "unix_sockets"),
    ("unstable-describe", "../kit/main"),
    ("unstable-description", "files"),
    ("verdict-by-name", "processors"),
    ("write", "folders"),
    ("wrong-backend", "../kit/main"),
    ("wrong-collector", "../kit/main"),
    ("wrong-processor", "../kit/main"),
];

/// Guests that are rejected when they are loaded.
const REFUSED: &[&str] =
    &["describe-spin", "describe-trap", "invalid-name", "schema-bomb", "schema-flood", "request-bomb"];

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
