//! InfluxDB's line protocol: `measurement,tag=value field=value timestamp`.

mod config;
mod decode;
mod http;
mod key;
mod line;
mod number;
mod time;

pub use config::InfluxConfig;
use decode::{InfluxLines, WriteParameters};
pub use http::InfluxListener;
use time::Precision;

/// How lines become samples.
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
    pub reject_string_fields: bool,
}
