//! Open-Falcon's transfer: `Transfer.Update` and `Transfer.Ping` over JSON-RPC, and `POST /api/push`.
//!
//! Records are read as transfer does, in Go: keys of any case, null as nothing, one wrong type and the whole call is
//! rejected in Go's words. What it counts as invalid is counted here as well, and the log says why.

mod call;
mod go;
mod http;
pub mod lines;
mod record;
mod tags;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use saker_config::ConfigTable;

pub use self::call::Calls;
use crate::reading::Report;
use crate::{Framer, LineDoor, LineListener, LineProtocol, Reply, SocketConfig};

/// Transfer's port of JSON-RPC, and its path.
pub type Transfer = LineListener<TransferProtocol>;

/// JSON-RPC.
pub struct TransferProtocol;

/// What can be set: `[listen.transfer]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransferConfig {
    /// Where, and within which bounds.
    pub sockets: SocketConfig,
}

impl TransferConfig {
    /// Reads its table; what is not written has its default.
    #[must_use]
    pub fn read(table: &mut ConfigTable<'_>) -> Self {
        Self { sockets: SocketConfig::read_connections(table) }
    }
}

impl LineProtocol for TransferProtocol {
    const NAME: &'static str = "transfer";
    const PATHS: &'static [&'static str] = &["/api/push"];
    /// What a gateway sends at once, some hundred times.
    const MESSAGE_BYTES_MAX: usize = 4 << 20;
    type Config = TransferConfig;
    type Decoder = Calls;

    fn sockets(config: &TransferConfig) -> &SocketConfig {
        &config.sockets
    }

    fn decoder(_: &TransferConfig, _: &Arc<str>) -> Calls {
        Calls
    }

    fn framer() -> Box<dyn Framer> {
        Box::new(call::Frames::default())
    }

    fn reply(_: &Calls, messages: &[u8], report: &Report, took: Duration) -> Reply {
        call::reply(messages, report, took)
    }

    fn routes() -> Router<LineDoor<Self>> {
        http::routes()
    }
}

#[cfg(test)]
mod tests;
