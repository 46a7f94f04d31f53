//! The compile cache: what was compiled once is not compiled again, and what cannot be trusted is.

use std::path::Path;

use saker_sandbox::{CodeOrigin, Collector, Compiler, Sandbox, SandboxConfig};
use serde_json::json;

use crate::support::{bytes, config, run, spec, until};

/// Loads a guest in a sandbox of its own, as after a restart, and says where its code came from.
async fn load(cache: Option<&Path>) -> CodeOrigin {
    let sandbox = Sandbox::new(config(cache.map(Into::into))).unwrap();
    let plugin = sandbox.load(&bytes("steady-1")).await.unwrap();
    let mut collector = Collector::open(&sandbox, &plugin, &spec(json!({}))).await.unwrap();
    assert_eq!(run(&mut collector).await.unwrap().len(), 1);
    plugin.origin()
}

#[tokio::test]
async fn a_plugin_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    assert_eq!(load(Some(&cache)).await, CodeOrigin::Compiled);
    assert_eq!(load(Some(&cache)).await, CodeOrigin::Cache);
    assert_eq!(load(None).await, CodeOrigin::Compiled);
}

#[tokio::test]
async fn code_that_is_spoilt_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    load(Some(&cache)).await;
    for file in std::fs::read_dir(&cache).unwrap() {
        std::fs::write(file.unwrap().path(), "not code").unwrap();
    }
    assert_eq!(load(Some(&cache)).await, CodeOrigin::Compiled);
    assert_eq!(load(Some(&cache)).await, CodeOrigin::Cache);
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
    assert_eq!(load(Some(&cache)).await, CodeOrigin::Compiled);
    assert_eq!(load(Some(&cache)).await, CodeOrigin::Cache);
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

/// A sandbox whose compiler is a shell script that is told to count its starts in `folder/starts`.
fn scripted(folder: &Path, script: &str) -> Sandbox {
    let script = format!("cat >/dev/null; echo x >>{}/starts; {script}", folder.display());
    let compiler = Compiler::Child { program: "/bin/sh".into(), arguments: vec!["-c".into(), script] };
    Sandbox::new(SandboxConfig { compiler, ..config(Some(folder.join("cache"))) }).unwrap()
}

fn starts(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("starts")).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn what_failed_to_compile_is_not_tried_again_until_its_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, guest) = (folder.path(), bytes("steady-1"));
    let now = std::time::SystemTime::now();
    // Longer than what is not worth remembering.
    let sandbox = scripted(folder, "sleep 1.2; printf 'too \\033[31mdear' >&2; exit 65");
    let first = sandbox.load(&guest).await.unwrap_err().to_string();
    assert_eq!(first, "too  [31mdear");
    // As after a restart.
    let sandbox = scripted(folder, "exit 1");
    let rejection = async |changed| sandbox.compile(guest.clone().into(), changed).await.err().unwrap().to_string();
    for changed in [None, Some(now)] {
        let again = rejection(changed).await;
        assert!(again.contains("failed before") && again.contains("too  [31mdear"), "{again}");
    }
    assert_eq!(starts(folder), 1);
    let touched = rejection(Some(now + std::time::Duration::from_secs(60))).await;
    assert!(touched.contains("the compiler ended with exit status: 1"), "{touched}");
    assert_eq!(starts(folder), 2);
    let hash = saker_sandbox::PluginHash::of(&guest);
    assert!(sandbox.forget_failure(hash) && !sandbox.forget_failure(hash));
    assert!(!rejection(None).await.contains("failed before"));
}

#[tokio::test]
async fn a_compiler_that_was_killed_is_tried_again_after_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = scripted(folder.path(), "sleep 1.2; kill -9 $$");
    let guest = bytes("steady-1");
    assert!(sandbox.load(&guest).await.unwrap_err().to_string().contains("signal: 9"));
    let again = sandbox.load(&guest).await.unwrap_err().to_string();
    assert!(again.contains("not tried again within the hour"), "{again}");
}

#[tokio::test]
async fn a_compiler_that_never_stops_talking_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    for (script, words) in [("cat /dev/zero", "more than the"), ("cat /dev/zero >&2", "the compiler ended with")] {
        let sandbox = scripted(folder.path(), script);
        let error = sandbox.load(&bytes("steady-1")).await.unwrap_err().to_string();
        assert!(error.contains(words) && error.len() < 2000, "{error}");
        let left = std::fs::read_dir(folder.path().join("cache")).unwrap().count();
        assert_eq!(left, 0, "nothing half written is left");
    }
}

#[tokio::test]
async fn a_compiler_that_leaves_a_child_behind_is_ended_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let noted = folder.path().join("pid");
    let script = format!("sleep 1000 >/dev/null 2>&1 & echo $! >{}; echo no >&2; exit 65", noted.display());
    let error = scripted(folder.path(), &script).load(&bytes("steady-1")).await.unwrap_err();
    assert_eq!(error.to_string(), "no");
    let stat = format!("/proc/{}/stat", std::fs::read_to_string(&noted).unwrap().trim());
    until("its end", || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))).await;
}
