//! A plugin: code that is compiled, linked and described, but does not run yet.

use std::fmt;

use saker_model::text::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX, clean};
use serde_json::Value;
use wasmtime::component::Component;

use crate::bindings::{backend, collector, processor};
use crate::compile::CompileError;
use crate::compile_cache::CodeOrigin;
use crate::ctx::Ctx;
use crate::description;
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
pub enum PluginKind {
    /// It measures.
    Collector,
    /// It judges series.
    Processor,
    /// It hands points to a storage system.
    Backend,
}

impl PluginKind {
    /// The kind whose interface this is, of any version of the contract.
    pub(crate) fn of_export(name: &str) -> Option<Self> {
        Self::and_version(name).map(|(kind, _)| kind)
    }

    fn and_version(name: &str) -> Option<(Self, &str)> {
        let (interface, version) = name.strip_prefix(CONTRACT)?.strip_prefix('/')?.split_once('@')?;
        let kind = match interface {
            "collector" => Self::Collector,
            "processor" => Self::Processor,
            "backend" => Self::Backend,
            _ => return None,
        };
        Some((kind, version))
    }

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
pub struct PermissionRequest {
    /// What it would touch.
    pub permission: Permission,
    /// What for.
    pub reason: String,
}

/// What a plugin says about itself. Its texts are clean and bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// A short name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// What it would like to touch.
    pub requests: Vec<PermissionRequest>,
    /// The JSON Schema of its settings: an object.
    pub settings_schema: Value,
    /// How often a collector would like to be called, in milliseconds: [`INTERVAL_MIN`](crate::INTERVAL_MIN) at least.
    pub default_interval_ms: Option<u32>,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not compile.
    #[error(transparent)]
    Compile(CompileError),
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

/// The compiler speaks of what it reads, in the words of what it reads.
impl From<CompileError> for LoadError {
    fn from(error: CompileError) -> Self {
        let short = |words: &str| clean(words, MESSAGE_BYTES_MAX);
        Self::Compile(match error {
            CompileError::Unusable(words) => CompileError::Unusable(short(&words)),
            CompileError::Ended { status, words } => CompileError::Ended { status, words: short(&words) },
            other => other,
        })
    }
}

const CONTRACT: &str = "saker:plugin";
const VERSION: &str = "0.1.0";
/// Exports that are named in an error.
const EXPORTS_SHOWN: usize = 4;

/// A plugin that can be opened.
#[derive(Clone)]
pub struct Plugin {
    hash: PluginHash,
    size: usize,
    imports: Vec<String>,
    contract: String,
    origin: CodeOrigin,
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
        origin: CodeOrigin,
    ) -> Result<Self, LoadError> {
        let ty = component.component_type();
        let names = |items: Vec<&str>| items.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let imports = names(ty.imports(sandbox.engine()).map(|(name, _)| name).collect());
        let exports = names(ty.exports(sandbox.engine()).map(|(name, _)| name).collect());
        let (code, contract) = link(sandbox, &component, &exports)?;
        let description = describe(sandbox, &code, 1).await?.remove(0);
        Ok(Self { hash, size, imports, contract, origin, description, code })
    }

    /// Asks it so often, in one new instance that may touch nothing, what it is. Every answer should be the same.
    ///
    /// # Errors
    /// [`LoadError`], as when it was loaded.
    pub async fn describe_again(&self, sandbox: &Sandbox, times: usize) -> Result<Vec<Description>, LoadError> {
        describe(sandbox, &self.code, times).await
    }

    /// The version of the contract that it was built for.
    #[must_use]
    pub fn contract(&self) -> &str {
        &self.contract
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
    pub fn origin(&self) -> CodeOrigin {
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
    pub fn kind(&self) -> PluginKind {
        match self.code {
            Code::Collector(_) => PluginKind::Collector,
            Code::Processor(_) => PluginKind::Processor,
            Code::Backend(_) => PluginKind::Backend,
        }
    }
}

async fn describe(sandbox: &Sandbox, code: &Code, times: usize) -> Result<Vec<Description>, LoadError> {
    let raw = instance::describe(sandbox, code, times).await?;
    raw.into_iter().map(|raw| description::read(raw).map_err(LoadError::Description)).collect()
}

fn link(sandbox: &Sandbox, component: &Component, exports: &[String]) -> Result<(Code, String), LoadError> {
    let kind = exports.iter().find_map(|name| PluginKind::and_version(name));
    let Some((kind, version)) = kind else {
        return Err(LoadError::NoKind { exports: named(exports) });
    };
    if !version.starts_with("0.1.") {
        return Err(LoadError::Link(format!(
            "it was built for version {} of the contract, and this agent knows {VERSION}",
            clean(version, NAME_BYTES_MAX)
        )));
    }
    let wrong = |error: wasmtime::Error| LoadError::Link(clean(&format!("{error:#}"), MESSAGE_BYTES_MAX));
    let pre = sandbox.linker().instantiate_pre(component).map_err(wrong)?;
    let code = match kind {
        PluginKind::Collector => Code::Collector(collector::CollectorPluginPre::new(pre).map_err(wrong)?),
        PluginKind::Processor => Code::Processor(processor::ProcessorPluginPre::new(pre).map_err(wrong)?),
        PluginKind::Backend => Code::Backend(backend::BackendPluginPre::new(pre).map_err(wrong)?),
    };
    Ok((code, clean(version, NAME_BYTES_MAX)))
}

/// What a file exports that is no plugin, as far as there is room for it.
fn named(exports: &[String]) -> String {
    let names: Vec<_> = exports.iter().take(EXPORTS_SHOWN).map(|name| clean(name, NAME_BYTES_MAX)).collect();
    match names.len() {
        0 => "nothing".into(),
        shown if shown < exports.len() => format!("{} and {} more", names.join(", "), exports.len() - shown),
        _ => names.join(", "),
    }
}
