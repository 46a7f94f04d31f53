//! What can be set: `[listen.graphite]`.

use saker_config::ConfigTable;

use crate::SocketConfig;
use crate::settings::step_s;

/// How Graphite's lines are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphiteConfig {
    /// Where, and within which bounds.
    pub sockets: SocketConfig,
    /// The tag that becomes the endpoint. An empty name is no tag's.
    pub endpoint_tag: String,
    /// How often values come, in seconds; the protocol does not say it.
    pub step_s: u32,
}

impl Default for GraphiteConfig {
    fn default() -> Self {
        // What carbon keeps without a word from its operator: a value a minute.
        Self { sockets: SocketConfig::default(), endpoint_tag: "host".into(), step_s: 60 }
    }
}

impl GraphiteConfig {
    /// Reads its table; what is not written has its default.
    #[must_use]
    pub fn read(table: &mut ConfigTable<'_>) -> Self {
        let sockets = SocketConfig::read(table);
        Self::read_mapping(table, sockets)
    }

    /// The rest of its table.
    pub(super) fn read_mapping(table: &mut ConfigTable<'_>, sockets: SocketConfig) -> Self {
        let default = Self::default();
        Self {
            sockets,
            endpoint_tag: table.get("endpoint_tag", default.endpoint_tag),
            step_s: step_s(table, default.step_s),
        }
    }
}
