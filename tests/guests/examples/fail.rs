//! Returns an error of its own: any of those that the contract knows, in the call that its settings choose.

use saker_sdk::prelude::*;
use saker_test_guests::At;

saker_sdk::settings! {
    /// Which error.
    pub enum How {
        /// Settings that it cannot use; only `open` can say so.
        Settings = "settings",
        /// A missing permission.
        Denied = "denied",
        /// Something that is not there; only `collect` can say so.
        Unavailable = "unavailable",
        /// Something that makes no sense; only `collect` can say so.
        Malformed = "malformed",
        /// Anything else.
        Other = "other",
    }
}

saker_sdk::settings! {
    /// Settings of `fail`.
    pub struct FailSettings {
        /// Which error.
        pub how: How = How::Other,
        /// The call that returns it.
        pub at: At = At::Collect,
    }
}

/// The guest.
pub struct Fail(FailSettings);

impl Collector for Fail {
    type Settings = FailSettings;

    fn describe() -> Description {
        Description::new("fail", "1.0.0", "Returns an error of its own")
    }

    fn open(settings: FailSettings) -> Result<Self, OpenError> {
        match (settings.at, settings.how) {
            (At::Open, How::Settings) => Err(OpenError::Settings("how: told to fail".into())),
            (At::Open, How::Denied) => Err(OpenError::Denied(env("HOME"))),
            (At::Open, _) => Err(OpenError::Other("told to fail".into())),
            _ => Ok(Self(settings)),
        }
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Err(match self.0.how {
            How::Denied => CollectError::Denied(env("HOME")),
            How::Unavailable => CollectError::Unavailable("told to fail".into()),
            How::Malformed => CollectError::malformed("line 7", "a number"),
            How::Settings | How::Other => CollectError::Other("told to fail".into()),
        })
    }
}

saker_sdk::export_collector!(Fail);
