//! Cannot judge any series, and says of each why not in as many bytes as its settings say.

use saker_sdk::prelude::*;
use saker_test_guests::speech;

saker_sdk::settings! {
    /// Settings of `mouthy-processor`.
    pub struct MouthySettings {
        /// How much it says, in bytes.
        pub bytes: u32 = 7_000_000,
    }
}

/// The guest.
pub struct Mouthy {
    bytes: u32,
    said: u32,
}

impl Processor for Mouthy {
    type Settings = MouthySettings;

    fn describe() -> Description {
        Description::new("huge-texts-processor", "1.0.0", "Says too much")
    }

    fn open(settings: MouthySettings) -> Result<Self, OpenError> {
        Ok(Self { bytes: settings.bytes, said: 0 })
    }

    fn map_series(&mut self, _series: Series) -> Result<Verdict, ProcessError> {
        self.said += 1;
        Err(ProcessError::Other(speech(self.said, self.bytes)))
    }
}

saker_sdk::export_processor!(Mouthy);
