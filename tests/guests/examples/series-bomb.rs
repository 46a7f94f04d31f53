//! Puts a number into a tag that is another one in every value of every call: no series comes twice.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `series-bomb`.
    pub struct SeriesBombSettings {
        /// Values of one call.
        pub values: u32 = 100,
    }
}

/// The guest, and the numbers that it has used.
pub struct SeriesBomb(u32, u64);

impl Collector for SeriesBomb {
    type Settings = SeriesBombSettings;

    fn describe() -> Description {
        Description::new("series-bomb", "1.0.0", "Brings no series twice")
    }

    fn open(settings: SeriesBombSettings) -> Result<Self, OpenError> {
        Ok(Self(settings.values, 0))
    }

    fn collect(&mut self, run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut values = vec![Sample::gauge("series-bomb.always", 1.0)];
        for _ in 0..self.0 {
            self.1 += 1;
            let number = format!("{}-{}", run.timestamp_ms, self.1);
            values.push(Sample::gauge("series-bomb.new", 1.0).tag("number", &number));
        }
        Ok(values)
    }
}

saker_sdk::export_collector!(SeriesBomb);
