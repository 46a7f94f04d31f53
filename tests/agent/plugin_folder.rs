//! Plugin files that come, change and go while the agent runs.

use std::io::Write;

use crate::agent::{Agent, Home, guest, saker, shipped, variant};

#[test]
fn a_file_that_is_dropped_in_collects_and_disturbs_nobody() {
    let agent = Home::new(&["memory"]).on_fixtures(&["memory", "load"]).keys("interval = \"1s\"").start();
    let before = agent.instance("memory").unwrap()["counts"]["runs"].clone();
    for _ in 0..2 {
        agent.home.put("load", &shipped("load"));
        agent.until("load collects", |agent| (agent.instance("load")?["counts"]["succeeded"] != 0).then_some(()));
        std::fs::remove_file(agent.home.plugin_path("load")).unwrap();
        agent.until("load is gone", |agent| agent.instance("load").is_none().then_some(()));
    }
    let memory = agent.until("the other goes on", |agent| {
        agent.instance("memory").filter(|memory| memory["counts"]["runs"].as_u64() > before.as_u64())
    });
    assert_eq!((&memory["counts"]["swaps"], &memory["counts"]["overrun"]), (&0.into(), &0.into()), "undisturbed");
}

#[test]
fn a_plugin_that_is_denied_tells_the_line_that_would_allow_it() {
    let agent = Home::new(&[]).start();
    agent.home.put("mine", &shipped("load"));
    let fault = agent.until("it is denied", |agent| agent.instance("mine")?["last_fault"].as_object().cloned());
    assert_eq!(fault["kind"], "denied");
    assert_eq!(fault["blame"], "operator");
    assert!(
        fault["message"].as_str().unwrap().contains("write under [plugin.mine]: grant.read = [\"/proc/loadavg\"]"),
        "{fault:?}"
    );
    agent.home.write_config(&format!("{}[plugin.mine]\ngrant.read = [\"/proc/loadavg\"]\n", agent.home.config_text()));
    agent.until("it collects", |agent| (agent.instance("mine")?["counts"]["succeeded"].as_u64()? > 0).then_some(()));
}

#[test]
fn a_name_brings_its_grants_to_the_file_that_shipped_and_to_no_other() {
    let agent = Home::new(&["cpu"]).start();
    agent.home.put("load", &variant(&shipped("load"), 1));
    agent.until("what shipped collects", |agent| {
        (agent.instance("cpu")?["counts"]["succeeded"].as_u64()? > 0).then_some(())
    });
    assert_eq!(agent.instance("cpu").unwrap()["grants"], serde_json::json!(["read /proc/stat"]));
    let fault = agent.until("the other is denied", |agent| agent.instance("load")?["last_fault"].as_object().cloned());
    assert_eq!(fault["kind"], "denied", "{fault:?}");
    assert_eq!(agent.instance("load").unwrap()["grants"], serde_json::json!([]));
    let log = agent.log();
    assert!(
        log.contains("not the file that ships with this agent, so its name grants it nothing")
            && log.contains("to grant it read /proc/loadavg, write [plugin.load] into the configuration"),
        "{log}"
    );
    agent.home.write_config(&format!("{}[plugin.load]\n", agent.home.config_text()));
    agent.until("it collects", |agent| (agent.instance("load")?["counts"]["succeeded"].as_u64()? > 0).then_some(()));
    assert_eq!(agent.instance("load").unwrap()["grants"], serde_json::json!(["read /proc/loadavg"]));
}

#[test]
fn a_new_version_takes_the_place_of_the_old_and_a_broken_one_does_not() {
    let agent = Home::new(&["load"]).on_fixtures(&["load"]).keys("interval = \"200ms\"").start();
    let hash = |agent: &crate::agent::Agent| agent.instance("load").map(|load| load["hash"].clone());
    let first = hash(&agent).unwrap();
    agent.home.put("load", &variant(&shipped("load"), 1));
    let second = agent.until("the new version runs", |agent| hash(agent).filter(|hash| *hash != first));

    let mut truncated = shipped("load");
    truncated.truncate(truncated.len() / 2);
    for (what, bytes, expected) in [
        ("truncated", truncated, "broken WebAssembly"),
        ("empty", Vec::new(), "the file is empty"),
        ("text", b"#!/bin/sh\necho\n".to_vec(), "not WebAssembly"),
    ] {
        agent.home.put("load", &bytes);
        let error = agent.until(what, |agent| {
            let files = agent.json("/saker/v1/plugins")["files"].clone();
            files[0]["error"].as_str().filter(|error| error.contains(expected)).map(str::to_owned)
        });
        assert_eq!(hash(&agent), Some(second.clone()), "{what}: {error}");
        let list = saker(&["plugin", "list", "--address", &agent.address], agent.home.dir.path());
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        assert!(
            list.contains("load.wasm: cannot be used, the version before runs on") && list.contains(expected),
            "{list}"
        );
        agent.until("the log says so too", |agent| agent.log().contains(expected).then_some(()));
    }
    let runs = agent.instance("load").unwrap()["counts"]["succeeded"].as_u64().unwrap();
    agent.until("it still collects", |agent| {
        (agent.instance("load")?["counts"]["succeeded"].as_u64()? > runs).then_some(())
    });
    std::fs::remove_file(agent.home.plugin_path("load")).unwrap();
    agent.until("it stops with its file", |agent| agent.instance("load").is_none().then_some(()));
}

#[test]
fn a_version_that_cannot_live_with_its_settings_is_tried_and_rejected() {
    let agent = Home::new(&["load"]).on_fixtures(&["load"]).start();
    let first = agent.instance("load").unwrap()["hash"].clone();
    let config = agent.home.config_text().replace("/proc\" }", "/nowhere\" }");
    agent.home.write_config(&config);
    let rejected = agent.until("the new settings are rejected", |agent| {
        agent.instance("load")?["rejected_update"].as_object().cloned()
    });
    assert!(rejected["message"].as_str().unwrap().contains("/nowhere/loadavg"), "{rejected:?}");
    let load = agent.instance("load").unwrap();
    assert_eq!((&load["hash"], &load["state"]), (&first, &"running".into()));
}

#[test]
fn settings_that_do_not_fit_the_schema_are_named_with_their_place() {
    let home = Home::new(&["cpu"]).config("[plugin.cpu]\nsettings = { per_cor = true, proc = 5 }");
    let check = saker(&["check", "--config", "agent.toml"], home.dir.path());
    let text = String::from_utf8_lossy(&check.stderr).into_owned();
    assert_eq!(check.status.code(), Some(78), "{text}");
    assert!(
        text.contains(
            "agent.toml:5:24: plugin.cpu.settings.per_cor: there is no such setting; did you mean \"per_core\"?"
        ),
        "{text}"
    );
    assert!(text.contains("plugin.cpu.settings.proc: expected text in quotes, found a whole number"), "{text}");
    let agent = home.start();
    let rejected =
        agent.until("the agent says so too", |agent| agent.instance("cpu")?["rejected_update"].as_object().cloned());
    assert!(rejected["message"].as_str().unwrap().contains("did you mean \"per_core\"?"), "{rejected:?}");
}

#[test]
fn inspecting_grants_nothing_and_collecting_what_is_said() {
    let home = Home::new(&["load", "influx"]);
    let dir = home.dir.path();
    let inspect = saker(&["plugin", "inspect", "plugins/load.wasm"], dir);
    let text = String::from_utf8_lossy(&inspect.stdout).into_owned();
    for expected in [
        "kind",
        "collector",
        "requests",
        "grant.read = [\"/proc\"]",
        "proc: string = \"/proc\"",
        "wasi:filesystem/types",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let denied = saker(&["collect", "plugins/load.wasm"], dir);
    let text = String::from_utf8_lossy(&denied.stderr).into_owned();
    assert!(!denied.status.success() && text.contains("--grant read=/proc"), "{text}");
    for (format, expected) in
        [("table", "load.1min"), ("json", "\"metric\":\"load.1min\""), ("falcon", "\"counterType\":\"GAUGE\"")]
    {
        let output = saker(&["collect", "plugins/load.wasm", "--grant", "read=/proc", "--format", format], dir);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(expected), "{format}: {text}");
    }
    let wrong = saker(&["collect", "plugins/influx.wasm"], dir);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("influx.wasm is a backend"), "{wrong:?}");
}

#[test]
fn the_command_line_tells_its_versions_and_completes_itself() {
    let home = Home::new(&["load"]).on_fixtures(&["load"]);
    let version = saker(&["--version"], home.dir.path());
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(version.starts_with("saker 0.1.0 (wasmtime 48."), "{version}");
    let completions = saker(&["completions", "bash"], home.dir.path());
    assert!(String::from_utf8_lossy(&completions.stdout).contains("_saker"));
    let agent = home.start();
    let top = saker(&["top", "-n", "2", "--interval", "100ms", "--address", &agent.address], agent.home.dir.path());
    let text = String::from_utf8_lossy(&top.stdout).into_owned();
    assert!(text.contains("calls/s") && text.contains("load") && text.contains("running"), "{text}");
    let status = saker(&["plugin", "status", "load", "--address", &agent.address], agent.home.dir.path());
    assert!(String::from_utf8_lossy(&status.stdout).contains("counts.succeeded"), "{status:?}");
    let nobody = saker(&["plugin", "status", "nobody", "--address", &agent.address], agent.home.dir.path());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("there is no instance \"nobody\""));
}

#[test]
fn a_file_that_is_written_in_place_piece_by_piece_runs_when_it_is_whole() {
    let agent = Home::new(&[]).keys("interval = \"100ms\"").start();
    let whole = guest("steady-1");
    let path = agent.home.plugin_path("mine");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut written = 0;
    for piece in whole.chunks(whole.len() / 3 + 1) {
        file.write_all(piece).unwrap();
        written += piece.len();
        agent.until("it is seen as it is by now", |agent| {
            let files = agent.json("/saker/v1/plugins")["files"].clone();
            (files[0]["bytes"] == written && files[0]["busy"] == false).then_some(())
        });
        assert!(written == whole.len() || agent.instance("mine").is_none(), "half of it runs");
    }
    let hash = agent.until("it runs", |agent| agent.instance("mine").map(|mine| mine["hash"].clone()));
    assert_eq!(hash, blake3::hash(&whole).to_hex().as_str(), "what runs is what was written, and all of it");

    // And over what runs: the old one goes on until the new one is whole.
    let new = guest("steady-2");
    std::fs::write(&path, &new[..new.len() / 2]).unwrap();
    agent.until("half of it is rejected", |agent| {
        let files = agent.json("/saker/v1/plugins")["files"].clone();
        files[0]["error"].as_str().filter(|error| error.contains("broken WebAssembly")).map(drop)
    });
    assert_eq!(agent.instance("mine").unwrap()["hash"], hash);
    std::fs::write(&path, &new).unwrap();
    agent.until("the new one runs", |agent| {
        (agent.instance("mine")?["hash"] == blake3::hash(&new).to_hex().as_str()).then_some(())
    });
    agent.stop();
}

#[test]
fn a_link_turned_to_another_file_swaps_the_plugin() {
    let agent = Home::new(&[]).keys("interval = \"100ms\"").start();
    let releases = agent.home.dir.path().join("releases");
    std::fs::create_dir(&releases).unwrap();
    for (version, name) in [("1", "steady-1"), ("2", "steady-2")] {
        std::fs::write(releases.join(version), guest(name)).unwrap();
        let (link, path) = (releases.join("link"), agent.home.plugin_path("mine"));
        std::os::unix::fs::symlink(releases.join(version), &link).unwrap();
        std::fs::rename(&link, &path).unwrap();
        let hash = blake3::hash(&guest(name)).to_hex();
        agent.until("it runs", |agent| (agent.instance("mine")?["hash"] == hash.as_str()).then_some(()));
    }
    let sparse = std::fs::File::create(agent.home.plugin_path("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    agent.until("it is rejected", |agent| {
        let files = agent.json("/saker/v1/plugins")["files"].clone();
        let sparse = files.as_array()?.iter().find(|file| file["file"] == "sparse.wasm")?.clone();
        sparse["error"]
            .as_str()?
            .contains("1073741824 bytes, and [plugins] max_file_bytes allows 33554432")
            .then_some(())
    });
    let memory = agent.metric("process_resident_memory_bytes").unwrap();
    assert!(memory < 200e6, "{memory} bytes");
    agent.stop();
}

fn mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn nothing_is_loaded_from_a_folder_that_others_can_write_to() {
    let home = Home::new(&[]);
    home.put("steady-2", &guest("steady-2"));
    let folder = home.dir.path().join("plugins");
    mode(&folder, 0o777);
    let checked = saker(&["check", "--config", "agent.toml"], home.dir.path());
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success() && said.contains("chmod go-w"), "{said}");

    let agent = home.start();
    let rejected = |agent: &Agent| agent.metric("saker_plugin_folder_rejected");
    assert_eq!(rejected(&agent), Some(1.0));
    agent.until_logged("no plugin is loaded from the plugin folder");
    assert!(agent.instance("steady-2").is_none());
    let listed = saker(&["plugin", "list", "--address", &agent.address], agent.home.dir.path());
    assert!(String::from_utf8_lossy(&listed.stdout).contains("NO PLUGIN IS LOADED"), "{listed:?}");

    mode(&folder, 0o755);
    agent.until("it is loaded when that is mended", |agent| agent.instance("steady-2"));
    assert_eq!(rejected(&agent), Some(0.0));
    // What runs was right when it was loaded, and goes on; nothing new is.
    mode(&folder, 0o775);
    agent.until("it is seen", |agent| (rejected(agent) == Some(1.0)).then_some(()));
    agent.home.put("steady-1", &guest("steady-1"));
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(agent.instance("steady-2").is_some() && agent.instance("steady-1").is_none());
    mode(&folder, 0o755);
    agent.until("the other is loaded", |agent| agent.instance("steady-1"));
    let told = agent.stop();
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn a_file_that_others_can_write_to_is_rejected_until_that_is_mended() {
    let home = Home::new(&[]);
    home.put("steady-2", &guest("steady-2"));
    mode(&home.plugin_path("steady-2"), 0o666);
    let agent = home.start();
    let error = |agent: &Agent| {
        let plugins = agent.json("/saker/v1/plugins");
        plugins["files"][0]["error"].as_str().map(str::to_owned)
    };
    let found = agent.until("it is rejected", |agent| error(agent));
    assert!(found.contains("chmod go-w") && found.contains("steady-2.wasm"), "{found}");
    mode(&agent.home.plugin_path("steady-2"), 0o644);
    agent.until("it is loaded", |agent| agent.instance("steady-2"));
}

#[test]
fn values_of_all_collectors_are_stamped_on_the_grid_of_their_interval() {
    let agent = Home::new(&["load", "memory"]).on_fixtures(&["load", "memory"]).keys("interval = \"1s\"").start();
    agent.until("each has run by its schedule", |agent| {
        let runs = |name: &str| agent.instance(name)?["counts"]["succeeded"].as_u64();
        (runs("load")? > 2 && runs("memory")? > 2).then_some(())
    });
    let recent = agent.json("/saker/v1/recent");
    for series in recent["series"].as_array().unwrap() {
        let times: Vec<_> = series["points"].as_array().unwrap().iter().filter_map(|point| point[0].as_i64()).collect();
        assert!(times.len() >= 2 && times.iter().all(|time| time % 1000 == 0), "{series}");
        assert!(times.is_sorted_by(|one, next| one < next), "no two of a series at one time: {series}");
    }
}
