//! Open-Falcon's questions as pure functions over the reader: `history`, `last`, `last/raw` and `info` of the old query
//! service and of falcon-plus' api. The routes and their bodies are the agent's; the shapes of their answers stand here.
//!
//! A counter is `metric` or `metric/k=v,k=v`. COUNTER and DERIVE are both stored as totals and answered as rates a second
//! under the type `DERIVE`, as graph does it: rates of a reset are null, and so is what is more than a heartbeat (twice the
//! step) away from the sample before. Kept from graph are its archives: the further back a range starts, the more steps a
//! row is. Not kept are its faults: what is newest is never missing, totals are not cut to integers, and a row with an
//! unknown step is of those that are known.

mod archive;
mod counter;
mod history;
mod json;
mod last;

use saker_model::MetricType;
use saker_pipeline::reader::SeriesRef;

pub use archive::{Consolidation, Row, downsample};
pub use counter::{Counter, find};
pub use history::{History, HistoryQuery, history};
pub use json::{histories, infos, last_points};
pub use last::{LastPoint, last, last_raw};

/// What a series is besides its identity: of what type it is, and how often it is measured. The latest of both count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// How its values are to be read.
    pub metric_type: MetricType,
    /// In seconds; positive.
    pub step_s: u32,
}

impl Attributes {
    /// The type as graph has it.
    #[must_use]
    pub fn dstype(&self) -> &'static str {
        if self.is_rate() { "DERIVE" } else { "GAUGE" }
    }

    fn is_rate(&self) -> bool {
        self.metric_type != MetricType::Gauge
    }

    fn step_ms(&self) -> i64 {
        i64::from(self.step_s.max(1)) * 1000
    }
}

/// Who knows the attributes of series.
pub type AttributesOf<'a> = dyn Fn(&SeriesRef) -> Option<Attributes> + 'a;

#[cfg(test)]
mod tests;
