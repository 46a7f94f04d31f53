//! Says something else each time it is asked what it is.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use saker_sdk::prelude::*;

/// The guest.
pub struct UnstableDescription;

impl Collector for UnstableDescription {
    type Settings = ();

    fn describe() -> Description {
        let random = RandomState::new().build_hasher().finish();
        Description::new("unstable-description", &format!("1.0.{random}"), "Never the same")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(vec![Sample::gauge("describe.called", 1.0)])
    }
}

saker_sdk::export_collector!(UnstableDescription);
