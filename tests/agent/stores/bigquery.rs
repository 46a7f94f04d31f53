//! The `bigquery` backend to a server that is played: it answers as the method's documentation says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::exact::{agent, fails_with, plain, push};
use super::played::{Asked, Played};

fn rows(asked: &Asked) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    body["rows"].as_array().unwrap().clone()
}

#[test]
fn rows_keep_their_ids_when_an_answer_is_lost() {
    let server = Played::start(|before, asked| match before {
        // The rows were taken, and the answer was lost.
        0 => None,
        1 => Some((401, json!({"error": {"code": 401, "message": "Request had invalid credentials"}}).to_string())),
        2 => {
            let bad = |row: &Value| row["json"]["metric"] == "m.3";
            let errors = rows(asked).iter().enumerate().filter(|(_, row)| bad(row)).map(|(index, _)| {
                json!({"index": index, "errors": [{"reason": "invalid", "location": "value", "debugInfo": "", "message": "no such field"}]})
            }).collect::<Vec<_>>();
            Some((200, json!({"kind": "bigquery#tableDataInsertAllResponse", "insertErrors": errors}).to_string()))
        }
        _ => Some((200, json!({"kind": "bigquery#tableDataInsertAllResponse"}).to_string())),
    });
    let settings = format!("url = \"http://{}\"\nproject = \"p\"\ndataset = \"d\"\ntoken = \"t\"", server.address);
    let agent = agent("bigquery", &settings, &[&server.address]);
    push(&agent, &plain(20, 1));
    fails_with(&agent, "401 ");
    agent.until("all are done with", |agent| {
        let destination = agent.destination("there");
        (destination["delivered"] == 19 && destination["dropped"]["rejected"] == 1 && destination["queued"] == 0)
            .then_some(())
    });
    let asked = server.asked();
    assert_eq!(asked[0].path, "/bigquery/v2/projects/p/datasets/d/tables/saker/insertAll");
    assert_eq!(asked[0].header("authorization"), Some("Bearer t"));
    let ids = |asked: &Asked| {
        rows(asked).iter().map(|row| row["insertId"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!((ids(&asked[0]).len(), ids(&asked[0])), (20, ids(&asked[1])));
    assert_eq!(ids(&asked[1]), ids(&asked[2]));
    assert_eq!(asked.len(), 3, "what was taken beside a bad row is not sent again");
}
