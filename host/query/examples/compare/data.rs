//! Random series: counters with resets, gauges with gaps, histograms.

use std::fmt::Write;

use saker_pipeline::reader::Identity;
use saker_query::MemoryReader;

pub(crate) const START_MS: i64 = 1_700_000_000_000;
pub(crate) const LENGTH_MS: i64 = 6 * 3_600_000;
const STEP_MS: i64 = 15_000;

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

pub(crate) struct Series {
    pub(crate) metric: &'static str,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) samples: Vec<(i64, f64)>,
}

pub(crate) fn series(random: &mut Random) -> Vec<Series> {
    let mut all = Vec::new();
    for metric in ["requests_total", "errors_total", "temperature", "load"] {
        for host in ["a", "b", "c"] {
            for mode in ["user", "system"] {
                let labels = vec![("host", host.into()), ("mode", mode.into())];
                all.push(Series { metric, labels, samples: samples(metric.ends_with("_total"), random) });
            }
        }
    }
    for host in ["a", "b"] {
        let mut counts = samples(true, random);
        for bound in ["0.1", "0.5", "1", "5", "+Inf"] {
            let labels = vec![("host", host.into()), ("le", bound.into())];
            all.push(Series { metric: "seconds_bucket", labels, samples: counts.clone() });
            counts.iter_mut().enumerate().for_each(|(at, sample)| sample.1 += (at as u64 * random.below(3)) as f64);
        }
    }
    all
}

fn samples(counter: bool, random: &mut Random) -> Vec<(i64, f64)> {
    // Each series has times of its own, and none meets a whole second.
    let jitter = 100 + random.below(9_000) as i64 / 1000 * 1000 + random.below(800) as i64;
    let mut value = random.below(1000) as f64;
    let mut samples = Vec::new();
    let mut at = 0;
    while at * STEP_MS < LENGTH_MS {
        if !counter && random.below(60) == 0 {
            at += random.below(40) as i64;
        }
        value = match counter {
            true if random.below(50) == 0 => 0.0,
            true => value + random.below(100) as f64,
            false => ((random.below(2000) as f64) - 500.0) / 8.0,
        };
        samples.push((START_MS + at * STEP_MS + jitter, value));
        at += 1;
    }
    samples
}

pub(crate) fn open_metrics(all: &[Series]) -> String {
    let mut text = String::new();
    for Series { metric, labels, samples } in all {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        for (time_ms, value) in samples {
            // Writing into a text does not fail.
            let _ = writeln!(text, "{metric}{{{}}} {value} {}.{:03}", labels.join(","), time_ms / 1000, time_ms % 1000);
        }
    }
    text + "# EOF\n"
}

pub(crate) fn reader(all: &[Series]) -> MemoryReader {
    let mut reader = MemoryReader::default();
    for Series { metric, labels, samples } in all {
        let tags = labels.iter().map(|(name, value)| ((*name).into(), value.as_str().into())).collect();
        let identity = Identity { endpoint: "".into(), metric: (*metric).into(), tags };
        samples.iter().for_each(|(time_ms, value)| reader.push(&identity, *time_ms, *value));
    }
    reader
}
