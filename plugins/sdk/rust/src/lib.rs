//! What the author of a saker plugin needs: implement one trait, call one macro, build for `wasm32-wasip2`.
//!
//! ```
//! use saker_sdk::prelude::*;
//!
//! saker_sdk::settings! {
//!     /// Settings of the example.
//!     pub struct Settings {
//!         /// The proc file system.
//!         pub proc: String = "/proc".into(),
//!     }
//! }
//!
//! struct Entropy(Settings);
//!
//! impl Collector for Entropy {
//!     type Settings = Settings;
//!
//!     fn describe() -> Description {
//!         Description::new("entropy", "0.1.0", "Bits in the kernel's entropy pool")
//!             .requests(read("/proc"), "the figure is in /proc/sys/kernel/random")
//!     }
//!
//!     fn open(settings: Settings) -> Result<Self, OpenError> {
//!         Ok(Self(settings))
//!     }
//!
//!     fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
//!         let path = format!("{}/sys/kernel/random/entropy_avail", self.0.proc);
//!         let bits = text::number(&text::read(&path)?, &path)?;
//!         Ok(vec![Sample::gauge("kernel.entropy.bits", bits)])
//!     }
//! }
//!
//! saker_sdk::export_collector!(Entropy);
//! # fn main() {}
//! ```
//!
//! Everything here also builds natively, so a plugin's logic is tested with plain `cargo test`: outside Wasm the export
//! macros expand to nothing and the host's interfaces are stood in for by [`testing`].
#![warn(missing_docs)]

mod backend;
#[doc(hidden)]
pub mod bindings;
pub mod bodies;
mod collector;
mod columns;
pub mod compress;
mod describe;
pub mod encode;
mod errors;
pub mod gaps;
pub mod glob;
pub mod host;
pub mod http;
mod kept;
pub mod net;
mod point;
mod processor;
mod progress;
pub mod rates;
pub mod round;
#[cfg(feature = "scram")]
pub mod scram;
pub mod settings;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;
mod values;

pub use backend::{Backend, Definition, Reject, Retry, WriteError, Written};
pub use bindings::types::{
    Description, MetricType, OpenError, Permission, PermissionRequest, Sample, Series, SeriesId, Tag,
};
pub use collector::{CollectError, Collector, Run};
pub use columns::{ColumnCollector, Columns};
pub use describe::{connect, data_dir, env, read, secret, statfs, stdout, unix, write};
pub use errors::{denied_path, denied_writing};
pub use kept::KeptFile;
pub use point::Point;
#[doc(hidden)]
pub use point::rows;
pub use processor::{ProcessError, Processor, Verdict};
pub use progress::Progress;
pub use settings::{Setting, Settings};

/// Where a plugin that is granted a folder of its own finds it.
pub const DATA_DIR: &str = "/data";

/// Everything that a plugin usually names.
pub mod prelude {
    pub use crate::{
        Backend, CollectError, Collector, ColumnCollector, Columns, Definition, Description, KeptFile, MetricType,
        OpenError, Permission, Point, ProcessError, Processor, Reject, Retry, Run, Sample, Series, SeriesId, Settings,
        Verdict, WriteError, Written, connect, data_dir, env, host, read, secret, statfs, stdout, text, unix, write,
    };
}
