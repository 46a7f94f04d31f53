//! Guests that want too much: memory, tables, stack, room for their answers.

use saker_sandbox::{Blame, CallError, Collector, InstanceSpec, Kill};
use serde_json::{Value, json};

use crate::support::{DEADLINE, bytes, in_time, once, open, run, sandbox, turn, value};

/// An instance that has the time to run into a limit.
fn spec(settings: Value) -> InstanceSpec {
    let mut spec = crate::support::spec(settings);
    spec.limits.deadlines.collect = DEADLINE * 10;
    spec
}

/// The first run of `guest` is ended from outside, in time, as `kind` and with these words.
async fn check_killed(guest: &str, spec: &InstanceSpec, kind: &str, words: &str) -> CallError {
    let _turn = turn().await;
    let mut collector = open(guest, spec).await.unwrap();
    let error = in_time(guest, spec.limits.deadlines.collect, run(&mut collector)).await.unwrap_err();
    assert!(matches!(error, CallError::Killed(_)), "{error}");
    assert_eq!((error.kind(), error.blame(), error.to_string().as_str()), (kind, Blame::Plugin, words));
    assert!(!collector.is_alive());
    error
}

#[tokio::test]
async fn a_guest_that_allocates_without_end_ends_at_its_memory_limit() {
    let words = "killed: it wanted more than its memory limit of 67108864 bytes";
    let error = check_killed("memory-hog", &spec(json!({})), "memory", words).await;
    assert_eq!(error, CallError::Killed(Kill::Memory { limit: 64 << 20 }));
}

#[tokio::test]
async fn memory_adds_up_over_calls() {
    let mut spec = spec(json!({"pieces": 4}));
    spec.limits.max_memory_bytes = 16 << 20;
    let mut collector = open("memory-hog", &spec).await.unwrap();
    for pieces in [4.0, 8.0, 12.0] {
        assert_eq!(value(&run(&mut collector).await.unwrap(), "memory-hog.pieces"), pieces);
        assert!(spec.meters.memory_bytes() as f64 > pieces * f64::from(1 << 20), "{}", spec.meters.memory_bytes());
    }
    assert_eq!(run(&mut collector).await, Err(CallError::Killed(Kill::Memory { limit: 16 << 20 })));
}

/// `component` with one core module more, which has `content` and is instantiated with the rest.
fn with_module(component: &[u8], content: &[u8]) -> Vec<u8> {
    let module = [b"\0asm\x01\0\0\0", content].concat();
    let mut bytes = component.to_vec();
    bytes.extend([1, u8::try_from(module.len()).unwrap()]);
    bytes.extend(module);
    // One core instance: made of that module, with no arguments.
    bytes.extend([2, 4, 1, 0, core_modules(component), 0]);
    bytes
}

/// How many core modules a component has itself: its sections with the number 1.
fn core_modules(component: &[u8]) -> u8 {
    let (mut at, mut count) = (8, 0);
    while at < component.len() {
        count += u8::from(component[at] == 1);
        let (mut size, mut shift) = (0, 0);
        loop {
            at += 1;
            size |= usize::from(component[at] & 0x7f) << shift;
            shift += 7;
            if component[at] < 0x80 {
                break;
            }
        }
        at += 1 + size;
    }
    count
}

#[tokio::test]
async fn memories_of_all_modules_count_together() {
    let mut spec = spec(json!({}));
    spec.limits.max_memory_bytes = 13 << 20;
    // One memory of 200 pages, which are 12.5 MiB.
    let two = with_module(&bytes("steady-1"), &[5, 4, 1, 0, 0xc8, 0x01]);
    let plugin = sandbox().load(&two).await.unwrap();
    let error = Collector::open(sandbox(), &plugin, &spec).await.err().unwrap();
    assert_eq!(error, CallError::Killed(Kill::Memory { limit: 13 << 20 }));
    spec.limits.max_memory_bytes = 16 << 20;
    assert!(Collector::open(sandbox(), &plugin, &spec).await.is_ok());
    assert!(spec.meters.memory_bytes() > 13 << 20, "{}", spec.meters.memory_bytes());
}

#[tokio::test]
async fn tables_of_all_modules_count_together() {
    let mut spec = spec(json!({}));
    spec.limits.max_table_elements = 50_000;
    // One table of 50,000 functions, and the guest has a table of its own.
    let two = with_module(&bytes("steady-1"), &[4, 6, 1, 0x70, 0, 0xd0, 0x86, 0x03]);
    let plugin = sandbox().load(&two).await.unwrap();
    let error = Collector::open(sandbox(), &plugin, &spec).await.err().unwrap();
    assert_eq!(error, CallError::Killed(Kill::Table { limit: 50_000 }));
    assert_eq!(error.to_string(), "killed: it wanted more than its limit of 50000 table elements");
    spec.limits.max_table_elements = 60_000;
    assert!(Collector::open(sandbox(), &plugin, &spec).await.is_ok());
}

#[tokio::test]
async fn a_guest_that_calls_itself_without_end_ends_with_its_stack() {
    let error = once("recurse", &spec(json!({}))).await.unwrap_err();
    let CallError::Killed(Kill::Stack { frames }) = &error else { panic!("{error}") };
    assert!(!frames.is_empty());
    check_killed("recurse", &spec(json!({})), "stack", "killed: its stack of 512 KiB was used up").await;
}

#[tokio::test]
async fn a_million_records_end_at_the_limit_of_bytes() {
    let mut spec = spec(json!({}));
    // Otherwise the guest has no room to make them.
    spec.limits.max_memory_bytes = 512 << 20;
    let words = "killed: it handed over more than its limit of 8388608 bytes in one call";
    let error = check_killed("sample-flood", &spec, "answer", words).await;
    assert_eq!(error, CallError::Killed(Kill::AnswerBytes { limit: 8 << 20 }));
}

#[tokio::test]
async fn small_records_end_at_the_limit_of_records() {
    let words = "killed: it handed over 20001 records, and its limit is 20000";
    check_killed("sample-flood", &spec(json!({"records": 20_001})), "answer", words).await;
    assert_eq!(once("sample-flood", &spec(json!({"records": 20_000}))).await.unwrap().len(), 20_000);
}

#[tokio::test]
async fn a_single_long_text_ends_at_the_limit_of_bytes() {
    let words = "killed: it handed over more than its limit of 8388608 bytes in one call";
    check_killed("sample-flood", &spec(json!({"records": 1, "name_bytes": 9 << 20})), "answer", words).await;
}

#[tokio::test]
async fn the_limit_of_bytes_is_for_each_call() {
    let mut collector = open("sample-flood", &spec(json!({"records": 1, "name_bytes": 3 << 20}))).await.unwrap();
    for _ in 0..5 {
        assert_eq!(run(&mut collector).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_gigabyte_of_text_or_of_chance_is_never_made() {
    let words = "killed: it wanted more than its memory limit of 67108864 bytes";
    check_killed("huge-text", &spec(json!({})), "memory", words).await;
    let error = once("random-bomb", &spec(json!({}))).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("trap", Blame::Plugin), "{error}");
}

#[tokio::test]
async fn files_that_are_left_open_end_at_their_limit() {
    let mut spec = spec(json!({ "path": "/proc/stat", "times": 10 }));
    spec.grants.read = vec!["/proc".into()];
    spec.limits.max_open_files = 25;
    let mut collector = open("leak-files", &spec).await.unwrap();
    for files in [10.0, 20.0] {
        assert_eq!(value(&run(&mut collector).await.unwrap(), "leak-files.open"), files);
    }
    let error = run(&mut collector).await.unwrap_err();
    assert_eq!(error, CallError::Killed(Kill::OpenFiles { limit: 25 }));
    assert_eq!(error.to_string(), "killed: it wanted more than its limit of 25 open files");
}

#[tokio::test]
async fn a_file_that_is_closed_counts_no_longer() {
    let mut spec = spec(json!({ "path": "/proc/stat" }));
    spec.grants.read = vec!["/proc".into()];
    // One for the granted directory, one for the file.
    spec.limits.max_open_files = 2;
    let mut collector = open("read", &spec).await.unwrap();
    for _ in 0..10 {
        run(&mut collector).await.unwrap();
    }
}

#[tokio::test]
async fn handles_that_are_never_let_go_of_end_at_their_limit() {
    let words = "killed: it wanted more than 1100 handles at the same time";
    check_killed("leak-handles", &spec(json!({})), "handles", words).await;
}

#[tokio::test]
async fn a_component_of_many_instances_ends_when_it_is_opened() {
    let mut many = bytes("steady-1");
    // A module of nothing but its header, instantiated again and again.
    for _ in 0..30 {
        many = with_module(&many, &[]);
    }
    let plugin = sandbox().load(&many).await.unwrap();
    let mut spec = spec(json!({}));
    spec.limits.max_core_instances = 20;
    let error = Collector::open(sandbox(), &plugin, &spec).await.err().unwrap();
    assert_eq!(error, CallError::Killed(Kill::Instances { limit: 20 }));
    assert_eq!((error.kind(), error.blame()), ("instances", Blame::Plugin));
    spec.limits.max_core_instances = 200;
    assert!(Collector::open(sandbox(), &plugin, &spec).await.is_ok());
}
