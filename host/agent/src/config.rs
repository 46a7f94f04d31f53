//! The agent's configuration: what there is to set, the defaults, and how it is read.
//!
//! `examples/agent.toml` shows every key at its default; a test holds it to that.

mod sections;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use saker_cache::CacheLimits;
use saker_config::{ConfigSource, ConfigTable, Location, Locations, Problem, Problems, Warnings, host_name};
use saker_forward::{DeliveryConfig, Route};
use saker_http::ListenConfig;
use saker_ingest::influx::InfluxConfig;
use saker_log::LogConfig;
use saker_pipeline::PipelineConfig;
use saker_plugins::PluginsConfig;
use saker_query::QueryConfig;
use saker_store::StoreConfig;

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// Whose values these are; none means the host's name.
    pub(crate) endpoint: Option<String>,
    /// Where compiled code and saved state are kept.
    pub(crate) data_dir: PathBuf,
    /// How long the agent may go on sending when it is told to stop.
    pub(crate) shutdown_timeout: Duration,
    pub(crate) log: LogConfig,
    pub(crate) listen: ListenConfig,
    pub(crate) listeners: Listeners,
    pub(crate) tls: TlsConfig,
    pub(crate) plugins: PluginsConfig,
    pub(crate) pipeline: PipelineConfig,
    pub(crate) cache: CacheLimits,
    pub(crate) query: QueryConfig,
    pub(crate) store: StoreConfig,
    /// How each destination queues and retries, by its name.
    pub(crate) sending: BTreeMap<String, DeliveryConfig>,
    pub(crate) route: Vec<Route>,
    /// Where everything in the file is written, by key, such as `destination.a`.
    pub(crate) places: Locations,
    /// What is no mistake, and yet hardly what was meant.
    pub(crate) warnings: Warnings,
}

/// The protocols that have settings: one line each, which makes its table `[listen.NAME]`, its default and its reading.
macro_rules! listeners {
    ($($name:ident: $config:ty,)*) => {
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct Listeners {
            $(pub(crate) $name: $config,)*
        }

        impl Listeners {
            fn read(listen: &mut ConfigTable<'_>) -> Self {
                Self {
                    $($name: {
                        let mut table = listen.table(stringify!($name));
                        let config = <$config>::read(&mut table);
                        table.finish();
                        config
                    },)*
                }
            }
        }
    };
}

listeners! {
    influx: InfluxConfig,
    graphite: saker_ingest::graphite::GraphiteConfig,
    pickle: saker_ingest::graphite::pickle::PickleConfig,
    opentsdb: saker_ingest::opentsdb::OpentsdbConfig,
    prometheus: saker_ingest::HttpConfig,
    import: saker_ingest::HttpConfig,
    csv: saker_ingest::HttpConfig,
    transfer: saker_ingest::transfer::TransferConfig,
    transfer_lines: saker_ingest::transfer::lines::TransferLinesConfig,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TlsConfig {
    /// Certificates to trust beside the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            data_dir: "data".into(),
            shutdown_timeout: Duration::from_secs(10),
            log: LogConfig::default(),
            listen: ListenConfig::default(),
            listeners: Listeners::default(),
            tls: TlsConfig::default(),
            plugins: PluginsConfig::default(),
            pipeline: PipelineConfig::default(),
            cache: CacheLimits::default(),
            query: QueryConfig::default(),
            store: StoreConfig::default(),
            sending: BTreeMap::new(),
            route: Vec::new(),
            places: Locations::default(),
            warnings: Warnings::default(),
        }
    }
}

impl Config {
    /// Reads the configuration from all its sources.
    pub(crate) fn read(source: &ConfigSource) -> Result<Self, Problems> {
        match Self::look(source) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(Problems(problems)),
        }
    }

    /// Reads what can be read of it: all mistakes, and the configuration with defaults in their places. Where the
    /// syntax is broken there is none, since that would only lead to mistakes that are none.
    pub(crate) fn look(source: &ConfigSource) -> (Option<Self>, Vec<Problem>) {
        let (read, problems) = saker_config::look(source, sections::read);
        let Some((mut config, warnings)) = read else { return (None, problems) };
        config.warnings = warnings;
        let empty = source.file.as_ref().filter(|(_, text)| text.trim().is_empty());
        config.warnings.0.extend(empty.map(|(path, text)| Problem {
            place: Location::in_file(path, text, &(0..0)),
            key: String::new(),
            what: "it is empty, so everything has its default, and no destination is configured".into(),
        }));
        (Some(config), problems)
    }

    /// Whose values these are.
    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.clone().unwrap_or_else(host_name)
    }
}

#[cfg(test)]
mod tests;
