//! A processor that breaks one rule of the contract, the one that its settings choose. The conformance kit has to find
//! it.

use saker_sdk::prelude::*;
use saker_test_guests::leak;

saker_sdk::settings! {
    /// Which rule is broken.
    pub enum Wrong {
        /// None.
        Nothing = "nothing",
        /// The verdict depends on how many were given before.
        Fickle = "fickle",
        /// The verdict depends on what was asked before in the same list.
        Place = "place",
        /// Its own answer is never good enough for it.
        Restless = "restless",
        /// A name with a control character.
        Control = "control",
        /// A panic over what is not ASCII.
        Ascii = "ascii",
        /// Memory that is never given back.
        Leak = "leak",
        /// Never done with many series.
        Slow = "slow",
    }
}

saker_sdk::settings! {
    /// Settings of `wrong-processor`.
    pub struct WrongSettings {
        /// Which rule is broken.
        pub wrong: Wrong = Wrong::Nothing,
    }
}

/// The guest, with how many series it was asked about.
pub struct WrongProcessor {
    wrong: Wrong,
    asked: u32,
}

impl Processor for WrongProcessor {
    type Settings = WrongSettings;

    fn describe() -> Description {
        Description::new("wrong-processor", "1.0.0", "Breaks one rule")
    }

    fn open(settings: WrongSettings) -> Result<Self, OpenError> {
        Ok(Self { wrong: settings.wrong, asked: 0 })
    }

    fn map_series(&mut self, series: Series) -> Result<Verdict, ProcessError> {
        self.asked += 1;
        let renamed = |metric: String| Verdict::Change(Series { metric, ..series.clone() });
        Ok(match self.wrong {
            Wrong::Nothing => renamed("right".into()),
            // Twenty are asked about twice.
            Wrong::Fickle if self.asked > 20 && self.asked <= 40 => Verdict::Drop,
            Wrong::Place if self.asked == 3 => Verdict::Drop,
            Wrong::Restless => renamed(format!("{}.again", series.metric)),
            Wrong::Control => renamed(format!("{}\n", series.metric)),
            Wrong::Ascii if !series.metric.is_ascii() => panic!("told to panic"),
            Wrong::Leak => {
                leak(512);
                Verdict::Keep
            }
            Wrong::Slow if self.asked > 500 => loop {
                std::hint::spin_loop();
            },
            _ => Verdict::Keep,
        })
    }
}

saker_sdk::export_processor!(WrongProcessor);
