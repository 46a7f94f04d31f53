//! `saker check`: all mistakes at once, and what is no mistake and yet hardly meant.

use crate::agent::{Home, command, saker};

/// Exit status, and what it said on standard error.
fn check(home: &Home) -> (Option<i32>, String) {
    let output = saker(&["check", "--config", "agent.toml"], home.dir.path());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_is_missing_is_found_beside_what_is_wrong_at_once() {
    let home = Home::new(&["influx", "load", "file"]);
    let path = |name: &str| home.dir.path().join(name);
    std::fs::write(path("short"), "secret\n").unwrap();
    home.write_config(
        "[listen]\nhttp = \"127.0.0.1:0\"\ntoken_file = \"nowhere\"\n[tls]\nca_file = \"no-ca.pem\"\n\
         [secret.a]\nfile = \"no-secret\"\n\
         [plugin.load]\nsettings.proc = \"/host/proc\"\n\
         [destination.a]\nbackend = \"influx\"\nsettings = { url = \"http://10.1.2.3:8086/write\", databse = \"x\" }\n\
         [destination.b]\nbackend = \"nosuch\"\n\
         [destination.c]\nbackend = \"file\"\nsettings.directory = \"/srv/out\"\n\
         [[route]]\ndestinations = [\"a\", \"d\"]\n",
    );
    let (status, said) = check(&home);
    assert_eq!(status, Some(78), "{said}");
    for expected in [
        "agent.toml:3:14: listen.token_file: cannot read the token in nowhere",
        "agent.toml:5:11: tls.ca_file: cannot read no-ca.pem",
        "agent.toml:7:8: secret.a.file: cannot read no-secret",
        "agent.toml:9:17: plugin.load.settings.proc: nothing grants /host/proc",
        "agent.toml:12:20: destination.a.settings.url: nothing grants connecting to 10.1.2.3:8086; write grant.connect = [\"10.1.2.3:8086\"]",
        "destination.a.settings.databse: there is no such setting",
        "agent.toml:13:1: destination.b: no [[route]] names this destination",
        "agent.toml:13:1: destination.b: nosuch.wasm in plugins: ",
        "agent.toml:17:22: destination.c.settings.directory: nothing grants /srv/out",
        "route[0].destinations: there is no [destination.d]",
    ] {
        assert!(said.contains(expected), "{expected}\nin {said}");
    }
    home.write_config("[listen]\nhttp = \"127.0.0.1:0\"\ntoken_file = \"short\"\n");
    let (status, said) = check(&home);
    assert_eq!(status, Some(78), "{said}");
    assert!(said.contains("agent.toml:3:14: listen.token_file: the token in short must have at least 16"), "{said}");
}

#[test]
fn what_only_warns_stops_neither_a_start_nor_a_reload() {
    let agent = Home::new(&["load"]).on_fixtures(&["load"]).start();
    let text = agent.home.config_text().to_owned();
    // A backend without its grant, and one that is not there.
    agent.home.write_config(&format!(
        "{text}[destination.a]\nbackend = \"nosuch\"\nsettings.url = \"http://10.1.2.3:8086\"\n[[route]]\ndestinations = \"a\"\n"
    ));
    agent.until("it is reloaded", |agent| agent.log().contains("configuration reloaded").then_some(()));
    agent.until("its route is used", |agent| (agent.metric("saker_routes ") == Some(1.0)).then_some(()));
}

#[test]
fn a_configuration_that_sends_nothing_is_right_and_says_so_everywhere() {
    let home = Home::new(&["load"]).on_fixtures(&["load"]);
    let (status, said) = check(&home);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("saker: note: agent.toml:1:1: route: there is none, so samples are kept on this host"),
        "{said}"
    );
    let agent = home.start();
    assert_eq!(agent.metric("saker_routes "), Some(0.0));
    assert_eq!(agent.banner.iter().filter(|line| line.starts_with("no [[route]]: ")).count(), 1, "{:?}", agent.banner);
}

#[test]
fn variables_that_a_cluster_injects_are_a_warning() {
    let home = Home::new(&["load"]).on_fixtures(&["load"]);
    let injected = [("SAKER_PORT", "tcp://10.0.0.1:80"), ("SAKER_SERVICE_HOST", "10.0.0.1")];
    let mut check = command();
    check.args(["check", "--config", "agent.toml"]).current_dir(home.dir.path()).envs(injected);
    let output = check.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("note: environment SAKER_PORT: no key has this name"), "{said}");
    let mut run = command();
    run.args(["run", "--config", "agent.toml", "--set", "listen.token_file=nowhere"]).current_dir(home.dir.path());
    let output = run.envs(injected).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "it gets as far as the token: {said}");
    assert!(said.contains("WARN environment SAKER_SERVICE_HOST: no key has this name"), "{said}");
}
