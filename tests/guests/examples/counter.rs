//! Counts its calls twice: in what the agent keeps for it, and in its own memory.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// How a call ends, after it has saved.
    pub enum Then {
        /// With both counts.
        Return = "return",
        /// With an error.
        Fail = "fail",
        /// With a panic.
        Panic = "panic",
        /// With more values than the agent takes.
        Flood = "flood",
    }
}

saker_sdk::settings! {
    /// Settings of `counter`.
    pub struct CounterSettings {
        /// How a call ends, after it has saved.
        pub then: Then = Then::Return,
        /// Bytes that are saved beside the count.
        pub more_bytes: u32 = 0,
    }
}

/// The guest, with the calls of this instance.
pub struct Counter {
    settings: CounterSettings,
    calls: u32,
}

impl Collector for Counter {
    type Settings = CounterSettings;

    fn describe() -> Description {
        Description::new("counter", "1.0.0", "Counts its calls in saved state and in memory")
    }

    fn open(settings: CounterSettings) -> Result<Self, OpenError> {
        Ok(Self { settings, calls: 0 })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        self.calls += 1;
        let saved = self.count_saved()?;
        let values = vec![Sample::gauge("counter.saved", saved), Sample::gauge("counter.calls", self.calls.into())];
        match self.settings.then {
            Then::Return => Ok(values),
            Then::Fail => Err(CollectError::Other("told to fail".into())),
            Then::Panic => panic!("told to panic"),
            Then::Flood => Ok(values.iter().cycle().take(100_000).cloned().collect()),
        }
    }
}

saker_sdk::export_collector!(Counter);

impl Counter {
    fn count_saved(&self) -> Result<f64, CollectError> {
        let before = host::load_state().and_then(|bytes| bytes.first_chunk().copied().map(u32::from_le_bytes));
        let count = before.unwrap_or(0) + 1;
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.resize(bytes.len() + self.settings.more_bytes as usize, 0);
        host::save_state(&bytes).map_err(|error| CollectError::Other(format!("{error:?}")))?;
        Ok(count.into())
    }
}
