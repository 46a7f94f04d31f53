//! The store of a host: every value that is collected or pushed, on disk, for years, in little room.
//!
//! A [`Store`] takes ticks of sources that measure their series together ([`Store::append_tick`]) and points that come
//! otherwise ([`Store::append_points`]). They are in its journal when the call returns, safe from a loss of power after
//! [`Store::sync`], and readable at once. Heads of some tens of ticks become extents in files, one file a span of time,
//! rolled up and merged by [`Store::maintain`], removed when their time is over.
//!
//! The engine starts no thread and looks at no clock: whoever calls says what time it is. The disk is a
//! [`Disk`](saker_journal::Disk), real or simulated. A flipped bit costs an extent or a record, and is counted.
//! [`StoreService`] is the engine at work: its threads, the [`StoreSink`] that the pipeline hands points to, its metrics.
#![warn(missing_docs)]

mod answer;
mod append;
mod bucket;
mod bucket_extent;
mod budget;
mod cache;
mod column;
mod config;
mod delete;
mod deleted;
mod error;
mod extent;
mod file;
mod files;
mod frame;
mod group;
mod http;
mod io;
mod key;
mod lane;
mod log;
mod maintain;
mod matcher;
mod merge;
mod merged;
mod metrics;
mod names;
mod policy;
mod read;
mod reader;
mod recover;
mod retention;
mod roll;
mod seal;
mod service;
mod sink;
mod sketch;
mod status;
mod store;
mod sync;
mod table;
mod transfer;
mod view;
mod wal;
mod wire;

pub use answer::AnswerFormat;
pub use append::Appended;
pub use budget::Budget;
pub use error::{StoreError, StoreReadError};
pub use files::Opened;
pub use http::{Forget, NEXT, RANGE, STORE, StoreFolder, operating, router};
pub use key::StoredSeries;
pub use maintain::{Maintained, Surroundings};
pub use matcher::{Op, StoreMatcher, StoredLabel};
pub use metrics::StoreMetrics;
pub use policy::{ArchiveAggregate, FOREVER_MS, Granularity, Policies, Policy, PolicyRule};
pub use read::{ReadColumns, StoredChunk, TimeRange};
pub use reader::StoreReader;
pub use service::{Ended, StoreService, open_folder};
pub use sink::StoreSink;
pub use status::{StoreStatus, TierStatus, Verified};
pub use store::{GroupId, Store, StoreConfig, StoreDurability, Totals};
pub use transfer::{EXPORT_MAGIC, Exported, Imported, TransferError, read_exported, whole_blocks};
