//! Guests that want too much: memory, tables, stack, room for their answers.

use saker_sandbox::{Blame, CallError, Collector, InstanceSpec, Kill};
use serde_json::json;

use crate::support::{DEADLINE, bytes, in_time, once, open, sandbox, spec, tick, turn, value};

/// The first tick of `guest` is ended from outside, in time, as `kind` and with these words.
async fn check_killed(guest: &str, spec: &InstanceSpec, kind: &str, words: &str) -> CallError {
    let _turn = turn().await;
    let mut collector = open(guest, spec).await.unwrap();
    let error = in_time(guest, spec.limits.deadlines.collect, tick(&mut collector)).await.unwrap_err();
    assert!(matches!(error, CallError::Killed(_)), "{error}");
    assert_eq!((error.kind(), error.blame(), error.to_string().as_str()), (kind, Blame::Plugin, words));
    assert!(!collector.is_alive());
    error
}

#[tokio::test]
async fn a_guest_that_allocates_without_end_ends_at_its_memory_limit() {
    let words = "killed: it wanted more than its memory limit of 67108864 bytes";
    let error = check_killed("hoard", &spec(json!({})), "memory", words).await;
    assert_eq!(error, CallError::Killed(Kill::Memory { limit: 64 << 20 }));
}

#[tokio::test]
async fn memory_adds_up_over_calls() {
    let mut spec = spec(json!({"pieces": 4}));
    spec.limits.memory_bytes = 16 << 20;
    let mut collector = open("hoard", &spec).await.unwrap();
    for pieces in [4.0, 8.0, 12.0] {
        assert_eq!(value(&tick(&mut collector).await.unwrap(), "hoard.pieces"), pieces);
        assert!(spec.meters.memory_bytes() as f64 > pieces * f64::from(1 << 20), "{}", spec.meters.memory_bytes());
    }
    assert_eq!(tick(&mut collector).await, Err(CallError::Killed(Kill::Memory { limit: 16 << 20 })));
}

/// A component with a core module more, which has `content` and is instantiated with the rest.
fn with_module(component: &[u8], content: &[u8]) -> Vec<u8> {
    let modules = wasmparser::Parser::new(0)
        .parse_all(component)
        .filter(|payload| matches!(payload, Ok(wasmparser::Payload::ModuleSection { .. })))
        .count();
    // Modules within components that this one holds have been counted too, and only make the number too large.
    let own = wasmparser_own_modules(component).min(modules);
    let mut bytes = component.to_vec();
    let module = [b"\0asm\x01\0\0\0", content].concat();
    bytes.extend([1, u8::try_from(module.len()).unwrap()]);
    bytes.extend(module);
    // Core instances: one, made of that module, with no arguments.
    bytes.extend([2, 4, 1, 0, u8::try_from(own).unwrap(), 0]);
    bytes
}
