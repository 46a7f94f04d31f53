//! Plugins from files, pinned and signed.

use crate::agent::{guest, repository, shipped};
use crate::desk::Desk;

#[test]
fn an_update_that_asks_for_more_waits_for_a_yes() {
    let desk = Desk::new(false);
    let source = desk.home.dir.path().join("mine.wasm");
    let path = source.display().to_string();
    std::fs::write(&source, shipped("load")).unwrap();
    desk.do_it(&["install", &path]);
    std::fs::write(&source, shipped("network")).unwrap();
    let said = desk.rejected(&["update", "mine"]);
    assert!(
        said.contains("mine: more permission: requests grant.read = [\"/sys\"]") && said.contains("--accept"),
        "{said}"
    );
    assert_eq!(desk.installed("mine"), Some(shipped("load")));
    desk.do_it(&["update", "mine", "--accept"]);
    assert_eq!(desk.installed("mine"), Some(shipped("network")));
    std::fs::write(desk.home.plugin_path("mine"), b"something else").unwrap();
    let said = desk.rejected(&["installed"]);
    assert!(said.contains("changed") && said.contains("1 of 1"), "{said}");
    desk.do_it(&["remove", "mine"]);
    assert_eq!(desk.installed("mine"), None);
    assert!(desk.rejected(&["remove", "mine"]).contains("was not installed here"));
}

#[test]
fn what_is_no_plugin_or_is_somebody_elses_changes_nothing() {
    let desk = Desk::new(false);
    let text = desk.home.dir.path().join("text.wasm");
    std::fs::write(&text, "no plugin").unwrap();
    let said = desk.rejected(&["install", &text.display().to_string()]);
    assert!(said.contains("the file is not WebAssembly"), "{said}");
    desk.home.put("load", b"mine");
    let load = repository().join("target/plugins/load.wasm").display().to_string();
    assert!(desk.rejected(&["install", &load]).contains("was not installed by this command"));
    assert_eq!(desk.installed("load").as_deref(), Some(&b"mine"[..]));
    let said = desk.rejected(&["install", "oci://127.0.0.1:9/team/cpu:1", "--plain-http", "127.0.0.1:9"]);
    assert!(said.contains("oci://127.0.0.1:9/team/cpu:1: "), "{said}");
}

#[test]
fn where_signatures_are_required_nothing_unsigned_runs() {
    let desk = Desk::new(true);
    desk.home.put("steady-1", &guest("steady-1"));
    let agent = desk.home.start();
    let error = |agent: &crate::agent::Agent| {
        let plugins = agent.json("/saker/v1/plugins");
        let file = plugins["files"].as_array().unwrap().iter().find(|file| file["file"] == "steady-1.wasm").cloned();
        file.and_then(|file| Some(file["error"].as_str()?.to_owned()))
    };
    let found = agent.until("it is rejected", |agent| error(agent));
    assert_eq!(found, "it is not signed: there is no steady-1.wasm.sig beside it");
    // A signature that comes later is looked at.
    let key = std::fs::read_to_string(&desk.private).unwrap();
    let signature = saker_plugins::Signature::Plain(saker_author::install::sign(&key, &guest("steady-1")).unwrap());
    std::fs::write(agent.home.dir.path().join("plugins/steady-1.wasm.sig"), signature.to_text()).unwrap();
    agent.until("it runs", |agent| agent.instance("steady-1"));
    // One that is wrong is not.
    agent.home.put("steady-1", &guest("steady-2"));
    let found =
        agent.until("the other is rejected", |agent| error(agent).filter(|error| error.contains("none of the keys")));
    assert!(found.contains("its signature is by none of the keys"), "{found}");
}
