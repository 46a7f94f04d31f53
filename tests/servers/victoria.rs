//! The `victoria` backend to a VictoriaMetrics, which answers 204 to whatever it skips: so it is asked what it has, and
//! what it has thrown away.

use std::collections::BTreeMap;

use saker_backend_victoria::Victoria;
use saker_sdk::testing::posted;
use saker_sdk::{Backend as _, Definition, MetricType, Point, Series};

use crate::agent::Home;
use crate::http;
use crate::one_destination::{agent, destination, now_s, push, until_delivered};
use crate::servers::Server;

/// Everything that could end a name, a value, a tag or a line too early.
const AWKWARD: [&str; 32] = [
    "a b",
    "a,b",
    "a=b",
    "a\\b",
    "a\\",
    "\\a",
    "\\",
    "\\\\",
    "a\\\\b",
    "a\\ b",
    "a\\,b",
    "a\\=b",
    " a",
    "a ",
    " ",
    ",",
    "=",
    "\"",
    "a\"b",
    "\"a b\"",
    "'",
    "#a",
    "a{b}[c]",
    "größe",
    "💡",
    "a\tb",
    "a\rb",
    "\u{1}",
    "\u{7f}",
    "a\u{85}b",
    "a\u{2028}b",
    "C:\\temp\\new",
];

/// What the server has thrown away or could not read so far.
fn thrown_away(server: &Server) -> f64 {
    let (_, text) = http::get(&server.address, "/metrics");
    let counters = text.lines().filter(|line| {
        let of_rows = line.starts_with("vm_rows_invalid_total") || line.starts_with("vm_rows_ignored_total");
        of_rows || line.starts_with("vm_metrics_with_dropped_labels_total") || line.starts_with("vm_too_long_label")
    });
    counters.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The server's only series of that number: its labels but for the number, and its points.
fn only(server: &Server, number: usize) -> (BTreeMap<String, String>, Vec<(i64, f64)>) {
    let exported = server.exported(&format!("{{number=\"{number}\"}}"));
    let [series] = &exported[..] else { panic!("number {number}: {exported:?}") };
    let mut labels: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).unwrap();
    labels.remove("number");
    let times = series["timestamps"].as_array().unwrap().iter().map(|time| time.as_i64().unwrap());
    let values = series["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
    (labels, times.zip(values).collect())
}

fn labels(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// Opens the backend natively, hands it series and points, and gives the server the bodies that it makes.
fn write(server: &Server, series: Vec<Series>, points: Vec<Point>) {
    let settings = r#"{"url": "http://h", "compression": "none"}"#;
    let mut backend = Victoria::open(saker_sdk::settings::parse(settings).unwrap()).unwrap();
    backend.define((0..).zip(series).map(|(id, series)| Definition { id, series }).collect());
    let count = points.len();
    assert_eq!(backend.write(points).unwrap(), count);
    for body in posted() {
        let text = String::from_utf8(body.body).unwrap();
        let answer = http::request(&server.address, "POST", &body.target.path, &[], &text).unwrap();
        assert_eq!(answer.0, 204, "{}", answer.1);
    }
    let all = "sum(count_over_time({number!=\"\"}[1h]))".to_owned();
    assert_eq!(server.settled(&all, count as f64), count as f64);
    assert_eq!(thrown_away(server), 0.0);
}

#[test]
fn every_awkward_name_is_read_back_as_it_was_sent_and_nothing_skipped() {
    let server = Server::victoria_metrics();
    let tags = |number: usize, more: &[(&str, &str)]| {
        let mut tags: Vec<_> = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        tags.push(("number".into(), number.to_string()));
        tags
    };
    let one = |endpoint: &str, metric: &str, tags| Series {
        endpoint: endpoint.into(),
        metric: metric.into(),
        tags,
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    let (mut series, mut expected) = (Vec::new(), Vec::new());
    for text in AWKWARD {
        series.push(one(text, text, tags(series.len(), &[("key", text), ("z", "1")])));
        // A quotation mark is the one character of a name that the protocol cannot say.
        let metric = text.replace('"', "_");
        expected.push(labels(&[("__name__", &metric), ("endpoint", text), ("key", text), ("z", "1")]));
        series.push(one("h", "m", tags(series.len(), &[(text, "value")])));
        expected.push(labels(&[("__name__", "m"), ("endpoint", "h"), (text, "value")]));
    }
    series.push(one("h\n", "a\nb", tags(series.len(), &[("__name__", "n"), ("endpoint", "e"), ("empty", "")])));
    expected.push(labels(&[
        ("__name__", "a_b"),
        ("endpoint", "h_"),
        ("exported___name__", "n"),
        ("exported_endpoint", "e"),
    ]));
    let many: Vec<_> = (0..28).map(|number| (format!("k{number}"), "v".repeat(255))).collect();
    let many: Vec<_> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    series.push(one("h", &"m".repeat(255), tags(series.len(), &many)));
    let long = "m".repeat(255);
    expected.push(labels(&[&many[..], &[("__name__", &long), ("endpoint", "h")]].concat()));

    let time = now_s() as i64 * 1000 - 60_123;
    let points = (0..series.len()).map(|place| Point { series: place as u32, timestamp_ms: time, value: place as f64 });
    let points = points.collect();
    write(&server, series, points);
    for (number, labels) in expected.into_iter().enumerate() {
        assert_eq!(only(&server, number), (labels, vec![(time, number as f64)]));
    }
}

#[test]
fn numbers_and_times_of_a_batch_in_any_order_are_read_back() {
    let server = Server::victoria_metrics();
    let numbers = [
        0.0,
        1.0,
        -1.0,
        0.1,
        -99.25,
        1.5e-7,
        1e-5,
        123_456.789,
        1e15,
        1e18,
        1e20,
        -1e100,
        4_294_967_296.0,
        9_007_199_254_740_992.0,
        1e-100,
        0.333_333_333_333,
    ];
    let series = |number: usize| Series {
        endpoint: "h".into(),
        metric: format!("metric.{}", number % 4),
        tags: vec![("number".into(), (number / 4 * 4 + number % 4).to_string())],
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    let now = now_s() as i64 * 1000;
    // Three times for each series, the middle one last.
    let times = [now - 20_000, now, now - 10_000];
    let points: Vec<_> = times
        .iter()
        .flat_map(|&timestamp_ms| (0..).zip(numbers).map(move |(series, value)| Point { series, timestamp_ms, value }))
        .collect();
    write(&server, (0..numbers.len()).map(series).collect(), points);
    for (place, number) in numbers.into_iter().enumerate() {
        let (_, points) = only(&server, place);
        let expected = [now - 20_000, now - 10_000, now].map(|time| (time, number));
        assert_eq!(points.len(), 3);
        for ((time, value), (sent_time, sent)) in points.into_iter().zip(expected) {
            // The server keeps decimal numbers of its own, exact to fifteen digits.
            assert_eq!(time, sent_time);
            assert!((value - sent).abs() <= sent.abs() * 1e-15, "{value} instead of {sent}");
        }
    }
}

#[test]
fn the_agent_delivers_compressed_and_to_a_server_without_zstd_as_gzip() {
    for (compression, warned) in [("gzip", false), ("zstd", true), ("none", false)] {
        let server = Server::victoria_metrics();
        let settings = format!(
            "url = \"http://{}\", compression = \"{compression}\", labels = {{ dc = \"eu1\" }}",
            server.address
        );
        let agent = agent("victoria", &settings, &server.address);
        let now = now_s();
        let values: Vec<_> = (0..100).map(|number| (now - number, f64::from(number as u32) / 8.0)).collect();
        let pushed: Vec<_> = values
            .iter()
            .flat_map(|&(time, value)| {
                [
                    ("df.used", "number=0,mount=/a\\b", "GAUGE", time, value),
                    ("df.free", "number=1", "COUNTER", time, -value),
                ]
            })
            .collect();
        push(&agent, &pushed);
        until_delivered(&agent, 200);
        assert_eq!(server.settled("sum(count_over_time({number!=\"\"}[1h]))", 200.0), 200.0);
        assert_eq!(thrown_away(&server), 0.0);
        let (found, points) = only(&server, 0);
        let expected = [("__name__", "df.used"), ("dc", "eu1"), ("endpoint", "web-1.eu"), ("mount", "/a\\b")];
        assert_eq!(found, labels(&expected));
        let expected: Vec<_> = values.iter().rev().map(|&(time, value)| (time as i64 * 1000, value)).collect();
        assert_eq!(points, expected);
        assert_eq!(agent.log().contains("reads no zstd"), warned, "{}", agent.log());
    }
}

#[test]
fn a_path_that_the_server_does_not_have_loses_nothing_and_is_named() {
    let server = Server::victoria_metrics();
    let grant = format!("grant.connect = [\"{}\"]", server.address);
    // A tenant is for a cluster.
    let wrong = destination("victoria", &format!("url = \"http://{}\", tenant = \"0\"", server.address), &grant);
    let agent = Home::new(&["victoria"]).config(&wrong).start();
    push(&agent, &[("m", "number=0", "GAUGE", now_s(), 1.0)]);
    let error = agent.until("it failed", |agent| agent.destination("a")["error"].as_str().map(str::to_owned));
    assert!(error.contains("unsupported path requested") && error.contains("see to the path of url"), "{error}");
    agent.home.write_config(&agent.home.config_text().replace(", tenant = \"0\"", ""));
    until_delivered(&agent, 1);
    assert_eq!(server.settled("count_over_time(m[1h])", 1.0), 1.0);
}
