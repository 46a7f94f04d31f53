//! A backend that rejects a million points, most of which it was never given.

use saker_sdk::prelude::*;

/// The guest.
pub struct RejectBomb;

impl Backend for RejectBomb {
    type Settings = ();

    fn describe() -> Description {
        Description::new("reject-bomb", "1.0.0", "Rejects points that it was not given")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn define(&mut self, _definitions: Vec<Definition>) {}

    fn write(&mut self, _points: Vec<Point>) -> Result<usize, WriteError> {
        Err(WriteError::Reject(Reject { points: (0..1_000_000).rev().collect(), message: "none of these".into() }))
    }

    fn forget(&mut self, _ids: Vec<saker_sdk::SeriesId>) {}
}

saker_sdk::export_backend!(RejectBomb);
