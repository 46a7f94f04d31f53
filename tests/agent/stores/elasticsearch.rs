//! The `elasticsearch` backend to a server that is played, for Debian has none: it answers as the bulk API's documentation
//! says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::exact::{agent, fails_with, plain, push};
use super::played::{Asked, Played};

/// The documents of a request, by their ids.
fn documents(asked: &Asked) -> Vec<(String, Value)> {
    let lines: Vec<Value> = asked.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() % 2, 0);
    let pairs = lines.chunks(2).map(|pair| (pair[0]["create"]["_id"].as_str().unwrap().to_owned(), pair[1].clone()));
    pairs.collect()
}

#[test]
fn every_document_that_fits_is_created_once() {
    // Says 429 to every third document of the first two requests, and 400 to m.7 whenever it comes.
    let server = Played::start(|before, asked| {
        let items = documents(asked).into_iter().enumerate().map(|(place, (_, document))| {
            let error = |status, name: &str| json!({"status": status, "error": {"type": name, "reason": "why"}});
            let item = match place {
                _ if document["metric"] == "m.7" => error(400, "document_parsing_exception"),
                place if before < 2 && place % 3 == 0 => error(429, "es_rejected_execution_exception"),
                _ => json!({"status": 201}),
            };
            json!({"create": item})
        });
        let items: Vec<_> = items.collect();
        let errors = items.iter().any(|item| item["create"]["status"] != 201);
        Some((200, json!({"errors": errors, "items": items}).to_string()))
    });
    let agent = agent("elasticsearch", &format!("url = \"http://{}\"", server.address), &[&server.address]);
    push(&agent, &plain(100, 1));
    agent.until("all are done with", |agent| {
        let destination = agent.destination("there");
        (destination["delivered"] == 99 && destination["dropped"]["rejected"] == 1 && destination["queued"] == 0)
            .then_some(())
    });
    let asked = server.asked();
    assert!(asked[0].path.starts_with("/metrics-saker-default/_bulk?filter_path="), "{}", asked[0].path);
    assert_eq!(asked[0].header("content-type"), Some("application/x-ndjson"));
    // Each document is sent until it is taken, and never after that.
    let mut sent: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut taken = 0;
    for (before, asked) in asked.iter().enumerate() {
        for (place, (id, document)) in documents(asked).into_iter().enumerate() {
            let metric = document["metric"].as_str().unwrap().to_owned();
            let is_taken = metric != "m.7" && !(before < 2 && place % 3 == 0);
            let (times, name) = sent.entry(id).or_insert((0, metric.clone()));
            assert!(*times == 0 && *name == metric, "{metric} was taken, and came again");
            *times += usize::from(is_taken);
            taken += usize::from(is_taken);
        }
    }
    assert_eq!((sent.len(), taken), (100, 99));
}

#[test]
fn a_missing_index_is_waited_for_and_named() {
    let server = Played::start(|before, asked| {
        let error = json!({"type": "index_not_found_exception", "reason": "no such index [metrics-saker-default]"});
        let item = if before < 2 { json!({"status": 404, "error": error}) } else { json!({"status": 201}) };
        let items: Vec<_> = documents(asked).iter().map(|_| json!({"create": item})).collect();
        Some((200, json!({"errors": before < 2, "items": items}).to_string()))
    });
    let agent = agent("elasticsearch", &format!("url = \"http://{}\"", server.address), &[&server.address]);
    push(&agent, &plain(5, 1));
    fails_with(&agent, "404 index_not_found_exception: no such index");
    super::exact::delivered(&agent, 5);
}
