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
mod ctx;
mod description;
mod engine;
mod failure;
mod figures;
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
mod request;
mod retry_after;
mod secrets;
mod share;
mod sockets;
mod state;
mod system;
mod tape;
mod threads;
mod timed;
mod unix;
mod usages;

pub use columns::{ColumnBatch, DefinedSeries, Measurement};
pub use compile::{CompileError, Compiler, compile_bytes, compile_child};
pub use compile_cache::{CacheError, CacheStats, Origin};
pub use description::INTERVAL_MIN;
pub use engine::{Compiled, Sandbox, SandboxConfig, SandboxError, wasmtime_version};
pub use failure::{Blame, CallError, Denied, Kill, PluginFault};
pub use figures::{Figure, Figures, Meters};
pub use files::{GrantPathError, HeldGrants, check_grant_path, check_socket_path, check_usage_path};
pub use grants::{Address, GrantError, Grants, Permission};
pub use hang::{Hang, Hangs, Stuck};
pub use health::{Health, HealthConfig, HealthState};
pub use instance::{Backend, Collector, InstanceSpec, Processor, Tick, Trial, Verdict, WriteError};
pub use kind::kind_of;
pub use limits::{Deadlines, Limits};
pub use output::LogTail;
pub use plugin::{Description, Kind, LoadError, Plugin, PluginHash, Want};
pub use secrets::{Destination, DestinationError, SecretGrant};
pub use share::{SHARE_WINDOW, Share};
pub use state::StateCell;
pub use system::{Fill, Measure, Resolve, System};
pub use tape::{Recorded, Tape};
pub use unix::{UnixGrant, UnixGrantError, UnixPath, socket_path, unix_method};
