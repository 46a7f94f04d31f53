//! Values that nobody can use: not numbers, names of nothing, of control characters, of too many letters.

use saker_sdk::prelude::*;

/// The guest.
pub struct Junk;

impl Collector for Junk {
    type Settings = ();

    fn describe() -> Description {
        Description::new("junk", "1.0.0", "Brings junk")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let long = "x".repeat(300);
        Ok(vec![
            MetricValue::gauge("junk.nan", f64::NAN),
            MetricValue::gauge("junk.infinite", f64::INFINITY),
            MetricValue::gauge("", 1.0),
            MetricValue::gauge("junk\u{1b}[2J", 1.0),
            MetricValue::gauge(&long, 1.0),
            MetricValue::gauge("NaN", 1.0),
            MetricValue::gauge("junk.tag", 1.0).tag("", "x"),
            MetricValue::gauge("junk.tag", 1.0).tag("a", "b,c=d"),
            MetricValue::gauge("junk.tag", 1.0).tag("a", &long),
            MetricValue::gauge("junk.twice", 1.0).tag("a", "1").tag("a", "2"),
            MetricValue { timestamp_ms: Some(i64::MAX), ..MetricValue::gauge("junk.time", 1.0) },
            MetricValue { step_s: Some(0), ..MetricValue::gauge("junk.step", 1.0) },
            MetricValue::gauge("junk.good", 1.0),
        ])
    }
}

saker_sdk::export_collector!(Junk);
