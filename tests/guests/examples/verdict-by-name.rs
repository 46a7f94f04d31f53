//! A processor that judges series by their metric's name alone.

use std::collections::BTreeMap;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `judge`. What none of them names stays as it is.
    pub struct VerdictByNameSettings {
        /// Metrics that are dropped.
        pub drop: Vec<String> = Vec::new(),
        /// Metrics that get another name.
        pub rename: BTreeMap<String, String> = BTreeMap::new(),
        /// Metrics that cannot be judged.
        pub fail: Vec<String> = Vec::new(),
        /// Metrics that are never done with.
        pub spin: Vec<String> = Vec::new(),
    }
}

/// The guest.
pub struct VerdictByName(VerdictByNameSettings);

impl Processor for VerdictByName {
    type Settings = VerdictByNameSettings;

    fn describe() -> Description {
        Description::new("verdict-by-name", "1.0.0", "Drops and renames series")
    }

    fn open(settings: VerdictByNameSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn map_series(&mut self, series: Series) -> Result<Verdict, ProcessError> {
        let metric = &series.metric;
        if self.0.spin.contains(metric) {
            loop {
                std::hint::spin_loop();
            }
        }
        if self.0.fail.contains(metric) {
            return Err(ProcessError::Other("told to fail".into()));
        }
        if self.0.drop.contains(metric) {
            return Ok(Verdict::Drop);
        }
        Ok(match self.0.rename.get(metric) {
            Some(name) => Verdict::Change(Series { metric: name.clone(), ..series }),
            None => Verdict::Keep,
        })
    }
}

saker_sdk::export_processor!(VerdictByName);
