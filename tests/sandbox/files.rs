//! Files that are plugins, and files that are not: each is rejected with its reason.

use saker_sandbox::{LoadError, Permission, PluginKind, compile_bytes};
use serde_json::json;

use crate::support::{bytes, open, plugin, run, sandbox, spec, value};

async fn check_rejected(bytes: &[u8], words: &str) -> LoadError {
    let error = sandbox().load(bytes).await.unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    error
}

#[tokio::test]
async fn what_is_no_component_is_rejected_with_the_reason() {
    let whole = bytes("steady-1");
    check_rejected(b"", "the file is empty").await;
    check_rejected(b"#!/bin/sh\n", "the file is not WebAssembly: it does not begin with \"\\0asm\"").await;
    check_rejected(&whole[..4], "broken WebAssembly").await;
    check_rejected(&whole[..whole.len() / 2], "broken WebAssembly").await;
    check_rejected(&whole[..whole.len() - 1], "broken WebAssembly").await;
    check_rejected(&[&whole, &b"\xff\xff"[..]].concat(), "broken WebAssembly").await;
    check_rejected(b"\0asm\x01\0\0\0", "it exports nothing").await;
}

#[tokio::test]
async fn a_component_that_exports_no_plugin_is_rejected() {
    let error = check_rejected(b"\0asm\x0d\0\x01\0", "it exports nothing. Build it against the contract in wit/").await;
    assert!(matches!(error, LoadError::NoKind { .. }));
}

#[tokio::test]
async fn machine_code_is_rejected() {
    let code = compile_bytes(&bytes("steady-1"), false).unwrap();
    check_rejected(&code, "it is machine code that was compiled before, which cannot be checked").await;
}

#[tokio::test]
async fn a_plugin_that_imports_what_is_not_there_is_rejected() {
    // One import more, of a resource type.
    let import = [&[10, 11, 1, 0, 6][..], b"nobody", &[3, 1]].concat();
    let error = check_rejected(&[bytes("steady-1"), import].concat(), "it does not fit this agent").await;
    assert!(matches!(&error, LoadError::Link(words) if words.contains("nobody")), "{error}");
}

#[tokio::test]
async fn a_plugin_of_another_version_is_rejected_with_both_versions() {
    let (ours, theirs) = (b"saker:plugin/collector@0.1.0", b"saker:plugin/collector@0.2.0");
    let mut bytes = bytes("steady-1");
    for at in 0..bytes.len() - ours.len() {
        if bytes[at..].starts_with(ours) {
            bytes[at..at + theirs.len()].copy_from_slice(theirs);
        }
    }
    check_rejected(&bytes, "it was built for version 0.2.0 of the contract, and this agent knows 0.1.0").await;
}

#[tokio::test]
async fn a_name_that_could_not_stand_in_a_file_or_a_log_is_rejected() {
    let words = "its name \"Mis named\\u{1b}[2J\" must be 1 to 64 lower-case letters, digits and hyphens";
    let error = check_rejected(&bytes("invalid-name"), words).await;
    assert!(matches!(error, LoadError::Description(_)));
}

#[tokio::test]
async fn a_plugin_is_described_when_it_is_loaded() {
    let steady = plugin("steady-2").await;
    let description = steady.description();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("steady", "2.0.0"));
    assert_eq!(description.summary, "One value a run");
    assert_eq!(description.settings_schema["properties"]["value"]["default"], json!(2.0));
    assert_eq!(steady.kind(), PluginKind::Collector);
    assert_eq!(plugin("verdict-by-name").await.kind(), PluginKind::Processor);
    assert_eq!(plugin("scripted-backend").await.kind(), PluginKind::Backend);
    let wants = &plugin("read").await.description().requests;
    assert_eq!(wants[0].permission, Permission::Read("/etc".into()));
    let imports = plugin("counter").await.imports();
    assert!(imports.iter().any(|import| import == "saker:plugin/state@0.1.0"), "{imports:?}");
    assert_eq!(steady.size(), bytes("steady-2").len());
}

#[tokio::test]
async fn a_core_module_is_wrapped_and_is_held_to_its_grants() {
    let module = bytes("read-core");
    assert!(module.starts_with(b"\0asm\x01\0\0\0"), "a core module, no component");
    let plugin = sandbox().load(&module).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "12345").unwrap();
    let mut spec = spec(json!({ "path": path }));
    for granted in [false, true] {
        spec.grants.read = if granted { vec![folder.path().into()] } else { Vec::new() };
        let mut collector = saker_sandbox::Collector::open(sandbox(), &plugin, &spec).await.unwrap();
        match run(&mut collector).await {
            Ok(values) => assert!(granted && value(&values, "read.bytes") == 5.0),
            Err(error) => assert!(!granted && error.kind() == "denied", "{error}"),
        }
    }
    assert_eq!(spec.log_tail.lines(), [format!("read {}", path.display())], "its standard output is ours too");
}

#[tokio::test]
async fn versions_of_one_plugin_run_side_by_side() {
    for (guest, version) in [("steady-1", "1"), ("steady-2", "2")] {
        let values = run(&mut open(guest, &spec(json!({}))).await.unwrap()).await.unwrap();
        assert_eq!(values[0].tags, [("version".to_owned(), version.to_owned())]);
    }
}

#[tokio::test]
async fn a_description_that_is_none_is_rejected() {
    check_rejected(&bytes("describe-trap"), "failed to describe itself: trapped: wasm `unreachable`").await;
    check_rejected(&bytes("describe-spin"), "took longer than its deadline").await;
    check_rejected(&bytes("schema-bomb"), "its settings schema has 1048576 bytes, and 262144 is the most").await;
    check_rejected(&bytes("schema-flood"), "its settings schema has").await;
}

#[tokio::test]
async fn a_description_that_changes_is_what_it_was_when_the_file_was_loaded() {
    let plugin = plugin("unstable-description").await;
    let first = plugin.description().version.clone();
    let mut collector = open("unstable-description", &spec(json!({}))).await.unwrap();
    assert_eq!(value(&run(&mut collector).await.unwrap(), "describe.called"), 1.0);
    assert_eq!(plugin.description().version, first);
    let again = sandbox().load(&bytes("unstable-description")).await.unwrap();
    assert_ne!(again.description().version, first);
    assert_eq!(again.hash(), plugin.hash(), "what a plugin is, its bytes say");
}
