//! A processor that gives every series a name that no series can have.

use saker_sdk::prelude::*;

/// The guest.
pub struct Relabel;

impl Processor for Relabel {
    type Settings = ();

    fn describe() -> Description {
        Description::new("relabel", "1.0.0", "Gives series impossible names")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn map_series(&mut self, series: Series) -> Result<Verdict, ProcessError> {
        Ok(Verdict::Change(Series { metric: "x\n".repeat(10_000), ..series }))
    }
}

saker_sdk::export_processor!(Relabel);
