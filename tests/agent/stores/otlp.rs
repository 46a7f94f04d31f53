//! The `otlp` backend to a server that is played: no server of Debian's takes OTLP. Requests are read with the SDK's
//! reader here; the crate's own tests read them with OpenTelemetry's classes.

use saker_sdk::encode::protobuf::{Value, next_field};

use super::exact::{agent, awkward, push};
use super::played::Played;

/// The bytes of all fields of that number.
fn all(mut message: &[u8], number: u64) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((field, value)) = next_field(&mut message) {
        if let Value::Bytes(bytes) = value
            && field == number
        {
            found.push(bytes);
        }
    }
    assert!(message.is_empty(), "broken at {message:?}");
    found
}

/// The names of the metrics in a request, once for each of their points.
fn points(request: &[u8]) -> Vec<String> {
    let metrics = all(request, 1).into_iter().flat_map(|resource| all(resource, 2)).flat_map(|scope| all(scope, 2));
    let of_metric = |metric: &[u8]| {
        let name = String::from_utf8(all(metric, 1)[0].to_vec()).unwrap();
        let data = [all(metric, 5), all(metric, 7)].concat();
        vec![name; data.into_iter().map(|data| all(data, 1).len()).sum()]
    };
    metrics.flat_map(of_metric).collect()
}

#[test]
fn every_point_arrives_and_those_that_a_server_rejects_are_counted() {
    // ExportMetricsServiceResponse { partial_success { rejected_data_points: 3, error_message: "too old" } }
    let partly = "\n\u{b}\u{8}\u{3}\u{12}\u{7}too old".to_owned();
    let server = Played::start(move |before, _| match before {
        0 => Some((503, String::new())),
        1 => Some((200, partly.clone())),
        _ => Some((200, String::new())),
    });
    let agent = agent("otlp", &format!("url = \"http://{}\"", server.address), &[&server.address]);
    let values = awkward();
    push(&agent, &values);
    agent.until("all are done with", |agent| {
        let destination = agent.destination("there");
        let done = destination["delivered"] == values.len() - 3 && destination["dropped"]["unacknowledged"] == 3;
        (done && destination["queued"] == 0).then_some(())
    });
    agent.until_logged("3 points rejected: too old");
    let asked = server.asked();
    assert_eq!((asked[0].path.as_str(), asked[0].header("content-encoding")), ("/v1/metrics", Some("gzip")));
    let mut found: Vec<_> = asked[1..].iter().flat_map(|asked| points(&asked.body)).collect();
    found.sort();
    let mut expected: Vec<_> = values.iter().map(|value| value["metric"].as_str().unwrap().to_owned()).collect();
    expected.sort();
    assert_eq!(found, expected);
}
