//! InfluxDB's line protocol: `measurement,tag=value field=value timestamp`, over HTTP, TCP and UDP.

mod config;
mod decode;
mod http;
mod key;
mod line;
mod number;
mod time;

use std::sync::Arc;

use axum::Router;

pub use self::config::InfluxConfig;
pub use self::decode::InfluxLines;
use self::decode::WriteParameters;
use self::time::Precision;
use crate::{LineDoor, LineListener, LineProtocol, SocketConfig};

/// Influx' line protocol.
pub type Influx = LineListener<InfluxProtocol>;

/// Influx' line protocol.
pub struct InfluxProtocol;

impl LineProtocol for InfluxProtocol {
    const NAME: &'static str = "influx";
    const PATHS: &'static [&'static str] = http::PATHS;
    type Config = InfluxConfig;
    type Decoder = InfluxLines;

    fn sockets(config: &InfluxConfig) -> &SocketConfig {
        &config.sockets
    }

    /// Lines through sockets have no database, and timestamps whose size tells what they count.
    fn decoder(config: &InfluxConfig, endpoint: &Arc<str>) -> InfluxLines {
        InfluxLines::new(config.mapping.clone(), WriteParameters::new(&config.mapping, endpoint))
    }

    fn routes() -> Router<LineDoor<Self>> {
        http::routes()
    }

    fn questions() -> Router {
        http::questions()
    }
}

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

#[cfg(test)]
mod tests;
