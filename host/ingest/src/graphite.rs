//! Graphite's plaintext protocol over TCP and UDP: `name;tag=value value timestamp`, a line each.
//!
//! Names are taken as they are: dots are no levels here. Tags become tags, and one of them may be the endpoint.

mod config;
mod line;
pub mod pickle;

use std::sync::Arc;

pub use self::config::GraphiteConfig;
pub use self::line::GraphiteLines;
use crate::{LineListener, LineProtocol, SocketConfig};

/// Graphite's sockets.
pub type GraphiteListener = LineListener<GraphiteProtocol>;

/// Graphite's plaintext protocol.
pub struct GraphiteProtocol;

impl LineProtocol for GraphiteProtocol {
    const NAME: &'static str = "graphite";
    type Config = GraphiteConfig;
    type Decoder = GraphiteLines;

    fn sockets(config: &GraphiteConfig) -> &SocketConfig {
        &config.sockets
    }

    fn decoder(config: &GraphiteConfig, endpoint: &Arc<str>) -> GraphiteLines {
        GraphiteLines { endpoint_tag: config.endpoint_tag.clone(), step_s: config.step_s, endpoint: endpoint.clone() }
    }
}
