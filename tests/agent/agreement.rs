//! The collectors on the machine that the tests run on, as it is.

use crate::agent::{Agent, Home, saker, shipped};

#[test]
fn on_defaults_all_ten_collectors_show_this_host() {
    let plugins = ["cpu", "memory", "load", "disk-usage", "disk-io", "network", "tcp", "kernel", "pressure", "process"];
    let agent = Home::new(&plugins).keys("interval = \"500ms\"").start();
    for name in plugins {
        let fault = |agent: &Agent| agent.instance(name).map(|instance| instance["last_fault"].clone());
        agent.until(&format!("{name} has succeeded; {:?}", fault(&agent)), |agent| {
            (agent.instance(name)?["counts"]["succeeded"].as_u64()? >= 2).then_some(())
        });
    }
    let idle = agent.newest("cpu.idle", "");
    assert!((0.0..=100.0).contains(&idle), "{idle}");
    assert!(agent.newest("load.1min", "") >= 0.0);
    assert!(agent.newest("kernel.uptime", "") > 0.0);
    assert!(agent.newest("proc.total", "") >= 2.0);
    assert!(agent.newest("ss.alloc", "") >= 0.0);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test makes processes that come and go")]
fn processes_that_end_while_they_are_listed_fail_no_run() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("process.wasm"), shipped("process")).unwrap();
    let end = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    std::process::Command::new("true").status().unwrap();
                }
            });
        }
        let collect = ["collect", "process.wasm", "--grant", "requested", "--runs", "5", "--interval", "10ms"];
        let failed: Vec<_> =
            (0..20).map(|_| saker(&collect, dir.path())).filter(|output| !output.status.success()).collect();
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(failed.is_empty(), "{failed:?}");
    });
}
