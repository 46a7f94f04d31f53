//! Answers in columns, well or in a way that breaks the contract. It is written against the bindings.

#[cfg(target_arch = "wasm32")]
mod raw {
    use saker_sdk::bindings::collector::exports::saker::plugin::collector as world;
    use saker_sdk::bindings::types::Columns;
    use saker_sdk::prelude::{CollectError, Description, OpenError, Sample};

    saker_sdk::settings! {
        /// How it answers.
        pub enum How {
            /// As it may.
            Well = "well",
            /// As it may, but one by one.
            Records = "records",
            /// With a value that has no timestamp where others have one.
            Uneven = "uneven",
            /// With a handle that was not defined.
            Unknown = "unknown",
            /// With a handle beyond all.
            Far = "far",
            /// With new series at every run, whose names are as long as an answer may be.
            Long = "long",
            /// With many values of one series, whose name is long.
            Wide = "wide",
            /// With more definitions than there may be series.
            Many = "many",
            /// With more handles to forget than there may be series.
            Forgetful = "forgetful",
            /// With one value more than it may.
            Over = "over",
            /// By forgetting what it gives a value of.
            Gone = "gone",
        }
    }

    saker_sdk::settings! {
        /// Settings of `columns`.
        pub struct ColumnsSettings {
            /// How it answers.
            pub how: How = How::Well,
            /// Values of one run.
            pub values: u32 = 60,
        }
    }

    struct Guest {
        settings: ColumnsSettings,
        runs: u32,
    }

    saker_sdk::instance!(Plugin, Guest);

    fn name(number: u32) -> Sample {
        Sample::gauge("columns.value", f64::from(number))
            .tag("container", &format!("b9d5e6f8a3c4{:04}", number / 60))
            .tag("image", "registry.example/team/service")
            .tag("device", &format!("eth{}", number % 60))
    }

    fn definition(id: u32, metric: &str) -> world::Definition {
        let Sample { endpoint, tags, metric_type, step_s, .. } = name(id);
        world::Definition { id, endpoint, metric: metric.into(), tags, metric_type, step_s }
    }

    impl Guest {
        fn collect(&mut self, run: &world::Run) -> world::Measurement {
            let values = self.settings.values;
            self.runs += 1;
            if self.settings.how == How::Records {
                return world::Measurement::Records((0..values).map(name).collect());
            }
            let define =
                if self.runs == 1 { (0..values).map(|id| definition(id, "columns.value")).collect() } else { vec![] };
            let points = Columns {
                series: (0..values).collect(),
                timestamps_ms: Vec::new(),
                values: (0..values).map(f64::from).collect(),
            };
            let mut batch = world::Batch { forget: Vec::new(), define, points };
            match self.settings.how {
                How::Well | How::Records => {}
                How::Uneven => batch.points.timestamps_ms.push(run.timestamp_ms),
                How::Unknown => batch.points.series[0] = values,
                How::Far => batch.define.push(definition(u32::MAX, "far")),
                How::Long => batch.define = vec![definition(self.runs - 1, &"x".repeat(6 << 20))],
                How::Wide => {
                    batch.define = vec![definition(0, &"x".repeat(1 << 20))];
                    batch.points.series = vec![0; values as usize];
                }
                How::Many => batch.define = (0..60_000).map(|_| definition(0, "")).collect(),
                How::Forgetful => batch.forget = vec![0; 60_000],
                How::Over => {
                    batch.points.series = vec![0; 20_001];
                    batch.points.values = vec![0.0; 20_001];
                }
                How::Gone => {
                    batch.define.truncate(1);
                    batch.define[0].id = 1;
                    batch.forget.push(0);
                }
            }
            if self.settings.how == How::Long {
                batch.points = Columns { series: Vec::new(), timestamps_ms: Vec::new(), values: Vec::new() };
            }
            world::Measurement::Columns(batch)
        }
    }

    impl world::Guest for Plugin {
        fn describe() -> Description {
            let about = Description::new("columns", "1.0.0", "Answers in columns");
            saker_sdk::settings::with_schema::<ColumnsSettings>(about)
        }

        fn open(settings: String) -> Result<(), OpenError> {
            Self::put(Guest { settings: saker_sdk::settings::parse(&settings)?, runs: 0 });
            Ok(())
        }

        fn collect(run: world::Run) -> Result<world::Measurement, CollectError> {
            Ok(Self::with(|guest| guest.collect(&run)))
        }

        fn close() {
            drop(Self::take());
        }
    }

    saker_sdk::bindings::collector::export_collector_world!(Plugin with_types_in saker_sdk::bindings::collector);
}
