//! One value with ten thousand tags.

use saker_sdk::prelude::*;

/// The guest.
pub struct TagBomb;

impl Collector for TagBomb {
    type Settings = ();

    fn describe() -> Description {
        Description::new("tag-bomb", "1.0.0", "Has too many tags")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let tags = (0..10_000).map(|number| (format!("tag{number}"), "x".into())).collect();
        Ok(vec![Sample { tags, ..Sample::gauge("tag-bomb.value", 1.0) }])
    }
}

saker_sdk::export_collector!(TagBomb);
