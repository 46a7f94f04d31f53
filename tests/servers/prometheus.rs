//! A Prometheus that has the same samples and is asked the same questions, one that scrapes the agent, and what its
//! `promtool` says of the agent's expositions.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::agent::{Agent, Home};
use crate::compared::{Random, START_MS, query, series};
use crate::http;
use crate::one_destination::{now_s, push};
use crate::servers::{Server, command, encoded, printed};

/// Relative.
const TOLERANCE: f64 = 1e-9;
const QUERIES: usize = 500;
const STEPS: i64 = 24;
/// Old samples are taken, and stay.
const FOREVER: &str = "[store.policy.all]\nraw = \"forever\"\ndefinition = [{ granularity = \"1h\" }]\n\
    [[store.rule]]\nmetric = \"*\"\npolicy = \"all\"\n";

/// For each series its values by time in milliseconds, or why there is no answer.
type Rows = Result<BTreeMap<String, Vec<(i64, f64)>>, String>;

/// What an API of Prometheus' answers.
fn asked(address: &str, path: &str, form: &str) -> Rows {
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let (_, body) = http::request(address, "POST", path, &[kind], form).unwrap();
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    if answer["status"] != "success" {
        return Err(answer["error"].to_string());
    }
    // What a query itself warns of, 2.42 does not.
    let warnings = answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let others: Vec<_> = warnings.filter(|warning| !warning.starts_with("PromQL ")).collect();
    assert_eq!(others, Vec::<&str>::new(), "{form}");
    let point = |point: &Value| {
        let time_ms = (point[0].as_f64().unwrap() * 1000.0).round() as i64;
        (time_ms, point[1].as_str().unwrap().parse().unwrap())
    };
    let row = |series: &Value| {
        let values = series["values"].as_array().into_iter().flatten().chain(series.get("value"));
        (series["metric"].to_string(), values.map(point).collect())
    };
    Ok(answer["data"]["result"].as_array().unwrap().iter().map(row).collect())
}

fn asked_over(address: &str, query: &str, (start_ms, end_ms): (i64, i64), step_ms: i64) -> Rows {
    let seconds = |time_ms: i64| format!("{}.{:03}", time_ms / 1000, time_ms % 1000);
    let (start, end, step) = (seconds(start_ms), seconds(end_ms), seconds(step_ms));
    asked(address, "/api/v1/query_range", &format!("query={}&start={start}&end={end}&step={step}", encoded(query)))
}

fn is_near(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}

fn are_alike(left: &Rows, right: &Rows) -> bool {
    let (Ok(left), Ok(right)) = (left, right) else { return left.is_err() && right.is_err() };
    let alike = |(a, b): (&(i64, f64), &(i64, f64))| a.0 == b.0 && is_near(a.1, b.1);
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| {
            left.0 == right.0 && left.1.len() == right.1.len() && left.1.iter().zip(right.1).all(alike)
        })
}

/// Each difference that docs/query.md names.
fn is_known(query: &str, ours: &Rows) -> bool {
    let is_tie = query.contains("topk") || query.contains("bottomk");
    let is_group = ours.as_ref().is_err_and(|error| error.contains("multiple matches"));
    is_tie || is_group || query.contains("atan2")
}

/// Pushes random series, at whole seconds: times of queries lie between them.
fn push_series(agent: &Agent, random: &mut Random) {
    for series in series(random) {
        let tags: Vec<String> = series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let tags = tags.join(",");
        let samples: Vec<_> = series
            .samples
            .iter()
            .map(|(time_ms, value)| (series.metric, &*tags, "GAUGE", (time_ms / 1000) as u64, *value))
            .collect();
        push(agent, &samples);
    }
}

#[test]
fn random_questions_have_the_answers_of_a_prometheus_that_has_the_same_samples() {
    let agent = Home::new(&[]).config(FOREVER).start();
    let mut random = Random::new(5);
    push_series(&agent, &mut random);
    let end_ms = START_MS + 7 * 3_600_000;
    let all = format!("query={}&time={}", encoded("{host=~\".+\"}[8h]"), end_ms / 1000);
    let stored = agent.until("all is stored", |agent| {
        asked(&agent.address, "/api/v1/query", &all).ok().filter(|rows| rows.len() == 34)
    });
    let mut text = String::new();
    for (labels, points) in &stored {
        let labels: BTreeMap<String, String> = serde_json::from_str(labels).unwrap();
        let plain = labels.iter().filter(|(name, _)| *name != "__name__");
        let plain: Vec<String> = plain.map(|(name, value)| format!("{name}={value:?}")).collect();
        for (time_ms, value) in points {
            writeln!(text, "{}{{{}}} {value} {}", labels["__name__"], plain.join(","), time_ms / 1000).unwrap();
        }
    }
    let server = Server::prometheus("global: {}\n", &format!("{text}# EOF\n"));
    let (mut same, mut known) = (0, 0);
    for _ in 0..QUERIES {
        // Samples stand at whole seconds, where the steps of a subquery stand as well; ranges of 2.42 include their left end.
        let query = std::iter::repeat_with(|| query(&mut random)).find(|query| !query.contains(':')).unwrap();
        let late_ms = random.below(2 * 3_600_000) as i64 / 10_000 * 10_000;
        let end_ms = START_MS + 4 * 3_600_000 + late_ms + 1_234;
        let step_ms = random.pick(&[10_000, 30_000, 60_000, 240_000]);
        let range = (end_ms - STEPS * step_ms, end_ms);
        let [theirs, ours] = [&server.address, &agent.address].map(|at| asked_over(at, &query, range, step_ms));
        if are_alike(&theirs, &ours) {
            same += 1;
        } else {
            assert!(is_known(&query, &ours), "{query} {range:?} {step_ms}:\n{theirs:?}\n{ours:?}");
            known += 1;
        }
    }
    assert!(known < QUERIES / 20, "{same} the same, {known} known");
}

#[test]
fn a_prometheus_that_scrapes_the_host_has_what_the_store_has() {
    let agent = Home::new(&["cpu"]).start();
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: saker\n  metrics_path: /metrics/host\n  \
         honor_labels: true\n  static_configs: [{{ targets: [\"{}\"] }}]\n",
        agent.address
    );
    let server = Server::prometheus(&config, "# EOF\n");
    let pushed: Vec<_> = (0..50).map(|number| (format!("pushed.{number}"), f64::from(number) / 3.0)).collect();
    let now = now_s();
    let items: Vec<_> = pushed.iter().map(|(name, value)| (name.as_str(), "disk=a b", "GAUGE", now, *value)).collect();
    push(&agent, &items);
    assert_eq!(server.settled("count({__name__=~\"pushed_.*\"})", 50.0), 50.0);
    assert_eq!(server.settled("min_over_time(up[10s])", 1.0), 1.0);
    let selector = format!("query={}", encoded("{__name__=~\"pushed_.*\"}"));
    let [theirs, ours] = [&server.address, &agent.address].map(|at| asked(at, "/api/v1/query", &selector).unwrap());
    let without_job = |labels: &str| labels.replace(",\"job\":\"saker\"", "");
    let values = |rows: &BTreeMap<String, Vec<(i64, f64)>>| -> BTreeMap<String, f64> {
        rows.iter().map(|(labels, points)| (without_job(labels), points[0].1)).collect()
    };
    assert_eq!(values(&theirs), values(&ours));
}

#[test]
fn promtool_finds_nothing_in_the_expositions_but_what_is_explained() {
    let agent = Home::new(&["cpu"]).start();
    push(&agent, &[("net.in", "", "COUNTER", now_s(), 1.0), ("load", "", "GAUGE", now_s(), 1.5)]);
    agent.until("the host has values", |agent| {
        http::get(&agent.address, "/metrics/host").1.contains("net_in").then_some(())
    });
    let of_agent = lint(&http::get(&agent.address, "/metrics").1);
    // Help of a counter stands under its name without `_total` in OpenMetrics, which promtool does not read.
    let rest: Vec<_> = of_agent.iter().filter(|line| !line.ends_with("_total no help text")).collect();
    assert_eq!(rest, Vec::<&String>::new());
    let of_host = lint(&http::get(&agent.address, "/metrics/host").1);
    // Names do not depend on types.
    let rest: Vec<_> = of_host.iter().filter(|line| !line.contains("counter metrics should have \"_total\"")).collect();
    assert_eq!(rest, Vec::<&String>::new());
}

/// The lines that `promtool check metrics` says of a text.
fn lint(text: &str) -> Vec<String> {
    let mut promtool = command("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap().lines().map(str::to_owned).collect()
}

impl Server {
    /// Prometheus with a configuration, and with samples as OpenMetrics.
    pub(crate) fn prometheus(config: &str, samples: &str) -> Self {
        let (config, samples) = (config.to_owned(), samples.to_owned());
        let is_ready =
            |address: &str| http::request(address, "GET", "/-/ready", &[], "").is_ok_and(|answer| answer.0 == 200);
        Self::start("prometheus", is_ready, move |address, dir| {
            let file = |name: &str| format!("{dir}/{name}");
            std::fs::write(file("config.yml"), &config).unwrap();
            std::fs::write(file("samples.txt"), &samples).unwrap();
            if samples.len() > "# EOF\n".len() {
                let (from, to) = (file("samples.txt"), file("data"));
                printed("promtool", &["tsdb", "create-blocks-from", "openmetrics", &from, &to]);
            }
            vec![
                format!("--config.file={}", file("config.yml")),
                format!("--storage.tsdb.path={}", file("data")),
                format!("--web.listen-address={address}"),
                "--storage.tsdb.retention.time=100y".into(),
            ]
        })
    }
}
