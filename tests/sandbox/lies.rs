//! Components written by hand that lie to the agent about what they hand over: each is a file of tests/guests/lies, and
//! each ends as a trap, at once, without a copy of what it only claims to have.

use std::collections::BTreeMap;

use saker_sandbox::{CallError, Collector, Kill, Plugin};
use serde_json::json;

use crate::support::{DEADLINE, bytes, in_time, run, sandbox, spec, turn};

fn module(name: &str) -> Vec<u8> {
    bytes(&format!("lie-{name}"))
}

async fn load(name: &str) -> Plugin {
    sandbox().load(&module(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// How `open` and then `collect` end.
async fn end_of(name: &str) -> Result<usize, CallError> {
    let plugin = load(name).await;
    let _turn = turn().await;
    let spec = spec(json!({}));
    in_time(name, DEADLINE * 2, async {
        let mut collector = Collector::open(sandbox(), &plugin, &spec).await?;
        run(&mut collector).await.map(|values| values.len())
    })
    .await
}

/// What each ends as: the kind, and a part of the reason.
const ENDS: &[(&str, &str, &str)] = &[
    ("answer", "trap", "out of bounds"),
    ("callback", "trap", "indirect call type mismatch"),
    ("columns", "trap", "out of bounds"),
    ("discriminant", "trap", "discriminant"),
    ("divide", "trap", "divide by zero"),
    ("kind", "trap", "discriminant"),
    ("length", "trap", "out of bounds"),
    ("pointer", "trap", "out of bounds"),
    ("realloc", "trap", "beyond end of memory"),
    ("realloc-spin", "deadline", "open took longer than its deadline"),
    ("realloc-trap", "trap", "unreachable"),
    ("repeat", "answer", "more than its limit of 8388608 bytes"),
    ("table", "table", "its limit of 100000 table elements"),
    ("text", "trap", "out of bounds"),
    ("unaligned", "trap", "not aligned"),
    ("utf8", "trap", "utf-8"),
    ("wild", "trap", "out of bounds memory access"),
    ("wrapping", "trap", "out of bounds"),
];

#[tokio::test]
async fn every_lie_ends_as_what_it_is() {
    let mut wrong = BTreeMap::new();
    for (name, kind, words) in ENDS {
        let end = end_of(name).await;
        let fits = matches!(&end, Err(error) if error.kind() == *kind && error.to_string().contains(words));
        if !fits {
            wrong.insert(*name, end);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn the_same_module_without_a_lie_brings_its_value() {
    assert_eq!(end_of("honest").await, Ok(1));
}

#[tokio::test]
async fn a_module_that_never_ends_its_start_is_rejected_when_it_is_loaded() {
    let error = sandbox().load(&module("start")).await.unwrap_err();
    assert!(error.to_string().contains("open took longer than its deadline"), "{error}");
}

#[test]
fn every_lie_has_a_test() {
    let mut found: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/lies"))
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().into_string().unwrap().strip_suffix(".wat").map(str::to_owned))
        .collect();
    found.sort();
    let mut known: Vec<_> = ENDS.iter().map(|(name, ..)| *name).chain(["honest", "prelude", "start"]).collect();
    known.sort_unstable();
    assert_eq!(found, known, "tests/guests/lies on the left, what is tested here on the right");
}

#[tokio::test]
async fn a_lie_leaves_nothing_of_itself_in_the_agent() {
    let error = end_of("repeat").await.unwrap_err();
    assert_eq!(error, CallError::Killed(Kill::AnswerBytes { limit: 8 << 20 }));
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 4 << 20, "six gigabytes were never there: {peak_kib} KiB");
}
