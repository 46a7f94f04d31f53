//! The compile cache: what was compiled once is not compiled again, and what cannot be trusted is.

use std::path::Path;

use saker_sandbox::{Collector, Compiler, Origin, Sandbox, SandboxConfig};
use serde_json::json;

use crate::support::{bytes, config, spec, tick, until};

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
    for file in std::fs::read_dir(&cache).unwrap() {
        std::fs::write(file.unwrap().path(), "not code").unwrap();
    }
    assert_eq!(load(Some(&cache)).await, Origin::Compiled);
    assert_eq!(load(Some(&cache)).await, Origin::Cache);
}

#[tokio::test]
async fn code_that_was_changed_is_compiled_again_even_if_it_would_load() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    load(Some(&cache)).await;
    let mut files = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "cwasm")).unwrap();
    let mut code = std::fs::read(&file).unwrap();
    // A byte of the instructions themselves: no header tells.
    let middle = code.len() / 2;
    code[middle] ^= 1;
    std::fs::write(&file, code).unwrap();
    assert_eq!(load(Some(&cache)).await, Origin::Compiled);
    assert_eq!(load(Some(&cache)).await, Origin::Cache);
}

#[tokio::test]
async fn finding_code_and_not_finding_it_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(config(Some(folder.path().join("cache")))).unwrap();
    for _ in 0..3 {
        sandbox.load(&bytes("steady-1")).await.unwrap();
    }
    // What was compiled is read back once, from the file.
    let stats = sandbox.cache_stats();
    assert_eq!((stats.hits, stats.misses), (3, 1));
}

#[tokio::test]
async fn a_compiler_that_is_given_up_ends_with_all_that_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let noted = folder.path().join("pid");
    let script = format!("cat >/dev/null; sleep 1000 & echo $! >{0}.new; mv {0}.new {0}; wait", noted.display());
    let compiler = Compiler::Child { program: "/bin/sh".into(), arguments: vec!["-c".into(), script] };
    let sandbox = Sandbox::new(SandboxConfig { compiler, ..config(None) }).unwrap();
    let guest = bytes("steady-1");
    {
        let load = sandbox.load(&guest);
        tokio::pin!(load);
        let started = until("the compiler's child", || noted.exists());
        tokio::select! {
            _ = &mut load => panic!("this compiler never ends"),
            () = started => {}
        }
    }
    let pid = std::fs::read_to_string(&noted).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    // Whoever is dead and not yet waited for does not run either.
    until("its end", || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))).await;
}
