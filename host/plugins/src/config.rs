//! What there is to set of plugins: the folder, and every instance. A component of the agent's configuration.

mod reach;
mod read;
mod shipped;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use saker_config::PluginSettings;
use saker_sandbox::{Grants, Limits, PluginHash};

pub use self::reach::OwnPlace;
use self::shipped::SHIPPED;

/// All that plugins are told by the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginsConfig {
    /// How often collectors are called that have no interval of their own.
    pub interval: Duration,
    /// Where plugin files come from.
    pub folder: FolderConfig,
    /// The processors' names, in their order.
    pub processors: Vec<String>,
    /// Whether values pass as they are when a processor fails; otherwise they are dropped.
    pub pass_on_failure: bool,
    /// Collectors and processors, by name.
    pub instances: BTreeMap<String, PluginConfig>,
    /// The backends of destinations, by the destination's name.
    pub backends: BTreeMap<String, BackendConfig>,
    /// The files of secrets, by name.
    pub secrets: BTreeMap<String, PathBuf>,
}

/// The plugin folder, and what of it is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderConfig {
    /// The folder.
    pub dir: PathBuf,
    /// How often the folder is looked through where the system does not tell of changes.
    pub poll_interval: Duration,
    /// Bytes of one file.
    pub max_file_bytes: usize,
    /// Who must have signed it.
    pub signatures: SignatureConfig,
}

/// Whose signatures count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignatureConfig {
    /// Files of public keys.
    pub keys: Vec<PathBuf>,
    /// Whether a plugin without a signature is rejected.
    pub required: bool,
}

/// The table that a plugin's grants and settings are written in, as TOML has it.
#[must_use]
pub fn plugin_section(name: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !name.is_empty() && name.chars().all(bare) { format!("plugin.{name}") } else { format!("plugin.{name:?}") }
}

/// A collector or a processor.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    /// Whether the operator has written anything of it.
    pub written: IsWritten,
    /// The file in the folder; none means the name and `.wasm`.
    pub file: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// How often it is called, if that is written.
    pub interval: Option<Duration>,
    /// Its own settings.
    pub settings: PluginSettings,
    /// What it may touch.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
}

/// Whether the operator has written anything of a plugin. That is no part of what is written.
#[derive(Clone, Copy, Debug)]
pub struct IsWritten(pub bool);

impl PartialEq for IsWritten {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The backend of a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct BackendConfig {
    /// The name of its file, without `.wasm`.
    pub backend: String,
    /// The backend's own settings.
    pub settings: PluginSettings,
    /// What it may touch.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
}

impl Default for PluginsConfig {
    fn default() -> Self {
        let shipped = SHIPPED.iter().map(|shipped| (shipped.name.into(), PluginConfig::default_of(shipped.name)));
        Self {
            interval: Duration::from_secs(10),
            folder: FolderConfig {
                dir: "plugins".into(),
                poll_interval: Duration::from_secs(10),
                max_file_bytes: 32 << 20,
                signatures: SignatureConfig::default(),
            },
            processors: Vec::new(),
            pass_on_failure: true,
            instances: shipped.collect(),
            backends: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

impl PluginsConfig {
    /// Whether a plugin may print data to standard output.
    #[must_use]
    pub fn prints_data(&self) -> bool {
        let plugins = self.instances.values().filter(|plugin| plugin.enabled).map(|plugin| &plugin.grants);
        plugins.chain(self.backends.values().map(|backend| &backend.grants)).any(|grants| grants.stdout)
    }

    /// What is written of a collector or processor, or what it is without a word.
    pub(crate) fn instance(&self, name: &str) -> PluginConfig {
        self.instances.get(name).cloned().unwrap_or_else(|| PluginConfig::default_of(name))
    }
}

impl PluginConfig {
    /// What an instance of this name is without a word from the operator.
    #[must_use]
    pub fn default_of(name: &str) -> Self {
        let shipped = SHIPPED.iter().find(|shipped| shipped.name == name);
        let (read, statfs) = shipped.map_or((&[][..], &[][..]), |shipped| (shipped.read, shipped.statfs));
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Self {
            written: IsWritten(false),
            file: None,
            enabled: true,
            interval: None,
            settings: PluginSettings::default(),
            grants: Grants { read: paths(read), statfs: paths(statfs), ..Grants::default() },
            limits: shipped::limits(name),
        }
    }

    /// What an instance of this name is granted if its file has this hash. What a name brings without a word from the
    /// operator, it brings to the file that shipped under it, and to no other.
    #[must_use]
    pub fn grants_for(&self, name: &str, hash: PluginHash) -> Grants {
        if self.is_foreign(name, hash) { Grants::default() } else { self.grants.clone() }
    }

    /// Whether a file has a name that would bring grants, and is not the file that shipped.
    #[must_use]
    pub fn is_foreign(&self, name: &str, hash: PluginHash) -> bool {
        !self.written.0 && !self.grants.is_empty() && !shipped::is_shipped(name, hash)
    }

    /// The name of its file, for an instance of this name.
    #[must_use]
    pub fn file_of(&self, name: &str) -> String {
        self.file.clone().unwrap_or_else(|| format!("{name}.wasm"))
    }
}
