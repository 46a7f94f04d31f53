//! What queries cost: a dashboard's 40 series over a day at 10 s, and 1,000 series over an hour.

use std::time::Instant;

use saker_pipeline::reader::{Cancel, Identity, ReadBudget, ReadLimits};
use saker_query::{EvalSettings, MemoryReader, Query, json};

const STEP_MS: i64 = 10_000;
const RUNS: u32 = 5;

fn reader(series: usize, samples: i64) -> MemoryReader {
    let mut reader = MemoryReader::default();
    for place in 0..series {
        let tags = [("core".into(), place.to_string().into())].into();
        let identity = Identity { endpoint: "web-1".into(), metric: "cpu.busy".into(), tags };
        (0..samples).for_each(|at| reader.push(&identity, at * STEP_MS, (at * (place as i64 + 7) % 1009) as f64));
    }
    reader
}

fn main() {
    for (name, series, samples, step_ms) in
        [("40 series x 24 h", 40, 8640, 60_000), ("1000 series x 1 h", 1000, 360, 15_000)]
    {
        let reader = reader(series, samples);
        for text in [
            "cpu_busy",
            "rate(cpu_busy[5m])",
            "avg_over_time(cpu_busy[5m])",
            "sum(rate(cpu_busy[5m]))",
            "topk(5, cpu_busy)",
            "cpu_busy / on(core) cpu_busy",
        ] {
            let expr = saker_query::parse(text).expect("a query");
            let query = Query { text, expr: &expr };
            let started = Instant::now();
            let (mut bytes, mut json_ms) = (0, 0.0);
            for _ in 0..RUNS {
                let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
                let range = (0, samples * STEP_MS);
                let answer = saker_query::range(&reader, query, range, step_ms, &EvalSettings::default(), &budget)
                    .expect("an answer");
                let encoding = Instant::now();
                bytes = json::success(&answer, json::AnswerExtras::default(), u64::MAX).expect("no limit").len();
                json_ms += encoding.elapsed().as_secs_f64() * 1000.0;
            }
            let runs = f64::from(RUNS);
            let all_ms = started.elapsed().as_secs_f64() * 1000.0 / runs;
            println!("{name}: {text}: {all_ms:.2} ms, of it {:.2} ms for {bytes} bytes of JSON", json_ms / runs);
        }
    }
}
