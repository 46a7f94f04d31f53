//! Configuration that changes while the agent runs, and the end.

use rustix::process::Signal;

use crate::agent::{Home, saker};
use crate::forwarding::push;
use crate::http::Receiver;

#[test]
fn a_changed_file_takes_hold_and_a_wrong_one_changes_nothing() {
    let agent = Home::new(&["load", "memory"]).on_fixtures(&["load", "memory"]).start();
    let memory = agent.instance("memory").unwrap();
    let with_interval = format!("interval = \"300ms\"\n{}", agent.home.config_text());
    agent.home.write_config(&with_interval);
    agent.until("the new interval runs", |agent| (agent.instance("load")?["interval_ms"] == 300).then_some(()));

    agent.home.write_config(&with_interval.replace("300ms", "300"));
    agent.until("the mistake is logged", |agent| {
        agent.log().contains("configuration not reloaded, the one before is kept").then_some(())
    });
    agent.until_logged("agent.toml:1:12: interval: expected a duration");
    assert_eq!(agent.instance("load").unwrap()["interval_ms"], 300);

    agent.home.write_config(&format!(
        "{with_interval}[plugin.tcp]\nenabled = false\n[plugin.memory2]\nfile = \"memory.wasm\"\n"
    ));
    agent.until("a second instance of a file runs", |agent| agent.instance("memory2"));
    assert_eq!(agent.instance("memory").unwrap()["hash"], memory["hash"]);
    agent.home.write_config(&with_interval.replace("[plugin.memory]", "[plugin.memory]\nenabled = false"));
    agent.until("a disabled one stops", |agent| agent.instance("memory").is_none().then_some(()));
}

#[test]
fn a_hangup_reads_the_configuration_anew() {
    let agent = Home::new(&["load"]).on_fixtures(&["load"]).start();
    agent.signal(Signal::HUP);
    agent.until("it is read anew", |agent| agent.log().contains("configuration reloaded").then_some(()));
}

#[test]
fn unchanged_destinations_keep_their_queues_and_new_ones_join() {
    let (first, second) = (Receiver::start(), Receiver::start());
    let destination = |name: &str, receiver: &Receiver| {
        format!(
            "[destination.{name}]\nbackend = \"influx\"\nsettings = {{ url = \"http://{0}/write\" }}\ngrant.connect = [\"{0}\"]\nbatch.max_age = \"50ms\"\n",
            receiver.address
        )
    };
    let one = format!("{}[[route]]\ndestinations = [\"first\"]\n", destination("first", &first));
    let agent = Home::new(&["influx"]).config(&one).start();
    push(&agent, 0..20);
    agent.until("the first has them", |_| (first.lines().len() == 20).then_some(()));
    let both = format!(
        "{}{}[[route]]\ndestinations = [\"first\", \"second\"]\n",
        destination("first", &first),
        destination("second", &second)
    );
    agent.home.write_config(&format!("[listen]\nhttp = \"127.0.0.1:0\"\n{both}"));
    agent.until("the second has joined", |agent| {
        (agent.json("/saker/v1/routes")["destinations"].as_array()?.len() == 2).then_some(())
    });
    push(&agent, 0..20);
    agent.until("both have their shares", |_| (first.lines().len() + second.lines().len() == 40).then_some(()));
    assert!(!second.lines().is_empty());
    assert_eq!(agent.destination("first")["sessions"], 1, "the first destination's session went on");
}

#[test]
fn the_end_sends_what_is_queued_and_accounts_for_it() {
    let receiver = Receiver::start();
    let config = format!(
        "[destination.a]\nbackend = \"influx\"\nsettings = {{ url = \"http://{0}/write\" }}\ngrant.connect = [\"{0}\"]\nbatch.max_age = \"1h\"\n[[route]]\ndestinations = [\"a\"]\n",
        receiver.address
    );
    let agent = Home::new(&["influx"]).config(&config).start();
    push(&agent, 0..70);
    assert_eq!(agent.destination("a")["queued"], 70);
    let printed = agent.stop();
    assert_eq!(receiver.lines().len(), 70);
    let squeezed: Vec<_> = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(squeezed.contains(&"push 70 70 0".to_owned()), "{printed}");
    assert!(squeezed.contains(&"a 0 70 70 0 0".to_owned()), "{printed}");
}

#[test]
fn all_mistakes_of_a_file_are_found_in_one_look() {
    let home = Home::new(&[]);
    home.write_config("intervall = \"10s\"\n[listen]\nhttp = 5\n[[route]]\ndestinations = [\"x\"]\nreplicas = 3\n");
    let output = saker(&["check", "--config", "agent.toml"], home.dir.path());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78));
    for expected in [
        "4 mistakes in the configuration",
        "agent.toml:1:1: intervall: there is no such key; did you mean \"interval\"?",
        "agent.toml:3:8: listen.http: expected an address such as \"127.0.0.1:1988\"",
        "agent.toml:5:16: route[0].destinations: there is no [destination.x]",
        "agent.toml:6:12: route[0].replicas: must be 1 to 1, the number of destinations",
    ] {
        assert!(text.contains(expected), "{expected}\nin {text}");
    }
}

/// It counted as right, and the agent went over to its defaults: without a destination.
#[test]
fn an_emptied_file_changes_nothing_and_the_cure_is_named() {
    let agent = Home::new(&["load"]).on_fixtures(&["load"]).start();
    let with_interval = format!("interval = \"300ms\"\n{}", agent.home.config_text());
    agent.home.write_config(&with_interval);
    agent.until("the new interval runs", |agent| (agent.instance("load")?["interval_ms"] == 300).then_some(()));
    for nothing in ["", " \n\n"] {
        agent.home.write_config(nothing);
        agent.signal(Signal::HUP);
        agent.until("it is rejected", |agent| {
            agent
                .log()
                .contains("agent.toml is empty; to go back to the defaults, write a comment into it")
                .then_some(())
        });
        assert_eq!(agent.instance("load").unwrap()["interval_ms"], 300);
    }
}
