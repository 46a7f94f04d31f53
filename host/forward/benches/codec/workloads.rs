//! What 40,000 series bring every ten seconds, for measuring how records hold it. Made, not random: each run is the
//! same.

use std::sync::Arc;

use saker_model::{MetricType, Point, Series, SeriesId};

pub(crate) const SERIES: u32 = 40_000;
const STEP_S: u32 = 10;
const START_MS: i64 = 1_790_000_000_000;

/// How the values of a series go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// TSBS's cpu-only: whole numbers from 0 to 100, each a normal step from the one before.
    TsbsCpu,
    /// Bytes that went over an interface, steady with bursts; now and then none.
    ByteCounter,
    /// Packets, interrupts, context switches.
    EventCounter,
    /// Bytes of memory in use, in pages.
    Memory,
    /// A share in percent with two decimals, and load averages.
    Decimal,
    /// A share in percent as one number of ticks over another: all bits of the double count.
    Ratio,
    /// What hardly ever changes: sizes, limits, errors.
    Constant,
}

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) series: Vec<Arc<Series>>,
    kinds: Vec<Kind>,
    values: Vec<f64>,
    random: Random,
    tick: i64,
}

impl Workload {
    pub(crate) fn tsbs() -> Self {
        const METRICS: [&str; 10] =
            ["user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];
        let series = |id: u32| {
            let (host, metric) = (id / 10, METRICS[id as usize % 10]);
            let region = ["eu-west-1", "us-east-1", "ap-southeast-2", "sa-east-1"][host as usize % 4];
            let tags = [
                ("arch", ["x64", "x86"][host as usize % 2].to_owned()),
                ("datacenter", format!("{region}{}", ["a", "b", "c"][host as usize % 3])),
                ("os", ["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"][(host / 3) as usize % 3].to_owned()),
                ("rack", (host * 37 % 100).to_string()),
                ("region", region.to_owned()),
                ("service", (host * 7 % 20).to_string()),
                ("service_environment", ["production", "staging", "test"][(host / 7) as usize % 3].to_owned()),
                ("service_version", (host % 2).to_string()),
                ("team", ["SF", "NYC", "LON", "CHI"][(host / 5) as usize % 4].to_owned()),
            ];
            make_series(&format!("host_{host}"), &format!("cpu_usage_{metric}"), MetricType::Gauge, &tags)
        };
        Self::new("TSBS cpu-only", series, |_| Kind::TsbsCpu)
    }

    /// 200 hosts with 200 series each, as saker's own collectors bring them.
    pub(crate) fn hosts() -> Self {
        let kind = |id: u32| match id % 200 {
            0..=35 => Kind::ByteCounter,
            36..=99 => Kind::EventCounter,
            100..=119 => Kind::Memory,
            120..=129 => Kind::Decimal,
            130..=149 => Kind::Ratio,
            _ => Kind::Constant,
        };
        Self::new("host metrics", move |id| host_series(id, kind(id)), kind)
    }

    pub(crate) fn of(kind: Kind) -> Self {
        let name = match kind {
            Kind::TsbsCpu => "whole 0 to 100",
            Kind::ByteCounter => "byte counters",
            Kind::EventCounter => "event counters",
            Kind::Memory => "memory in bytes",
            Kind::Decimal => "two decimals",
            Kind::Ratio => "ratios",
            Kind::Constant => "hardly changing",
        };
        Self::new(name, move |id| host_series(id, kind), move |_| kind)
    }

    fn new(name: &'static str, series: impl Fn(u32) -> Arc<Series>, kind: impl Fn(u32) -> Kind) -> Self {
        let mut random = Random(0x1234_5678_9abc_def1);
        let kinds: Vec<Kind> = (0..SERIES).map(kind).collect();
        let values = kinds.iter().map(|kind| kind.first(&mut random)).collect();
        Self { name, series: (0..SERIES).map(series).collect(), kinds, values, random, tick: 0 }
    }

    /// The points of the next ten seconds, each host's with the host's own time.
    pub(crate) fn tick(&mut self) -> Vec<Point> {
        let timestamp_ms = START_MS + self.tick * i64::from(STEP_S) * 1_000;
        self.tick += 1;
        for (value, kind) in self.values.iter_mut().zip(&self.kinds) {
            *value = kind.next(*value, &mut self.random);
        }
        let point = |(id, value): (usize, &f64)| Point { series: SeriesId(id as u32), timestamp_ms, value: *value };
        self.values.iter().enumerate().map(point).collect()
    }
}

fn host_series(id: u32, kind: Kind) -> Arc<Series> {
    let (host, number) = (id / 200, id % 200);
    let metric_type = match kind {
        Kind::ByteCounter | Kind::EventCounter => MetricType::Counter,
        _ => MetricType::Gauge,
    };
    let subject = ["net.if", "disk.io", "cpu.core", "mem", "df.bytes"][number as usize / 40];
    let tags =
        [("device", format!("{}{}", ["eth", "sd", "core", "destination", "md"][number as usize / 40], number / 8))];
    let tags = if number % 3 == 0 { &[][..] } else { &tags };
    let metric =
        format!("{subject}.{}{}", ["in", "out", "total", "free", "used", "errors"][number as usize % 6], number / 6);
    make_series(&format!("web-{host:03}.example.com"), &metric, metric_type, tags)
}

fn make_series(endpoint: &str, metric: &str, metric_type: MetricType, tags: &[(&str, String)]) -> Arc<Series> {
    let tags = tags.iter().map(|(key, value)| ((*key).into(), value.as_str().into())).collect();
    Arc::new(Series { endpoint: endpoint.into(), metric: metric.into(), tags, metric_type, step_s: STEP_S })
}

impl Kind {
    fn first(self, random: &mut Random) -> f64 {
        match self {
            Self::TsbsCpu => random.below(101) as f64,
            Self::ByteCounter => random.below(1 << 44) as f64,
            Self::EventCounter => random.below(1 << 34) as f64,
            Self::Memory => (random.below(1 << 24) * 4_096) as f64,
            Self::Decimal => random.below(10_000) as f64 / 100.0,
            Self::Ratio => 0.0,
            Self::Constant => (random.below(1 << 30) * u64::from(random.below(3) > 0)) as f64,
        }
    }

    fn next(self, value: f64, random: &mut Random) -> f64 {
        match self {
            Self::TsbsCpu => (value + random.normal().round()).clamp(0.0, 100.0),
            Self::ByteCounter => match random.below(10) {
                0..=2 => value,
                9 => value + random.below(1 << 28) as f64,
                _ => value + (2_000_000.0 * (1.0 + random.normal() / 3.0)).abs().round(),
            },
            Self::EventCounter => value + (3_000.0 * (1.0 + random.normal() / 5.0)).abs().round(),
            Self::Memory => (value + (random.normal() * 300.0).round() * 4_096.0).abs(),
            Self::Decimal => ((value + random.normal()).abs() * 100.0).round() / 100.0,
            Self::Ratio => 100.0 * random.below(1_000) as f64 / (995 + random.below(10)) as f64,
            Self::Constant => value + f64::from(random.below(200) == 0),
        }
    }
}

/// Xorshift: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    /// About normal: the sum of twelve equal ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| (self.next() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0
    }
}
