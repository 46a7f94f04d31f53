//! What queries cost over a store on disk, JSON included, beside a VictoriaMetrics and a Prometheus that have the same
//! samples and are asked the same questions in the same run:
//!
//! ```text
//! cost [VICTORIA-METRICS PROMETHEUS PROMTOOL]
//! ```
//!
//! Costs are CPU time, as the kernel counts it for every thread: other work on the machine does not count. Those of the
//! servers include their HTTP; ours do not, which is some 50 µs a question.

mod data;
mod server;

use std::time::{Duration, Instant};

use saker_pipeline::reader::{Cancel, ReadBudget, ReadLimits};
use saker_query::{EvalSettings, Query, QueryError, json};
use saker_store::StoreReader;

use data::{LENGTH_MS, METRICS, START_MS};
use server::Server;

/// Of so many rounds the cheapest counts.
const ROUNDS: usize = 7;
/// What a panel of 720 points asks of a day.
const DAY_STEP_MS: i64 = 120_000;
const HOUR_STEP_MS: i64 = 15_000;
const HOUR_MS: i64 = 3_600_000;

/// Questions that are asked together.
struct Page {
    name: &'static str,
    queries: Vec<String>,
    range: (i64, i64),
    step_ms: i64,
}

fn pages() -> Vec<Page> {
    let panel = |place: usize| {
        let metric = format!("panel_{place:02}");
        match place % 5 {
            0 => metric,
            1 => format!("rate({metric}[5m])"),
            2 => format!("avg_over_time({metric}[5m])"),
            3 => format!("sum(rate({metric}[5m]))"),
            _ => format!("topk(5, {metric})"),
        }
    };
    let end_ms = START_MS + LENGTH_MS;
    let (day, hour) = ((START_MS, end_ms), (end_ms - HOUR_MS, end_ms));
    let all = |query: &str| vec![query.replace("ALL", "{__name__=~\"panel_.*\"}")];
    let page = |name, queries, range, step_ms| Page { name, queries, range, step_ms };
    vec![
        page("40 panels x 24 h, 1,000 series", (0..METRICS).map(panel).collect(), day, DAY_STEP_MS),
        page("1,000 series x 1 h", all("ALL"), hour, HOUR_STEP_MS),
        page("1,000 series x 1 h, sum of rates", all("sum(rate(ALL[5m]))"), hour, HOUR_STEP_MS),
        page("1,000 series x 24 h, sum of rates", all("sum(rate(ALL[5m]))"), day, DAY_STEP_MS),
        page("one series x 24 h", all("panel_00{n=\"0\"}"), day, DAY_STEP_MS),
    ]
}

fn ask(
    reader: &StoreReader,
    query: &str,
    range: (i64, i64),
    step_ms: i64,
    limits: ReadLimits,
) -> Result<usize, QueryError> {
    let expr = saker_query::parse(query)?;
    let budget = ReadBudget::new(limits, Cancel::default());
    let query = Query { text: query, expr: &expr };
    let answer = saker_query::range(reader, query, range, step_ms, &EvalSettings::default(), &budget)?;
    Ok(json::success(&answer, json::AnswerExtras::default(), u64::MAX).expect("no limit").len())
}

/// The least that a question costs, in milliseconds of CPU.
fn least(of: impl Fn() -> Duration, mut work: impl FnMut()) -> f64 {
    let mut round = || {
        let before = of();
        work();
        (of() - before).as_secs_f64() * 1000.0
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn main() {
    let programs: Vec<String> = std::env::args().skip(1).collect();
    let folder = data::Folder::new();
    let reader = StoreReader::new(data::store(&folder.path("store")));
    let servers: Vec<Server> = match &programs[..] {
        [victoria, prometheus, promtool] => {
            let series = folder.path("series.txt");
            data::write_open_metrics(&series);
            vec![
                Server::victoria(victoria, &folder, &series),
                Server::prometheus(prometheus, promtool, &folder, &series),
            ]
        }
        _ => Vec::new(),
    };
    println!(
        "{:<36}{:>12}{:>12}{}",
        "ms of CPU",
        "saker",
        "bytes",
        servers.iter().map(|server| format!("{:>18}", server.name)).collect::<String>()
    );
    for page in pages() {
        let mut bytes = 0;
        let ours = least(server::own_cpu, || {
            let of = |query: &String| ask(&reader, query, page.range, page.step_ms, ReadLimits::default());
            bytes = page.queries.iter().map(|query| of(query).expect("an answer")).sum();
        });
        let mut line = format!("{:<36}{ours:>12.2}{bytes:>12}", page.name);
        for server in &servers {
            let theirs = least(
                || server.cpu(),
                || {
                    page.queries.iter().for_each(|query| server.ask(query, page.range, page.step_ms));
                },
            );
            line.push_str(&format!("{theirs:>18.2}"));
        }
        println!("{line}");
    }
    let limits = ReadLimits { samples: 1_000_000, ..ReadLimits::default() };
    for (query, limits) in [
        ("max_over_time({__name__=~\"panel_.*\"}[100d:1ms])", ReadLimits::default()),
        ("sum(rate({__name__=~\"panel_.*\"}[5m]))", limits),
    ] {
        let began = Instant::now();
        let rejected =
            ask(&reader, query, (START_MS, START_MS + LENGTH_MS), DAY_STEP_MS, limits).expect_err("too much");
        println!("rejected in {:.2} ms: {query}: {rejected}", began.elapsed().as_secs_f64() * 1000.0);
    }
}
