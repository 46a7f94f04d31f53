//! The compile cache: what was compiled once is not compiled again, and what cannot be trusted is.

use std::path::Path;

use saker_sandbox::{Collector, Origin, Sandbox};
use serde_json::json;

use crate::support::{bytes, config, spec, tick};

/// Loads a guest in a sandbox of its own, as after a restart, and says where its code came from.
async fn load(cache: Option<&Path>) -> Origin {
    let sandbox = Sandbox::new(config(cache.map(Into::into))).unwrap();
    let plugin = sandbox.load(&bytes("steady-1")).await.unwrap();
    let mut collector = Collector::open(&sandbox, &plugin, &spec(json!({}))).await.unwrap();
    assert_eq!(tick(&mut collector).await.unwrap().len(), 1);
    plugin.origin()
}

#[tokio::test]
async fn a_plugin_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    assert_eq!(load(Some(&cache)).await, Origin::Compiled);
    assert_eq!(load(Some(&cache)).await, Origin::Cache);
    assert_eq!(load(None).await, Origin::Compiled);
}

#[tokio::test]
async fn code_that_is_spoilt_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    load(Some(&cache)).await;
    let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "not code").unwrap();
    assert_eq!(load(Some(&cache)).await, Origin::Compiled);
    assert_eq!(load(Some(&cache)).await, Origin::Cache);
}
