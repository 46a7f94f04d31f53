//! Brings as many values in columns as its settings say, by the kit's own way.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `steady-columns`.
    pub struct SteadyColumnsSettings {
        /// Values of one run.
        pub values: u32 = 60,
        /// Whether every other run forgets the last series, and the next defines it again.
        pub coming_and_going: bool = false,
    }
}

/// The guest, and the handles of its series.
pub struct SteadyColumns {
    settings: SteadyColumnsSettings,
    series: Vec<SeriesId>,
}

fn name(number: usize) -> Sample {
    Sample::gauge("columns.value", 0.0)
        .tag("container", &format!("b9d5e6f8a3c4{:04}", number / 60))
        .tag("image", "registry.example/team/service")
        .tag("device", &format!("eth{}", number % 60))
}

impl ColumnCollector for SteadyColumns {
    type Settings = SteadyColumnsSettings;

    fn describe() -> Description {
        Description::new("steady-columns", "1.0.0", "Brings values in columns")
    }

    fn open(settings: SteadyColumnsSettings) -> Result<Self, OpenError> {
        Ok(Self { settings, series: Vec::new() })
    }

    fn collect(&mut self, _run: Run, columns: &mut Columns) -> Result<(), CollectError> {
        let values = self.settings.values as usize;
        if self.settings.coming_and_going && self.series.len() == values {
            self.series.pop().into_iter().for_each(|gone| columns.forget(gone));
        } else {
            self.series.extend((self.series.len()..values).map(|number| columns.define(name(number))));
        }
        self.series.iter().zip(0u32..).for_each(|(&series, number)| columns.push(series, f64::from(number)));
        Ok(())
    }
}

saker_sdk::export_column_collector!(SteadyColumns);
