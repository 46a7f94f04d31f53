//! What can go wrong with a journal.

use std::io;

/// Why a journal did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else has it open.
    #[error("the journal is in use: another process, or this one, holds its file `lock`; end that one first")]
    Locked,
    /// The disk or the quota is full, or the file size limit of the process is reached. The record was not kept, the
    /// journal is as it was, and the next append tries again.
    #[error("no space left to {doing} `{name}`; free some, or lower the limits of the queues")]
    NoSpace {
        /// What was tried.
        doing: &'static str,
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record of more than [`MAX_PAYLOAD_BYTES`](crate::MAX_PAYLOAD_BYTES). It was not kept.
    #[error("a record of {bytes} bytes is too large for the journal, which takes {most}; split it")]
    TooLarge {
        /// The record's.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// The system rejected something else. An append that failed kept nothing.
    #[error("failed to {doing} `{name}`")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl JournalError {
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
