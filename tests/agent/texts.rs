//! Plugins that say megabytes at each call: what the agent keeps, logs and shows of it is little and plain.

use saker_model::text::is_clean;

use crate::agent::{Agent, Home, guest, saker};

/// Where `mouthy` speaks.
const PLACES: [&str; 8] = ["other", "unavailable", "malformed", "denied", "panic", "metric", "log", "figure"];

#[test]
fn megabytes_of_words_make_no_larger_agent_log_or_answer() {
    let mut config = String::from("[pipeline]\nprocessors = [\"huge-texts-processor\"]\n");
    for place in PLACES {
        config.push_str(&format!("[plugin.m-{place}]\nfile = \"huge-texts.wasm\"\nsettings.place = \"{place}\"\n"));
    }
    config.push_str("[plugin.huge-texts]\nenabled = false\n[plugin.huge-texts-processor]\nsettings.bytes = 100_000\n");
    for answer in ["retry", "reject", "broken", "denied"] {
        config.push_str(&format!(
            "[destination.n-{answer}]\nbackend = \"huge-texts-backend\"\nsettings.answer = \"{answer}\"\nsettings.after_ms = 1\n\
             batch.max_age = \"50ms\"\nretry = {{ min = \"10ms\", max = \"20ms\" }}\n"
        ));
    }
    config
        .push_str("[[route]]\ndestinations = [\"n-retry\", \"n-reject\", \"n-broken\", \"n-denied\"]\nreplicas = 4\n");
    let home = Home::new(&[]).keys("interval = \"100ms\"").config(&config);
    for name in ["huge-texts", "huge-texts-processor", "huge-texts-backend", "request-bomb", "tiny-interval"] {
        home.put(name, &guest(name));
    }
    let agent = home.start();
    // What the guests have in their own memories is theirs, and has limits of its own.
    let memory = |agent: &Agent| {
        let plugins = agent.json("/saker/v1/plugins");
        let guests = plugins["instances"].as_array().unwrap().iter();
        let guests: f64 = guests.map(|instance| instance["memory_bytes"].as_f64().unwrap()).sum();
        agent.metric("process_resident_memory_bytes").unwrap() - guests
    };
    let before = memory(&agent);
    // A series that is new each time is asked about each time, and given up by the backend one by one.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(8);
    let mut pushed = 0;
    while std::time::Instant::now() < end {
        let values: Vec<_> = (0..50).map(|n| format!(r#"{{"metric":"m{}","value":1}}"#, pushed + n)).collect();
        let (status, answer) = agent.post("/v1/push", &format!("[{}]", values.join(",")));
        assert!(status == 200 || status == 429, "{answer}");
        pushed += 50;
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for place in PLACES {
        agent.until(&format!("{place} was called"), |agent| {
            (agent.instance(&format!("m-{place}"))?["calls"].as_u64()? > 1).then_some(())
        });
    }
    agent.until("the backend was called", |agent| {
        (agent.destination("n-reject")["failures"].as_u64()? > 3).then_some(())
    });
    let log = agent.log();
    let plugins = agent.json("/saker/v1/plugins").to_string();
    let routes = agent.json("/saker/v1/routes").to_string();
    let memory = memory(&agent);
    println!(
        "log {} bytes, plugins {}, routes {}, memory {before} to {memory}",
        log.len(),
        plugins.len(),
        routes.len()
    );
    assert!(log.len() < 200_000, "{} bytes of log", log.len());
    assert!(plugins.len() < 300_000, "{} bytes", plugins.len());
    assert!(routes.len() < 30_000, "{} bytes", routes.len());
    assert!(memory < 150e6, "{memory} bytes");
    for line in log.lines() {
        assert!(is_clean(line), "{line:?}");
        assert!(!line.starts_with("2026-01-01T00:00:00Z ERROR forged"), "{line}");
    }
    let hasty = agent.instance("tiny-interval").unwrap();
    assert_eq!(hasty["interval_ms"], 100, "a millisecond was asked for: {hasty}");

    let address = ["--address", agent.address.as_str()];
    for command in [
        &["plugin", "list"][..],
        &["plugin", "list", "--json"],
        &["plugin", "status", "m-other"],
        &["plugin", "status", "m-other", "--json"],
        &["queue", "list"],
        &["queue", "inspect", "n-reject", "--dead-letters"],
        &["top", "--times", "1"],
    ] {
        let output = saker(&[command, &address].concat(), agent.home.dir.path());
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{command:?}: {said}");
        assert!(said.lines().all(is_clean), "{command:?}: {said:?}");
        assert!(!said.contains("\n2026-01-01T00:00:00Z ERROR forged"), "{command:?}: {said}");
    }
    agent.stop();
}

/// A stranger in the place of an agent.
#[test]
fn what_an_api_answers_does_nothing_to_the_terminal() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                line.clear();
            }
            let evil = "\\u001b]0;x\\u0007\\u009b2J\\n2026 ERROR forged\\u202e";
            let body = format!(
                r#"{{"version":"{evil}","endpoint":"{evil}","uptime_s":"{evil}","folder_error":"{evil}",
                "instances":[{{"name":"{evil}","kind":"{evil}","grants":["{evil}"],"counts":{{"{evil}":1}},
                "last_fault":{{"message":"{evil}","blame":"{evil}"}}}}],
                "files":[{{"file":"{evil}","error":"{evil}","used_by":[]}}],
                "destinations":[{{"name":"{evil}","error":"{evil}"}}],"queues":[{{"destination":"{evil}","error":"{evil}"}}],
                "shown":[{{"metric":"{evil}","tags":{{"{evil}":"{evil}"}},"reason":"{evil}"}}],"points":"{evil}"}}"#
            );
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).unwrap_or(());
        }
    });
    let dir = tempfile::TempDir::new().unwrap();
    for command in [
        &["plugin", "list"][..],
        &["plugin", "list", "--json"],
        &["plugin", "status", "x"],
        &["queue", "list"],
        &["queue", "inspect", "x"],
        &["queue", "inspect", "x", "--json"],
        &["queue", "replay", "x"],
        &["queue", "drop", "x"],
        &["top", "--times", "1"],
    ] {
        let output = saker(&[command, &["--address", &address]].concat(), dir.path());
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("forged") && said.lines().all(is_clean), "{command:?}: {said:?}");
        assert!(!said.contains("\n2026 ERROR"), "{command:?}: {said:?}");
    }
}
