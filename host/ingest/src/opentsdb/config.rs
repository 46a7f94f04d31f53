//! What can be set: `[listen.opentsdb]`.

use saker_config::ConfigTable;

use crate::SocketConfig;
use crate::settings::step_s;

/// How OpenTSDB's points are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct OpentsdbConfig {
    /// Where, and within which bounds.
    pub sockets: SocketConfig,
    /// Names that its port is asked under over HTTP, beside this host's.
    pub names: Vec<String>,
    /// The tag that becomes the endpoint. An empty name is no tag's.
    pub endpoint_tag: String,
    /// How often values come, in seconds; the protocol does not say it.
    pub step_s: u32,
}

impl Default for OpentsdbConfig {
    fn default() -> Self {
        // What tcollector sends: a value each fifteen seconds, with a tag for its host.
        Self { sockets: SocketConfig::default(), names: Vec::new(), endpoint_tag: "host".into(), step_s: 15 }
    }
}

impl OpentsdbConfig {
    /// Reads its table; what is not written has its default.
    #[must_use]
    pub fn read(table: &mut ConfigTable<'_>) -> Self {
        let default = Self::default();
        Self {
            sockets: SocketConfig::read(table),
            names: table.get("allowed_hosts", default.names),
            endpoint_tag: table.get("endpoint_tag", default.endpoint_tag),
            step_s: step_s(table, default.step_s),
        }
    }
}
