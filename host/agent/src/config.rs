//! The agent's configuration: what there is to set, the defaults, and how it is read.
//!
//! `examples/agent.toml` shows every key at its default; a test holds it to that.

mod reach;
mod sections;
mod shipped;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use saker_cache::CacheLimits;
use saker_config::{Listen, Place, Places, Problem, Problems, Settings, Source, Table, Warnings};
use saker_forward::{NodeConfig, Route};
use saker_http::Network;
use saker_ingest::influx::InfluxConfig;
use saker_log::LogConfig;
use saker_model::LIMITS;
use saker_model::text::clean;
use saker_pipeline::PipelineConfig;
use saker_sandbox::{Grants, Limits, PluginHash};

use shipped::SHIPPED;

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// Whose values these are; none means the host's name.
    pub(crate) endpoint: Option<String>,
    /// Where compiled code and saved state are kept.
    pub(crate) data_dir: PathBuf,
    /// How often collectors are called that have no interval of their own.
    pub(crate) interval: Duration,
    /// How long the agent may go on sending when it is told to stop.
    pub(crate) shutdown_timeout: Duration,
    pub(crate) log: LogConfig,
    pub(crate) listen: ListenConfig,
    pub(crate) listeners: Listeners,
    pub(crate) tls: TlsConfig,
    pub(crate) plugins: FolderConfig,
    pub(crate) pipeline: PipelineConfig,
    pub(crate) cache: CacheLimits,
    pub(crate) plugin: BTreeMap<String, PluginConfig>,
    pub(crate) node: BTreeMap<String, DestinationConfig>,
    pub(crate) route: Vec<Route>,
    /// The files of secrets, by name.
    pub(crate) secret: BTreeMap<String, PathBuf>,
    /// Where everything in the file is written, by key, such as `node.a`.
    pub(crate) places: Places,
    /// What is no mistake, and yet hardly what was meant.
    pub(crate) warnings: Warnings,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListenConfig {
    pub(crate) http: Listen,
    /// A file whose first line is the token that requests must carry.
    pub(crate) token_file: Option<PathBuf>,
    /// Names under which it is asked, beside the host's own.
    pub(crate) names: Vec<String>,
    /// Proxies whose word is taken for where requests come from.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Long bodies that are parsed at the same time.
    pub(crate) parsers: usize,
    pub(crate) limits: saker_http::Limits,
}

/// The protocols that have settings: one line each, which makes its table `[listen.NAME]`, its default and its reading.
macro_rules! listeners {
    ($($name:ident: $config:ty,)*) => {
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct Listeners {
            $(pub(crate) $name: $config,)*
        }

        impl Listeners {
            fn read(listen: &mut Table<'_>) -> Self {
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
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TlsConfig {
    /// Certificates to trust beside the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FolderConfig {
    pub(crate) dir: PathBuf,
    /// How often the folder is looked through where the system does not tell of changes.
    pub(crate) poll: Duration,
    /// Bytes of one file.
    pub(crate) file_bytes: usize,
    pub(crate) signatures: SignatureConfig,
}

/// Whose signatures count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SignatureConfig {
    /// Files of public keys.
    pub(crate) keys: Vec<PathBuf>,
    /// Whether a plugin without a signature is refused.
    pub(crate) required: bool,
}

/// The table that a plugin's grants and settings are written in, as TOML has it.
pub(crate) fn plugin_section(name: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !name.is_empty() && name.chars().all(bare) { format!("plugin.{name}") } else { format!("plugin.{name:?}") }
}

/// A collector or a processor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PluginConfig {
    pub(crate) written: Written,
    /// The file in the folder; none means the name and `.wasm`.
    pub(crate) file: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) interval: Option<Duration>,
    pub(crate) settings: Settings,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
}

/// Whether the operator has written anything of a plugin. That is no part of what is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written(pub(crate) bool);

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DestinationConfig {
    /// The name of the backend's file, without `.wasm`.
    pub(crate) backend: String,
    pub(crate) settings: Settings,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) sending: NodeConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            data_dir: "data".into(),
            interval: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            log: LogConfig::default(),
            listen: ListenConfig {
                http: Listen(Some(([127, 0, 0, 1], 1988).into())),
                token_file: None,
                names: Vec::new(),
                trusted_proxies: Vec::new(),
                parsers: 8,
                limits: saker_http::Limits::default(),
            },
            listeners: Listeners::default(),
            tls: TlsConfig::default(),
            plugins: FolderConfig {
                dir: "plugins".into(),
                poll: Duration::from_secs(10),
                file_bytes: 32 << 20,
                signatures: SignatureConfig::default(),
            },
            pipeline: PipelineConfig::default(),
            cache: CacheLimits::default(),
            plugin: SHIPPED
                .iter()
                .map(|shipped| (shipped.name.into(), PluginConfig::default_of(shipped.name)))
                .collect(),
            node: BTreeMap::new(),
            route: Vec::new(),
            secret: BTreeMap::new(),
            places: Places::default(),
            warnings: Warnings::default(),
        }
    }
}

impl PluginConfig {
    /// What an instance of this name is without a word from the operator.
    pub(crate) fn default_of(name: &str) -> Self {
        let shipped = SHIPPED.iter().find(|shipped| shipped.name == name);
        let (read, usage) = shipped.map_or((&[][..], &[][..]), |shipped| (shipped.read, shipped.usage));
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Self {
            written: Written(false),
            file: None,
            enabled: true,
            interval: None,
            settings: Settings::default(),
            grants: Grants { read: paths(read), usage: paths(usage), ..Grants::default() },
            limits: Limits::default(),
        }
    }

    /// What an instance of this name is granted if its file has this hash. What a name brings without a word from the
    /// operator, it brings to the file that shipped under it, and to no other.
    pub(crate) fn grants_for(&self, name: &str, hash: PluginHash) -> Grants {
        if self.is_foreign(name, hash) { Grants::default() } else { self.grants.clone() }
    }

    /// Whether a file has a name that would bring grants, and is not the file that shipped.
    pub(crate) fn is_foreign(&self, name: &str, hash: PluginHash) -> bool {
        !self.written.0 && !self.grants.is_empty() && !shipped::is_shipped(name, hash)
    }

    /// The name of its file, for an instance of this name.
    pub(crate) fn file_of(&self, name: &str) -> String {
        self.file.clone().unwrap_or_else(|| format!("{name}.wasm"))
    }
}

impl Config {
    /// Reads the configuration from all its sources.
    pub(crate) fn read(source: &Source) -> Result<Self, Problems> {
        match Self::look(source) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(Problems(problems)),
        }
    }

    /// Reads what can be read of it: all mistakes, and the configuration with defaults in their places. Where the
    /// syntax is broken there is none, since that would only lead to mistakes that are none.
    pub(crate) fn look(source: &Source) -> (Option<Self>, Vec<Problem>) {
        let (read, problems) = saker_config::look(source, sections::read);
        let Some((mut config, warnings)) = read else { return (None, problems) };
        config.warnings = warnings;
        let empty = source.file.as_ref().filter(|(_, text)| text.trim().is_empty());
        config.warnings.0.extend(empty.map(|(path, text)| Problem {
            place: Place::in_file(path, text, &(0..0)),
            key: String::new(),
            what: "it is empty, so everything has its default, and no node is configured".into(),
        }));
        (Some(config), problems)
    }

    /// Whether a plugin may print data to standard output.
    pub(crate) fn prints_data(&self) -> bool {
        let plugins = self.plugin.values().filter(|plugin| plugin.enabled).map(|plugin| &plugin.grants);
        plugins.chain(self.node.values().map(|node| &node.grants)).any(|grants| grants.stdout)
    }

    /// Whose values these are.
    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| {
            let name = clean(&rustix::system::uname().nodename().to_string_lossy(), LIMITS.text_bytes);
            if name.is_empty() { "localhost".into() } else { name }
        })
    }
}

#[cfg(test)]
mod tests;
