//! Instances: plugins that run.
//!
//! What an instance is to be is an [`InstanceSpec`]; [`Collector`], [`Processor`] and [`Backend`] are instances of the
//! three worlds. How a call is run, and what becomes of an instance whose call does not end well, is in `running.rs`.

use std::sync::Arc;
use std::time::Duration;

use saker_model::Sample;
use wasmtime::Store;

use crate::bindings::types;
use crate::ctx::Ctx;
use crate::custom_metrics::{CustomMetrics, Meters};
use crate::engine::Sandbox;
use crate::failure::{CallError, PluginFault};
use crate::files::HeldGrants;
use crate::folder;
use crate::grants::Grants;
use crate::hang::Hangs;
use crate::limits::Limits;
use crate::output::LogTail;
use crate::plugin::{Code, Plugin};
use crate::recording::Recording;
use crate::state::StateCell;

mod backend;
mod collector;
mod processor;
mod running;
mod thread;

pub use backend::Backend;
pub use collector::Collector;
pub use processor::Processor;

/// What an instance is to be: its name, what it may do, and what it shares with those before and after it.
#[derive(Clone, Debug, Default)]
pub struct InstanceSpec {
    /// The name that its log lines carry.
    pub name: String,
    /// The table of the configuration that grants are written in, such as `plugin.cpu`.
    pub section: String,
    /// Its settings: a JSON object.
    pub settings: String,
    /// What it may touch.
    pub grants: Grants,
    /// What it may touch of the host's files, once that is found.
    pub held: HeldGrants,
    /// What it may use.
    pub limits: Limits,
    /// Its saved state.
    pub state: StateCell,
    /// The metrics of its own.
    pub custom_metrics: CustomMetrics,
    /// What it has used.
    pub meters: Arc<Meters>,
    /// Which calls of this version hang in the system. Another version has its own.
    pub hangs: Hangs,
    /// Its last log lines.
    pub log_tail: LogTail,
    /// Random numbers that are the same in every run, for measurements that must repeat. Never where they guard anything.
    pub fixed_random: bool,
    /// A recording of what the host tells it, or one that stands in for the host.
    pub tape: Option<Recording>,
}

/// What an instance is to be that is only tried: it begins with what the one in its place has saved and with an empty
/// folder, and leaves nothing behind in either.
#[derive(Debug)]
pub struct Canary(InstanceSpec);

impl InstanceSpec {
    /// The same for a canary, aside from what runs under this name.
    #[must_use]
    pub fn canary(&self) -> Canary {
        let mut spec = Self { state: self.state.fork(), held: self.held.fork(), ..self.clone() };
        spec.grants.data_dir = spec.grants.data_dir.map(|path| path.with_added_extension(folder::CANARY));
        let canary = Canary(spec);
        canary.remove_folder();
        canary
    }
}

impl Canary {
    fn remove_folder(&self) {
        if let Some(path) = &self.0.grants.data_dir
            && let Err(error) = std::fs::remove_dir_all(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), "cannot remove the folder of a canary: {error}");
        }
    }
}

impl std::ops::Deref for Canary {
    type Target = InstanceSpec;

    fn deref(&self) -> &InstanceSpec {
        &self.0
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.remove_folder();
    }
}

/// Why a run is.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The time that values are for, in milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// The interval, in milliseconds.
    pub interval_ms: u32,
    /// The step that values get which have none, in seconds.
    pub step_s: u32,
}

/// What a processor says of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// Its values are dropped.
    Drop,
    /// Its values belong to the series of this value, which is yet to be validated.
    Change(Sample),
    /// It could not be judged: why.
    Fail(String),
}

/// Why a backend has not written points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Try again.
    Retry {
        /// At the earliest after this time.
        after: Option<Duration>,
        /// What happened.
        message: String,
    },
    /// Give these up: places in the list of points, or all if there are none.
    Reject {
        /// Which.
        points: Vec<u32>,
        /// Why.
        message: String,
    },
    /// The instance is of no more use.
    Broken(String),
    /// The call did not end well.
    Call(CallError),
}

fn wrong_kind(plugin: &Plugin) -> CallError {
    PluginFault::Settings(format!("{} is a {}", plugin.description().name, plugin.kind().as_str())).into()
}

/// Calls `describe` so often in one instance that may touch nothing, and answers what it said each time.
pub(crate) async fn describe(
    sandbox: &Sandbox,
    code: &Code,
    times: usize,
) -> Result<Vec<types::Description>, CallError> {
    let spec = InstanceSpec { name: "describe".into(), ..InstanceSpec::default() };
    let code = code.clone();
    let call = move |mut store: Store<Ctx>| async move {
        let mut descriptions = Vec::with_capacity(times);
        match code {
            Code::Collector(pre) => {
                let guest = pre.instantiate_async(&mut store).await?;
                for _ in 0..times {
                    descriptions.push(guest.saker_plugin_collector().call_describe(&mut store).await?);
                }
            }
            Code::Processor(pre) => {
                let guest = pre.instantiate_async(&mut store).await?;
                for _ in 0..times {
                    descriptions.push(guest.saker_plugin_processor().call_describe(&mut store).await?);
                }
            }
            Code::Backend(pre) => {
                let guest = pre.instantiate_async(&mut store).await?;
                for _ in 0..times {
                    descriptions.push(guest.saker_plugin_backend().call_describe(&mut store).await?);
                }
            }
        }
        Ok((running::LiveGuest { store, guest: descriptions }, Ok(())))
    };
    running::once(sandbox, &spec, call).await
}
