//! What a ranking costs: `cargo run --release -p saker-web --example changes -- 10000`.

use std::time::Instant;

use saker_pipeline::reader::{Cancel, Identity, ReadBudget, ReadLimits, TimeRange};
use saker_query::MemoryReader;
use saker_web::{Windows, rank};

const STEP_MS: i64 = 10_000;
const END: i64 = 1_790_000_000_000;
const DAY_MS: i64 = 86_400_000;

fn main() {
    let series = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1000);
    let mut reader = MemoryReader::default();
    for number in 0..series {
        let identity = Identity { endpoint: "h".into(), metric: format!("m{number}").into(), tags: [].into() };
        for end in [END - DAY_MS + DAY_MS / 48, END] {
            for place in (0..420).rev() {
                reader.push(&identity, end - place * STEP_MS, fastrand::f64());
            }
        }
    }
    let window = TimeRange { start_ms: END - 600_000, end_ms: END };
    let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
    let began = Instant::now();
    match rank(&reader, Windows { window }, &budget) {
        Ok(ranking) => println!("{} series in {:?}, {} read", ranking.series, began.elapsed(), budget.samples()),
        Err(error) => eprintln!("{error}"),
    }
}
