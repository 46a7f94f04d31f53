//! What can be set: `[listen.influx]`.

use saker_config::ConfigTable;

use super::Mapping;
use crate::SocketConfig;
use crate::settings::step_s;

/// Part of every metric's name, which has room for 255 bytes.
const SEPARATOR_BYTES_MAX: usize = 16;

/// How Influx line protocol is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct InfluxConfig {
    /// Where, beside HTTP, and within which bounds.
    pub sockets: SocketConfig,
    /// How lines become samples.
    pub mapping: Mapping,
}

impl Default for InfluxConfig {
    fn default() -> Self {
        Self {
            sockets: SocketConfig::default(),
            mapping: Mapping {
                separator: "_".into(),
                value_field: "value".into(),
                endpoint_tag: "host".into(),
                step_s: 10,
                reject_string_fields: true,
            },
        }
    }
}

impl InfluxConfig {
    /// Reads its table; what is not written has its default.
    #[must_use]
    pub fn read(table: &mut ConfigTable<'_>) -> Self {
        let Self { mapping, .. } = Self::default();
        let reject_string_fields =
            table.choice("string_fields", mapping.reject_string_fields, &[("reject", true), ("skip", false)]);
        let config = Self {
            sockets: SocketConfig::read(table),
            mapping: Mapping {
                separator: table.get("separator", mapping.separator),
                value_field: table.get("value_field", mapping.value_field),
                endpoint_tag: table.get("endpoint_tag", mapping.endpoint_tag),
                step_s: step_s(table, mapping.step_s),
                reject_string_fields,
            },
        };
        let separator = &config.mapping.separator;
        if separator.len() > SEPARATOR_BYTES_MAX || separator.chars().any(char::is_control) {
            table.wrong("separator", format!("must be at most {SEPARATOR_BYTES_MAX} bytes without control characters"));
        }
        config
    }
}
