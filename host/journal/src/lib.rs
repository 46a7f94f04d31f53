//! A journal: records of bytes in segment files, checksummed, in order, kept until they are trimmed.
//!
//! A destination's queue appends what it has taken with [`Journal::append`], which survives the death of the process
//! once it returns, and the death of the machine after [`Journal::sync`]. A [`JournalReader`] follows on any thread.
//! How far the records have been dealt with is the caller's business; [`Marks`] keeps that safely. [`WholeFiles`] keeps
//! what is small and is replaced as a whole.
//!
//! It knows bytes, not metrics. Beside its bytes a record has a weight, its *items*; the sums of the weights are kept
//! so that what a damaged file held can be counted to the item.
//!
//! Nothing here waits for anything but the disk, which is a [`Disk`]: a folder, or a simulated one. Nothing is cut off a
//! file but what a dying process left half written. A flipped bit costs nothing, by parity, or one record. A segment
//! that has lost some, and a file that is something else, are set aside: they stay in the folder as `*.damaged` until
//! an operator removes them.
#![warn(missing_docs)]

mod data_lock;
mod disk;
mod error;
mod format;
mod journal;
mod marks;
mod parity;
mod position;
mod reader;
mod recovery;
mod shared;
mod walk;
mod whole;

pub use data_lock::{DataLock, DataLockError};
pub use disk::sim::{SimDisk, SimFault, SimTrouble};
pub use disk::{Disk, DiskFile, FolderEntry, OpenMode, real, write_all_at};
pub use error::JournalError;
pub use format::MAX_PAYLOAD_BYTES;
pub use journal::{DEFAULT_SEGMENT_BYTES, Journal, JournalConfig};
pub use marks::{MAX_MARK_BYTES, Marks, SavedMark};
pub use position::Position;
pub use reader::{JournalReader, Loss, LossCause, ReadOutcome};
pub use recovery::{DamagedFile, Recovery};
pub use shared::SegmentInfo;
pub use whole::{Contents, MAX_WHOLE_BYTES, WholeFiles};
