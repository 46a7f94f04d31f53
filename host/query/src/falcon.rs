//! Open-Falcon's questions as pure functions over the reader: `history`, `last`, `last/raw` and `info` of the old query
//! service and of falcon-plus' api. The shapes of their answers stand here, the routes under `http`.
//!
//! A counter is `metric` or `metric/k=v,k=v`. COUNTER and DERIVE are both stored as totals and answered as rates a second
//! under the type `DERIVE`, as graph does it: rates of a reset are null, and so is what is more than a heartbeat (twice the
//! step) away from the sample before. Kept from graph are its archives: the further back a range starts, the more steps a
//! row is. Not kept are its faults: what is newest is never missing, totals are not cut to integers, and a row with an
//! unknown step is of those that are known.

mod archive;
mod counter;
mod counts;
mod history;
mod index;
mod json;
mod last;

use saker_model::MetricType;
use saker_pipeline::reader::Attributes;

pub use archive::{ArchiveRow, Consolidation, downsample};
pub use counter::{Counter, find};
pub use counts::FalconCounts;
pub use history::{History, HistoryQuery, history, known};
pub use index::{EndpointCounter, IndexPage, counter_of, counters, endpoint_id, endpoints};
pub use json::{
    histories, infos, last_points, push_endpoint, push_endpoint_counter, push_history, push_info, push_last,
};
pub use last::{LastPoint, last, last_raw};

/// The type as graph has it.
#[must_use]
pub fn dstype(attributes: Attributes) -> &'static str {
    if is_rate(attributes) { "DERIVE" } else { "GAUGE" }
}

fn is_rate(attributes: Attributes) -> bool {
    attributes.metric_type != MetricType::Gauge
}

fn step_ms(attributes: Attributes) -> i64 {
    i64::from(attributes.step_s.max(1)) * 1000
}

#[cfg(test)]
mod tests;
