//! Runs plugins: the only crate that knows wasmtime.
//!
//! [`Sandbox::load`] turns the bytes of a file into a [`Plugin`]: compiled (from the cache on disk, or by a child
//! process), its kind known, described without any permission. An [`InstanceSpec`] says what an instance may do, and
//! [`Collector`], [`Processor`] and [`Backend`] are instances that can be called. Every call ends in time, as a value
//! or as a [`CallError`] that says whose fault it is.
//!
//! Nothing here knows configuration files, schedules or the plugin folder.
#![warn(missing_docs)]

mod bindings;
mod columns;
mod compile;
mod compile_cache;
mod compression;
mod convert;
mod cpu_quota;
mod ctx;
mod custom_metrics;
mod description;
mod engine;
mod failure;
mod files;
mod folder;
mod grants;
mod hang;
mod health;
mod host;
mod http;
mod instance;
mod kind;
mod limits;
mod lookups;
mod mask;
mod names;
mod output;
mod plugin;
mod recording;
mod request;
mod retry_after;
mod secrets;
mod sockets;
mod state;
mod statfs;
mod system;
mod threads;
mod timed;
mod unix;

pub use columns::{ColumnBatch, DefinedSeries, Measurement};
pub use compile::{CompileError, Compiler, compile_bytes, compile_child};
pub use compile_cache::{CacheError, CodeOrigin, CompileCacheStats};
pub use cpu_quota::{CpuQuota, SHARE_WINDOW};
pub use custom_metrics::{CustomMetric, CustomMetrics, Meters};
pub use description::INTERVAL_MIN;
pub use engine::{Compiled, Sandbox, SandboxConfig, SandboxError, wasmtime_version};
pub use failure::{Blame, CallError, Denied, Kill, PluginFault};
pub use files::{GrantPathError, HeldGrants, check_grant_path, check_socket_path, check_statfs_path};
pub use grants::{ConnectAddress, GrantError, Grants, Permission};
pub use hang::{Hang, Hangs, Stuck};
pub use health::{Health, HealthConfig, HealthState};
pub use instance::{Backend, Canary, Collector, InstanceSpec, Processor, Run, Verdict, WriteError};
pub use kind::kind_of;
pub use limits::{Deadlines, Limits};
pub use output::LogTail;
pub use plugin::{Description, LoadError, PermissionRequest, Plugin, PluginHash, PluginKind};
pub use recording::{Recording, RecordingHeader};
pub use secrets::{HttpOrigin, HttpOriginError, SecretGrant};
pub use state::StateCell;
pub use system::{FileSystemStats, Measure, Resolve, System};
pub use unix::{UnixGrant, UnixGrantError, UnixPath, socket_path, unix_method};
