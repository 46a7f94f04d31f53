//! Values that nobody can use: not numbers, names of nothing, of control characters, of too many letters.

use saker_sdk::prelude::*;

/// The guest.
pub struct InvalidSamples;

impl Collector for InvalidSamples {
    type Settings = ();

    fn describe() -> Description {
        Description::new("invalid-samples", "1.0.0", "Brings junk")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let long = "x".repeat(300);
        Ok(vec![
            Sample::gauge("invalid-samples.nan", f64::NAN),
            Sample::gauge("invalid-samples.infinite", f64::INFINITY),
            Sample::gauge("", 1.0),
            Sample::gauge("junk\u{1b}[2J", 1.0),
            Sample::gauge(&long, 1.0),
            Sample::gauge("NaN", 1.0),
            Sample::gauge("invalid-samples.tag", 1.0).tag("", "x"),
            Sample::gauge("invalid-samples.tag", 1.0).tag("a", "b,c=d"),
            Sample::gauge("invalid-samples.tag", 1.0).tag("a", &long),
            Sample::gauge("invalid-samples.twice", 1.0).tag("a", "1").tag("a", "2"),
            Sample { timestamp_ms: Some(i64::MAX), ..Sample::gauge("invalid-samples.time", 1.0) },
            Sample { step_s: Some(0), ..Sample::gauge("invalid-samples.step", 1.0) },
            Sample::gauge("invalid-samples.good", 1.0),
        ])
    }
}

saker_sdk::export_collector!(InvalidSamples);
