//! `[log]`.

use saker_config::ConfigTable;
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,plugin=debug`.
    pub level: String,
    /// The form of its lines.
    pub format: LogFormat,
}

/// The form of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

impl LogConfig {
    /// Reads its table.
    #[must_use]
    pub fn read(mut table: ConfigTable<'_>) -> Self {
        let default = Self::default();
        let format = table.choice("format", default.format, &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
        let level = table.get("level", default.level);
        if let Err(error) = EnvFilter::try_new(&level) {
            table.wrong("level", format!("expected a level such as \"info\" or \"info,plugin=debug\": {error}"));
        }
        table.finish();
        Self { level, format }
    }
}
