//! A collector that breaks one rule of the contract, the one that its settings choose. The conformance kit has to find
//! it.

use saker_sdk::prelude::*;
use saker_test_guests::leak;

saker_sdk::settings! {
    /// Which rule is broken.
    pub enum Wrong {
        /// None.
        Nothing = "nothing",
        /// A name with a control character.
        Name = "name",
        /// A value that is no number.
        Number = "number",
        /// A time in seconds.
        Seconds = "seconds",
        /// The same series twice in one answer.
        Twice = "twice",
        /// The time in a tag.
        Clock = "clock",
        /// A panic on the second run.
        Second = "second",
        /// Memory that is never given back.
        Leak = "leak",
        /// A panic over a state that it did not write.
        State = "state",
        /// A panic over the state that it wrote itself.
        OwnState = "own-state",
        /// An error that does not say what is denied.
        Vague = "vague",
        /// Metrics of its own under ever new names.
        Figures = "figures",
        /// Most of the values that one answer may have.
        Many = "many",
    }
}

saker_sdk::settings! {
    /// Settings of `wrong-collector`.
    pub struct WrongSettings {
        /// Which rule is broken.
        pub wrong: Wrong = Wrong::Nothing,
    }
}

/// The guest, with the runs of this instance.
pub struct WrongCollector {
    wrong: Wrong,
    runs: u32,
}

const STATE: &[u8] = b"wrong-collector";

impl Collector for WrongCollector {
    type Settings = WrongSettings;

    fn describe() -> Description {
        Description::new("wrong-collector", "1.0.0", "Breaks one rule")
            .requests(read("/proc"), "only to be asked for it")
    }

    fn open(settings: WrongSettings) -> Result<Self, OpenError> {
        let wrong = settings.wrong;
        match host::load_state() {
            Some(state) if wrong == Wrong::State => assert_eq!(state, STATE, "a state of somebody else"),
            Some(_) => assert!(wrong != Wrong::OwnState, "a state there is"),
            None => {}
        }
        Ok(Self { wrong, runs: 0 })
    }

    fn collect(&mut self, run: Run) -> Result<Vec<Sample>, CollectError> {
        self.runs += 1;
        let value = || Sample::gauge("wrong.value", 1.0);
        let mut values = vec![value().tag("kind", "plain")];
        match self.wrong {
            Wrong::Nothing => {}
            Wrong::Name => values.push(Sample::gauge("wrong\nname", 1.0)),
            Wrong::Number => values.push(Sample::gauge("wrong.number", f64::NAN)),
            Wrong::Seconds => values.push(Sample { timestamp_ms: Some(run.timestamp_ms / 1000), ..value() }),
            Wrong::Twice => values.extend([value(), value()]),
            Wrong::Clock => values.push(value().tag("at", &run.timestamp_ms.to_string())),
            Wrong::Second => assert!(self.runs != 2, "told to panic on the second run"),
            Wrong::Leak => leak(4096),
            Wrong::State | Wrong::OwnState => {
                host::save_state(STATE).map_err(|error| CollectError::Other(format!("{error:?}")))?;
            }
            Wrong::Vague => {
                std::fs::read("/proc/stat").map_err(|error| CollectError::Other(error.to_string()))?;
            }
            Wrong::Figures => {
                (0..200).for_each(|number| host::gauge_set(&format!("figure-{}", self.runs * 200 + number), 1.0));
            }
            Wrong::Many => values.extend((0..12_000).map(|number| value().tag("number", &number.to_string()))),
        }
        Ok(values)
    }
}

saker_sdk::export_collector!(WrongCollector);
