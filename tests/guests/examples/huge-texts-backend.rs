//! Says seven megabytes wherever a backend can say something, another text each time, names a point a million times, and
//! wants to be left alone for 49 days.

use saker_sdk::prelude::*;
use saker_test_guests::speech;

saker_sdk::settings! {
    /// How it answers.
    pub enum Answer {
        /// The destination is away.
        Retry = "retry",
        /// One point is rejected.
        Reject = "reject",
        /// All points are rejected.
        RejectAll = "reject-all",
        /// A permission is missing.
        Denied = "denied",
        /// The instance is of no more use.
        Broken = "broken",
    }
}

saker_sdk::settings! {
    /// Settings of `mouthy-backend`.
    pub struct MouthySettings {
        /// How it answers.
        pub answer: Answer = Answer::Retry,
        /// How much it says, in bytes.
        pub bytes: u32 = 7_000_000,
        /// How long it wants to be left alone, in milliseconds.
        pub after_ms: u32 = u32::MAX,
    }
}

/// The guest.
pub struct Mouthy {
    settings: MouthySettings,
    said: u32,
}

impl Backend for Mouthy {
    type Settings = MouthySettings;

    fn describe() -> Description {
        Description::new("huge-texts-backend", "1.0.0", "Says too much")
    }

    fn open(settings: MouthySettings) -> Result<Self, OpenError> {
        Ok(Self { settings, said: 0 })
    }

    fn define(&mut self, _definitions: Vec<Definition>) {}

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        self.said += 1;
        let message = speech(self.said, self.settings.bytes);
        Err(match self.settings.answer {
            Answer::Retry => WriteError::retry(message, Some(self.settings.after_ms)),
            Answer::Reject => WriteError::Reject(Reject { points: vec![0; 250_000], message }),
            Answer::RejectAll => WriteError::reject(message),
            Answer::Denied => WriteError::denied(message),
            Answer::Broken => WriteError::Broken(message),
        })
    }

    fn forget(&mut self, _ids: Vec<saker_sdk::SeriesId>) {}
}

saker_sdk::export_backend!(Mouthy);
