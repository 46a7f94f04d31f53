//! InfluxDB's line protocol: `measurement,tag=value field=value timestamp`.
//!
//! [`Reading`] turns a body into points. Where a line's key has been seen before, [`KnownKeys`] knows the series of its
//! fields and only numbers are parsed; where not, the reading asks for the series' names. The caller owns the series
//! table and the road that points take, so it is the one that answers.

mod config;
mod http;
mod key;
mod known;
mod line;
mod number;
mod reading;
mod time;

pub use config::InfluxConfig;
pub use http::Influx;
pub(crate) use known::{KnownKeys, KnownStats};
use reading::{Reading, Report, Request};
use time::Precision;

/// How lines become metric values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What stands between measurement and field in a metric's name.
    pub separator: String,
    /// The field that does not add its name: its metric has the measurement's. An empty name is no field's.
    pub value_field: String,
    /// The tag that becomes the endpoint. An empty name is no tag's.
    pub endpoint_tag: String,
    /// How often values come, in seconds; the protocol does not say it.
    pub step_s: u32,
    /// Whether texts are told as faults; they are left out in any case.
    pub refuse_texts: bool,
}

/// Series must be allowed to be idle for longer than this, in seconds: so seldom is the table told that those of known
/// keys are alive.
pub const SERIES_IDLE_MIN_S: u64 = 2 * known::TOUCH_EVERY_S as u64;
