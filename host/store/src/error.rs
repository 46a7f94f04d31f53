//! What can go wrong with the store.

use std::io;

use saker_journal::JournalError;

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The journal failed: it is in use, or the disk is full or broken.
    #[error("the store's journal failed")]
    Journal(#[from] JournalError),
    /// The disk or the quota is full. Nothing was kept of what was being written, and the next try writes it again.
    #[error("no space left to {doing} `{name}` of the store; free some, or lower [store] max_bytes")]
    NoSpace {
        /// What was tried.
        doing: &'static str,
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system rejected something else.
    #[error("failed to {doing} `{name}` of the store")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A policy or a rule makes no sense.
    #[error("{0}")]
    Policy(String),
}

impl StoreError {
    /// For `map_err`: what was tried with which file.
    pub(crate) fn of(doing: &'static str, name: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let name = name.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace { doing, name, source }
            }
            _ => Self::Io { doing, name, source },
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreReadError {
    /// The caller's flag says that nobody waits for the answer any more.
    #[error("cancelled")]
    Cancelled,
    /// More series than the limit match.
    #[error("more than {limit} series match; match fewer, or raise the limit")]
    Series {
        /// The limit that was given.
        limit: usize,
    },
    /// More samples would have to be looked at than the budget allows.
    #[error("up to {needed} samples would have to be read, {budget} are allowed; ask for less, or allow {needed}")]
    Samples {
        /// With this budget it is read.
        needed: u64,
        /// The budget that was given.
        budget: u64,
    },
    /// More memory would be needed than the budget allows.
    #[error("reading would take {needed} bytes of memory, {budget} are allowed; ask for less, or allow {needed}")]
    Memory {
        /// With this budget it is read.
        needed: u64,
        /// The budget that was given.
        budget: u64,
    },
    /// It took longer than the budget allows.
    #[error("reading took more than {budget_ms} ms; ask for less, or allow about {needed_ms} ms")]
    Time {
        /// By what was done so far, about this long would do.
        needed_ms: u64,
        /// The budget that was given.
        budget_ms: u64,
    },
    /// A matcher's regular expression is none.
    #[error("`{pattern}` is no regular expression")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// The disk failed.
    #[error("failed to read `{name}` of the store")]
    Io {
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
