//! A plugin: code that is compiled, linked and described, but does not run yet.

use std::fmt;

use serde_json::Value;
use wasmtime::component::Component;

use crate::bindings::types;
use crate::bindings::{backend, collector, processor};
use crate::compile::CompileError;
use crate::compile_cache::Origin;
use crate::ctx::Ctx;
use crate::engine::Sandbox;
use crate::failure::CallError;
use crate::grants::Permission;
use crate::instance;

/// The BLAKE3 hash of a plugin file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PluginHash([u8; 32]);

impl PluginHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for PluginHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PluginHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which world a plugin exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It measures.
    Collector,
    /// It judges series.
    Processor,
    /// It hands points to a storage system.
    Backend,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Processor => "processor",
            Self::Backend => "backend",
        }
    }
}

/// A permission that a plugin would like to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// What it would touch.
    pub permission: Permission,
    /// What for.
    pub reason: String,
}

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// A short name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// What it would like to touch.
    pub wants: Vec<Want>,
    /// The JSON Schema of its settings: an object.
    pub settings_schema: Value,
    /// How often a collector would like to be called, in milliseconds.
    pub default_interval_ms: Option<u32>,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Its machine code does not load.
    #[error("cannot load its machine code: {0}")]
    Code(String),
    /// It exports no world of the contract.
    #[error(
        "it exports neither {CONTRACT}/collector@{VERSION}, nor processor, nor backend; it exports {exports}. Build it \
         against the contract in wit/"
    )]
    NoKind {
        /// What it exports instead.
        exports: String,
    },
    /// It needs something that the host does not have.
    #[error("it does not fit this agent: {0}")]
    Link(String),
    /// `describe` failed.
    #[error("failed to describe itself: {0}")]
    Describe(#[from] CallError),
    /// `describe` said something unusable.
    #[error("its description is unusable: {0}")]
    Description(String),
}

const CONTRACT: &str = "saker:plugin";
const VERSION: &str = "0.1.0";
/// Bytes of a plugin's name.
const NAME_BYTES_MAX: usize = 64;
/// Bytes of its version, its summary and of each reason: lines for people.
const TEXT_BYTES_MAX: usize = 1000;
/// Bytes of the schema: the largest that ships has 3 KiB.
const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// Permissions that it may want.
const WANTS_MAX: usize = 100;

/// A plugin that can be opened.
#[derive(Clone)]
pub struct Plugin {
    hash: PluginHash,
    size: usize,
    imports: Vec<String>,
    origin: Origin,
    description: Description,
    pub(crate) code: Code,
}

/// Linked code, by its world.
#[derive(Clone)]
pub(crate) enum Code {
    Collector(collector::CollectorPluginPre<Ctx>),
    Processor(processor::ProcessorPluginPre<Ctx>),
    Backend(backend::BackendPluginPre<Ctx>),
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.description.name).field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Plugin {
    pub(crate) async fn new(
        sandbox: &Sandbox,
        hash: PluginHash,
        size: usize,
        component: Component,
        origin: Origin,
    ) -> Result<Self, LoadError> {
        let ty = component.component_type();
        let names = |items: Vec<&str>| items.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let imports = names(ty.imports(sandbox.engine()).map(|(name, _)| name).collect());
        let exports = names(ty.exports(sandbox.engine()).map(|(name, _)| name).collect());
        let code = link(sandbox, &component, &exports)?;
        let raw = instance::describe(sandbox, &code).await?;
        let description = read_description(raw).map_err(LoadError::Description)?;
        Ok(Self { hash, size, imports, origin, description, code })
    }

    /// The hash of its file.
    #[must_use]
    pub fn hash(&self) -> PluginHash {
        self.hash
    }

    /// The size of its file, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether its machine code came from the cache.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The interfaces that it imports. No sign of what it does: some languages import everything.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// What it says about itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Which world it exports.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.code {
            Code::Collector(_) => Kind::Collector,
            Code::Processor(_) => Kind::Processor,
            Code::Backend(_) => Kind::Backend,
        }
    }
}

fn link(sandbox: &Sandbox, component: &Component, exports: &[String]) -> Result<Code, LoadError> {
    let kind = exports.iter().find_map(|name| {
        let (interface, version) = name.strip_prefix(CONTRACT)?.strip_prefix('/')?.split_once('@')?;
        let kind = match interface {
            "collector" => Kind::Collector,
            "processor" => Kind::Processor,
            "backend" => Kind::Backend,
            _ => return None,
        };
        Some((kind, version))
    });
    let Some((kind, version)) = kind else {
        let exports = if exports.is_empty() { "nothing".into() } else { exports.join(", ") };
        return Err(LoadError::NoKind { exports });
    };
    if !version.starts_with("0.1.") {
        return Err(LoadError::Link(format!(
            "it was built for version {version} of the contract, and this agent knows {VERSION}"
        )));
    }
    let wrong = |error: wasmtime::Error| LoadError::Link(format!("{error:#}"));
    let pre = sandbox.linker().instantiate_pre(component).map_err(wrong)?;
    Ok(match kind {
        Kind::Collector => Code::Collector(collector::CollectorPluginPre::new(pre).map_err(wrong)?),
        Kind::Processor => Code::Processor(processor::ProcessorPluginPre::new(pre).map_err(wrong)?),
        Kind::Backend => Code::Backend(backend::BackendPluginPre::new(pre).map_err(wrong)?),
    })
}

fn read_description(raw: types::Description) -> Result<Description, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if raw.name.is_empty() || raw.name.len() > NAME_BYTES_MAX || !raw.name.chars().all(plain) {
        return Err(format!(
            "its name {:?} must be 1 to {NAME_BYTES_MAX} lower-case letters, digits and hyphens",
            raw.name.chars().take(NAME_BYTES_MAX).collect::<String>()
        ));
    }
    for (what, bytes, most) in [
        ("version", raw.version.len(), TEXT_BYTES_MAX),
        ("summary", raw.summary.len(), TEXT_BYTES_MAX),
        ("settings schema", raw.settings_schema.len(), SCHEMA_BYTES_MAX),
        ("longest reason", raw.permissions.iter().map(|wanted| wanted.reason.len()).max().unwrap_or(0), TEXT_BYTES_MAX),
    ] {
        if bytes > most {
            return Err(format!("its {what} has {bytes} bytes, and {most} is the most"));
        }
    }
    if raw.permissions.len() > WANTS_MAX {
        return Err(format!("it wants {} permissions, and {WANTS_MAX} is the most", raw.permissions.len()));
    }
    let schema: Value = serde_json::from_str(&raw.settings_schema)
        .map_err(|error| format!("its settings schema is not JSON: {error}"))?;
    if !schema.is_object() {
        return Err("its settings schema is not a JSON object".into());
    }
    let line = |text: String| text.split(char::is_control).collect::<Vec<_>>().join(" ");
    Ok(Description {
        name: raw.name,
        version: line(raw.version),
        summary: line(raw.summary),
        wants: raw
            .permissions
            .into_iter()
            .map(|wanted| Want { permission: wanted.permission.into(), reason: line(wanted.reason) })
            .collect(),
        settings_schema: schema,
        default_interval_ms: raw.default_interval_ms.filter(|&ms| ms > 0),
    })
}
