//! `saker collect --record` and `--replay`: what a plugin was told by its host tells it again.

use std::path::Path;

use tempfile::TempDir;

use crate::agent::{guest, repository, saker, shipped};

fn collect(dir: &Path, arguments: &[&str]) -> String {
    let output = saker(&[&["collect"], arguments].concat(), dir);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rejected(dir: &Path, arguments: &[&str]) -> String {
    let output = saker(&[&["collect"], arguments].concat(), dir);
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn every_collector_measures_the_same_from_a_recording() {
    let names = ["cpu", "disk-io", "disk-usage", "kernel", "load", "memory", "network", "pressure", "process", "tcp"];
    for name in names {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("plugin.wasm"), shipped(name)).unwrap();
        let host = dir.path().join("host");
        copy(&repository().join("tests/fixtures"), &host);
        let host = host.to_str().unwrap();
        let mut settings = format!("{{\"proc\": \"{host}/proc\"");
        if name == "network" {
            settings.push_str(&format!(", \"sys\": \"{host}/sys\""));
        }
        settings.push('}');
        let read = format!("read={host}");
        let recorded = collect(
            dir.path(),
            &[
                "plugin.wasm",
                "--settings",
                &settings,
                "--grant",
                &read,
                "--grant",
                "statfs=/",
                "--runs",
                "2",
                "--interval",
                "50ms",
                "--format",
                "json",
                "--record",
                "calls.jsonl",
            ],
        );
        std::fs::remove_dir_all(host).unwrap();
        let replayed = collect(dir.path(), &["plugin.wasm", "--format", "json", "--replay", "calls.jsonl"]);
        assert_eq!(recorded, replayed, "{name}");
        assert!(!recorded.is_empty(), "{name} has values");
    }
}

#[test]
fn a_recording_of_this_host_holds_what_changes_from_run_to_run() {
    for (name, metric) in [("cpu", "cpu.idle"), ("process", "proc.total")] {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("plugin.wasm"), shipped(name)).unwrap();
        let live = ["plugin.wasm", "--grant", "requested", "--runs", "3", "--interval", "100ms", "--format", "json"];
        let recorded = collect(dir.path(), &[&live[..], &["--record", "calls.jsonl"]].concat());
        assert!(recorded.contains(metric), "{recorded}");
        for _ in 0..2 {
            assert_eq!(collect(dir.path(), &["plugin.wasm", "--format", "json", "--replay", "calls.jsonl"]), recorded);
        }
        let tape = std::fs::read_to_string(dir.path().join("calls.jsonl")).unwrap();
        let asked = if name == "cpu" { "\"path\":\"/proc/stat\"" } else { "\"entries\":\"/proc\"" };
        assert_eq!(tape.lines().filter(|line| line.contains(asked)).count(), 3, "{tape}");
    }
}

#[test]
fn what_a_recording_cannot_hold_or_does_not_tell_is_said() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("cpu.wasm"), shipped("cpu")).unwrap();
    std::fs::write(dir.path().join("load.wasm"), shipped("load")).unwrap();
    std::fs::write(dir.path().join("read.wasm"), guest("read")).unwrap();
    let record = ["--record", "calls.jsonl"];
    let said = rejected(dir.path(), &[&["cpu.wasm", "--grant", "connect=127.0.0.1:9"], &record[..]].concat());
    assert!(said.contains("leave out connect"), "{said}");
    collect(dir.path(), &[&["cpu.wasm", "--grant", "requested"], &record[..]].concat());
    let said = rejected(dir.path(), &["load.wasm", "--replay", "calls.jsonl"]);
    assert!(said.contains("/proc/loadavg: the recording does not tell of it; record anew"), "{said}");
    std::fs::write(dir.path().join("text"), "{}\n").unwrap();
    let said = rejected(dir.path(), &["cpu.wasm", "--replay", "text"]);
    assert!(said.contains("text: line 1: expected \"recording\": 1"), "{said}");
    // A link out of a granted folder leads nowhere, recorded or not.
    std::fs::create_dir(dir.path().join("granted")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("granted/link")).unwrap();
    let granted = dir.path().join("granted");
    let (read, settings) =
        (format!("read={}", granted.display()), format!("{{\"path\": \"{}/link\"}}", granted.display()));
    rejected(dir.path(), &[&["read.wasm", "--grant", &read, "--settings", &settings], &record[..]].concat());
    assert!(!std::fs::read_to_string(dir.path().join("calls.jsonl")).unwrap().contains("root:"));
}
