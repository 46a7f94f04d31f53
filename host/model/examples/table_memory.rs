//! What a million series cost in the table: memory a series, and time to find one that is known.
//!
//! `cargo run --release -p saker-model --example table_memory [SERIES]`. Endpoints and tags are a fleet's: 1,000 series a
//! host, of 100 metrics with ten values of one tag.

use std::hint::black_box;
use std::time::Instant;

use saker_model::{MetricType, RelabelMemo, Sample, SeriesTable};

const METRICS: usize = 100;
const TAGS: usize = 10;
/// Found again this often.
const ROUNDS: usize = 5;

fn main() {
    let series = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let hosts = series / (METRICS * TAGS);
    let table = SeriesTable::new(series);
    let before = resident_bytes();
    for host in 0..hosts {
        for value in values(host) {
            let id = table.intern(&value, 1).expect("there is room");
            table.set_mapped(id, RelabelMemo::To(id));
        }
    }
    let bytes = resident_bytes().saturating_sub(before);
    let known = table.len();
    println!("{known} series, {:.1} bytes a series", bytes as f64 / known as f64);
    let (mut spent, mut found) = (std::time::Duration::ZERO, 0);
    for _ in 0..ROUNDS {
        for host in 0..hosts {
            let values = values(host);
            let begun = Instant::now();
            table
                .find(black_box(&values), 2, |_, _, mapped| found += usize::from(matches!(mapped, RelabelMemo::To(_))));
            spent += begun.elapsed();
        }
    }
    assert_eq!(found, ROUNDS * known);
    println!("{:.1} ns to find one", spent.as_nanos() as f64 / found as f64);
}

fn values(host: usize) -> Vec<Sample> {
    let endpoint = format!("host-{host:05}.example.com").into();
    let value = |number: usize| Sample {
        endpoint: std::sync::Arc::clone(&endpoint),
        metric: format!("system.metric.name.{:03}", number / TAGS),
        tags: vec![("device".into(), format!("sd{}", number % TAGS))],
        metric_type: MetricType::Gauge,
        value: 1.0,
        timestamp_ms: 0,
        step_s: 10,
    };
    (0..METRICS * TAGS).map(value).collect()
}

/// The second column of `/proc/self/statm`, in pages of 4 KiB.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number of pages") * 4096
}
