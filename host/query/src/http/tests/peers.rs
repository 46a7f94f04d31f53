//! Three agents that each hold a part.

use super::server::{STOP, serve};
use super::*;
use crate::peers::Peer;
use saker_http::Server;
use std::time::Duration;

/// Samples every ten seconds of some series.
fn holding(metrics: &[(&str, f64)]) -> Arc<MemoryReader> {
    let mut reader = MemoryReader::default();
    for (metric, value) in metrics {
        (0..60).for_each(|at| reader.push(&identity("h", metric, &[]), at * 10_000, *value + at as f64));
    }
    Arc::new(reader)
}

async fn agent(metrics: &[(&str, f64)], peers: Vec<Peer>) -> (Doors, Server) {
    let doors = over(holding(metrics), QueryConfig { peers: peers.into(), ..QueryConfig::default() });
    let server = serve(&doors).await;
    (doors, server)
}

async fn ask(doors: &Doors, query: &str) -> serde_json::Value {
    let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (status, _, body) = doors.get(&format!("/api/v1/query?time=595&query={escaped}")).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn peer(server: &Server) -> Peer {
    Peer::parse(&format!("http://{}", server.address())).unwrap()
}

#[tokio::test]
async fn an_answer_is_that_of_one_store_which_has_all_and_copies_count_once() {
    let (_b, second) = agent(&[("b", 100.0), ("both", 1.0)], Vec::new()).await;
    let (_c, third) = agent(&[("c.c", 200.0), ("both", 1.0)], Vec::new()).await;
    let (doors, first) = agent(&[("a", 0.0)], vec![peer(&second), peer(&third)]).await;
    let all = ask(&doors, r#"sort({__name__=~".+"})"#).await;
    let values: Vec<_> = all["data"]["result"].as_array().unwrap().iter().map(|one| one["value"][1].clone()).collect();
    assert_eq!(values, ["59", "60", "159", "259"]);
    assert_eq!(all["warnings"], serde_json::Value::Null);
    assert_eq!(ask(&doors, "sum(rate(c_c[5m])) + b").await["data"]["result"].as_array().unwrap().len(), 0);
    assert_eq!(ask(&doors, "{\"c.c\"} + on() b").await["data"]["result"][0]["value"][1], "418");
    for server in [first, second, third] {
        server.stop(STOP).await;
    }
}

#[tokio::test]
async fn a_copy_answers_for_a_peer_that_is_away_and_who_is_missing_is_named() {
    let (_b, second) = agent(&[("b", 100.0), ("both", 1.0)], Vec::new()).await;
    let (_c, third) = agent(&[("c", 200.0), ("both", 1.0)], Vec::new()).await;
    let (doors, first) = agent(&[("a", 0.0)], vec![peer(&second), peer(&third)]).await;
    let gone = peer(&second);
    second.stop(STOP).await;
    let both = ask(&doors, "both").await;
    assert_eq!(both["data"]["result"][0]["value"][1], "60");
    let warnings = both["warnings"].to_string();
    assert!(warnings.contains(&format!("the answer is partial: {gone} is missing")), "{warnings}");
    assert_eq!(ask(&doors, "b").await["data"]["result"].as_array().unwrap().len(), 0);
    for server in [first, third] {
        server.stop(STOP).await;
    }
}

#[tokio::test]
async fn a_peer_that_takes_the_question_and_says_nothing_is_not_waited_for_beyond_half_the_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Peer::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let mut config = QueryConfig { peers: vec![silent].into(), ..QueryConfig::default() };
    config.limits.time = Duration::from_millis(400);
    let doors = over(holding(&[("a", 0.0)]), config);
    let answer = ask(&doors, "a").await;
    assert_eq!(answer["data"]["result"][0]["value"][1], "59");
    assert!(answer["warnings"].to_string().contains("no answer within 200 ms"), "{answer}");
}
