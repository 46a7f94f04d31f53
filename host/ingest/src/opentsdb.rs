//! OpenTSDB's two protocols on one port: `put metric time value tag=value…`, a line each, and `/api/put` over HTTP. A
//! connection that begins with a capital letter speaks HTTP, as OpenTSDB tells them apart.

mod config;
mod http;
mod object;
mod telnet;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;

pub use self::config::OpentsdbConfig;
pub use self::telnet::PutLines;
use crate::naming::Naming;
use crate::reading::Report;
use crate::{LineDoor, LineListener, LineProtocol, Reply, SocketConfig};

/// OpenTSDB's sockets and paths.
pub type Opentsdb = LineListener<OpentsdbProtocol>;

/// OpenTSDB's protocols.
pub struct OpentsdbProtocol;

impl LineProtocol for OpentsdbProtocol {
    const NAME: &'static str = "opentsdb";
    const PATHS: &'static [&'static str] = http::PATHS;
    type Config = OpentsdbConfig;
    type Decoder = PutLines;

    fn sockets(config: &OpentsdbConfig) -> &SocketConfig {
        &config.sockets
    }

    fn decoder(config: &OpentsdbConfig, endpoint: &Arc<str>) -> PutLines {
        PutLines { naming: naming(config, endpoint) }
    }

    fn reply(_: &PutLines, messages: &[u8], report: &Report, _: Duration) -> Reply {
        telnet::reply(messages, report)
    }

    fn routes() -> Router<LineDoor<Self>> {
        http::routes()
    }

    fn own_routes(config: &OpentsdbConfig) -> Option<(Router<LineDoor<Self>>, Vec<String>)> {
        Some((http::own_routes(), config.names.clone()))
    }
}

fn naming(config: &OpentsdbConfig, endpoint: &Arc<str>) -> Naming {
    Naming::new(&config.endpoint_tag, config.step_s, endpoint)
}

/// A time in milliseconds, of a number of seconds, or of milliseconds where the lower 32 bits cannot hold it; 0 is now.
/// Fractions are cut off.
#[inline]
fn time_ms(time: f64, now_ms: i64) -> Option<i64> {
    if !time.is_finite() {
        return None;
    }
    Some(match time as i64 {
        0 => now_ms,
        seconds if (i64::MIN..=i64::from(u32::MAX)).contains(&seconds) => seconds.saturating_mul(1000),
        millis => millis,
    })
}

#[cfg(test)]
mod tests;
