//! What is accepted is in the queues of all that it goes to, also while the agent starts; what is rejected is in none,
//! and is counted.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::{Agent, Home, command};
use crate::http;

/// A destination that takes ten points in memory and delivers none, and one with room in plenty. What begins with a
/// goes to the one, the rest to the other; with both to both.
const FULL_AND_OPEN: &str = "[destination.full]\nbackend = \"none\"\nqueue = { durability = \"memory\", when_full = \"block\", \
     max_memory_points = 10 }\nbatch.max_points = 1\n[destination.open]\nbackend = \"none\"\nqueue = { durability = \"memory\" }\n\
     [[route]]\nmetric = [\"both*\"]\ndestinations = [\"full\"]\ncontinue = true\n\
     [[route]]\nmetric = [\"a*\"]\ndestinations = [\"full\"]\n[[route]]\ndestinations = [\"open\"]\n";

fn lines(metric: &str, count: usize) -> String {
    (0..count).map(|number| format!("{metric},n={number} value=1\n")).collect()
}

fn write(agent: &Agent, body: &str) -> (u16, String) {
    http::request(&agent.address, "POST", "/write", &[], body).unwrap()
}

fn fill(agent: &Agent) {
    while write(agent, &lines("a", 1)).0 == 204 {}
}

fn enqueued(agent: &Agent, destination: &str) -> f64 {
    agent.metric(&format!("saker_destination_enqueued_points_total{{destination=\"{destination}\"}}")).unwrap()
}

#[test]
fn a_client_that_knocks_before_the_port_opens_loses_nothing() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut home = Home::new(&[]);
    // They keep the agent looking at the start.
    for number in 0..2000 {
        std::fs::write(home.dir.path().join(format!("plugins/{number}.wasm")), "not one").unwrap();
    }
    let text = home.config_text().replace("127.0.0.1:0", &address);
    home = home
        .replace_config(&text)
        .config("[destination.away]\nbackend = \"none\"\n[[route]]\ndestinations = [\"away\"]\n");
    let (ended, taken, early) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = ["/write", "/v1/push"]
        .into_iter()
        .map(|path| {
            let (address, ended, taken, early) = (address.clone(), ended.clone(), taken.clone(), early.clone());
            thread::spawn(move || {
                let push = "[{\"metric\":\"m\",\"value\":1,\"step\":10}]";
                while !ended.load(Ordering::Relaxed) {
                    let body = if path == "/write" { "m value=1\n" } else { push };
                    match http::request(&address, "POST", path, &[], body) {
                        Ok((200 | 204, _)) => drop(taken.fetch_add(1, Ordering::Relaxed)),
                        Ok((503, _)) => drop(early.fetch_add(1, Ordering::Relaxed)),
                        Ok((status, answer)) if status != 0 => panic!("{status}: {answer}"),
                        _ => {}
                    }
                }
            })
        })
        .collect();
    let mut agent = home.start();
    for _ in 0..4 {
        agent.until("some are taken", |_| (taken.load(Ordering::Relaxed) > 20).then_some(()));
        agent.kill();
        thread::sleep(Duration::from_millis(50));
        let before = taken.load(Ordering::Relaxed);
        agent.start_again();
        agent.until("more are taken", |_| (taken.load(Ordering::Relaxed) > before + 20).then_some(()));
    }
    ended.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let of = |name: &str| agent.metric(&format!("{name}{{destination=\"away\"}}")).unwrap();
    let held = of("saker_destination_enqueued_points_total") + of("saker_destination_recovered_points_total");
    // What was kept when its client was killed with the agent nobody has acknowledged.
    let taken = taken.load(Ordering::Relaxed) as f64;
    assert!(held >= taken && held <= taken + 16.0, "{held} in the queue, {taken} acknowledged");
    let accepted = agent.metric("saker_accepted_points_total{source=\"push\"}").unwrap_or(0.0)
        + agent.metric("saker_accepted_points_total{source=\"influx\"}").unwrap_or(0.0);
    assert_eq!(accepted, of("saker_destination_enqueued_points_total"));
    for law in ["received", "accepted", "enqueued"] {
        assert_eq!(agent.metric(&format!("saker_law_breaches_total{{law=\"{law}\"}}")), Some(0.0));
    }
}

#[test]
fn a_full_destination_rejects_what_goes_there_by_number_and_nothing_else() {
    let agent = Home::new(&[]).config(FULL_AND_OPEN).start();
    fill(&agent);
    let (full, open) = (enqueued(&agent, "full"), enqueued(&agent, "open"));
    let names = ["x", "a", "both", "y", "", "a"];
    let items: Vec<_> = names.iter().map(|name| json!({"metric": name, "value": 1, "step": 10})).collect();
    let (status, answer) = agent.post("/v1/push", &json!(items).to_string());
    assert_eq!(
        (status, &answer["data"]["accepted"], &answer["data"]["invalid"]),
        (200, &json!(2), &json!(4)),
        "{answer}"
    );
    assert_eq!(answer["data"]["rejected"][0]["item"], 4);
    let destination = &answer["data"]["full"][0];
    assert_eq!(
        (&destination["destination"], &destination["count"], &destination["items"]),
        (&json!("full"), &json!(3), &json!([[1, 2], [5, 5]]))
    );
    assert_eq!((enqueued(&agent, "full"), enqueued(&agent, "open")), (full, open + 2.0));
    assert_eq!(agent.metric("saker_rejected_points_total{source=\"push\",reason=\"no_room\"}"), Some(3.0));
    // Line protocol can only say all or nothing, and whose fault it is.
    let (status, answer) = write(&agent, "x value=1\nboth value=1\n");
    assert_eq!(status, 429, "{answer}");
    assert!(
        answer.contains("destination full takes no points now") && answer.contains("nothing of it was kept"),
        "{answer}"
    );
    assert_eq!(write(&agent, "x value=1\n").0, 204, "the other has room");
    assert_eq!((enqueued(&agent, "full"), enqueued(&agent, "open")), (full, open + 3.0));
    assert_eq!(
        agent.metric("saker_destination_dropped_points_total{destination=\"full\",reason=\"queue_full\"}"),
        Some(0.0)
    );
}

#[test]
fn of_a_rejected_body_of_many_steps_nothing_is_kept() {
    let config = FULL_AND_OPEN.replace("points = 10 ", "points = 5000 ");
    let agent = Home::new(&[]).config(&config).start();
    let (full, open) = (enqueued(&agent, "full"), enqueued(&agent, "open"));
    // The last of its steps is more than there is room for.
    let body = lines("x", 10_000) + &lines("a", 5001);
    for _ in 0..3 {
        let (status, answer) = write(&agent, &body);
        assert_eq!(status, 413, "it would never fit: {answer}");
    }
    // One of them may be in the sender's hand.
    assert_eq!([write(&agent, "a value=1\n").0, write(&agent, "a value=2\n").0], [204, 204]);
    let (status, answer) = write(&agent, &(lines("x", 10_000) + &lines("a", 5000)));
    assert_eq!(status, 429, "{answer}");
    assert_eq!((enqueued(&agent, "full"), enqueued(&agent, "open")), (full + 2.0, open));
    assert_eq!(agent.metric("saker_rejected_bodies_total{listener=\"influx\",reason=\"too_large\"}"), Some(3.0));
    assert_eq!(agent.metric("saker_rejected_bodies_total{listener=\"influx\",reason=\"no_room\"}"), Some(1.0));
    // Also what is rejected before anything looks at its path.
    let foreign = http::request(&agent.address, "POST", "/write", &[("origin", "http://evil.example")], "x value=1\n");
    assert_eq!(foreign.unwrap().0, 403);
    assert_eq!(agent.metric("saker_rejected_bodies_total{listener=\"influx\",reason=\"forbidden\"}"), Some(1.0));
}

#[test]
fn collectors_go_on_while_one_of_their_destinations_is_full() {
    let config = FULL_AND_OPEN.replace("\"a*\"", "\"a*\", \"load.*\"").replace("\"both*\"", "\"both*\", \"load.*\"");
    let agent = Home::new(&["load"]).on_fixtures(&["load"]).keys("interval = \"1s\"").config(&config).start();
    fill(&agent);
    let runs = |agent: &Agent, result: &str| {
        agent.metric(&format!("saker_collector_runs_total{{plugin=\"load\",result=\"{result}\"}}")).unwrap_or(0.0)
    };
    let had = runs(&agent, "succeeded");
    agent.until("more runs", |agent| (runs(agent, "succeeded") >= had + 2.0).then_some(()));
    assert_eq!(runs(&agent, "no_room"), 0.0);
}

#[test]
fn a_second_agent_in_the_same_folder_does_not_start_and_names_the_first() {
    let agent = Home::new(&[]).start();
    let output = command().args(["run", "--config", "agent.toml"]).current_dir(agent.home.dir.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    let expected = format!("is in use: another agent (process {}) runs there", agent.pid());
    assert!(said.contains("data_dir ") && said.contains(&expected) && said.contains("data_dir of its own"), "{said}");
    let output =
        command().args(["check", "--config", "agent.toml"]).current_dir(agent.home.dir.path()).output().unwrap();
    assert!(output.status.success(), "who only reads may");
    agent.stop();
}

#[test]
fn an_item_that_is_too_long_costs_itself_and_is_counted() {
    let agent = Home::new(&[]).start();
    let long = "\u{202e}x".repeat(300_000);
    let body = format!(
        "[{{\"metric\":\"a\",\"value\":1}},{{\"endpoint\":\"{long}\",\"metric\":\"b\",\"value\":1}},{{\"metric\":\"c\",\"value\":1}}]"
    );
    let (status, answer) = agent.post("/v1/push", &body);
    assert_eq!(
        (status, &answer["data"]["accepted"], &answer["data"]["invalid"]),
        (200, &json!(2), &json!(1)),
        "{answer}"
    );
    let rejected = &answer["data"]["rejected"][0];
    let reason = rejected["reason"].as_str().unwrap();
    assert!(rejected["item"] == 1 && reason.contains("more than 262144") && reason.len() < 1000, "{reason}");
    assert!(!reason.contains('\u{202e}'), "{reason}");
    assert_eq!(agent.metric("saker_received_points_total{source=\"push\"}"), Some(3.0));
    assert_eq!(agent.metric("saker_rejected_points_total{source=\"push\",reason=\"malformed\"}"), Some(1.0));
    // A body that ends in the middle of it is none; what was read is counted.
    let (status, _) = agent.post("/v1/push", &body[..body.rfind("\",\"metric\":\"b").unwrap()]);
    assert_eq!(status, 400);
    assert_eq!(agent.metric("saker_rejected_points_total{source=\"push\",reason=\"malformed\"}"), Some(3.0));
    assert_eq!(agent.metric("saker_rejected_bodies_total{listener=\"push\",reason=\"bad\"}"), Some(1.0));
}

#[test]
fn destinations_that_come_and_go_lose_nothing_that_was_acknowledged() {
    let receiver = http::Receiver::start();
    let destination = |name: &str| {
        format!(
            "[destination.{name}]\nbackend = \"influx\"\nsettings = {{ url = \"http://{0}/write\" }}\ngrant.connect = [\"{0}\"]\n\
             batch.max_age = \"20ms\"\nqueue.durability = \"memory\"\n[[route]]\ndestinations = [\"{name}\"]\n",
            receiver.address
        )
    };
    let agent = Home::new(&["influx"]).start();
    let bare = agent.home.config_text().to_owned();
    agent.home.write_config(&(bare.clone() + &destination("n0")));
    // Where it is compiled for the first time, destinations would come and go before it is there.
    agent.until("the backend runs", |agent| (agent.instance("destination n0")?["state"] == "running").then_some(()));
    let mut taken = 0;
    for round in 1..6 {
        agent.home.write_config(&(bare.clone() + &destination(&format!("n{round}"))));
        let end = Instant::now() + Duration::from_millis(400);
        while Instant::now() < end {
            match write(&agent, "m value=1\n").0 {
                204 => taken += 1,
                503 => {}
                status => panic!("{status}"),
            }
        }
    }
    agent.until("all is delivered", |_| (receiver.lines().len() >= taken).then_some(()));
    assert_eq!(receiver.lines().len(), taken);
}
