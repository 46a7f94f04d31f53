//! cAdvisor's answers as pure functions over the reader: what the collectors `containers` and `machine` bring, as its v1
//! and v2 JSON and under the names of its families. The routes stand under `http`.
//!
//! Values are the collectors' own; what is not known is left out, and no group of values is made up of zeros. What cAdvisor
//! gets wrong and what differs is in docs/containers.md.

mod events;
mod families;
mod find;
mod json;
mod machine;
mod place;
mod stats;
mod summary;

pub use events::{Event, EventKind, events};
pub use families::exposition;
pub use find::{Container, Found, Wanted, find};
pub use machine::{attributes, machine, version};
pub use stats::{Count, Form, info, spec, stats};
pub use summary::summary;

use crate::eval::QueryError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CadvisorError {
    /// There is no such container.
    #[error("unknown container {0:?}")]
    Unknown(String),
    /// Containers of several hosts are kept here.
    #[error("containers of several hosts are kept here ({0}): name one with ?endpoint=")]
    Endpoints(String),
    /// There are no values of the machine.
    #[error("nothing is known of the machine: the collector `machine` does not run, or has not yet")]
    NoMachine,
    /// The reader's and the budget's.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl From<saker_pipeline::reader::ReadError> for CadvisorError {
    fn from(error: saker_pipeline::reader::ReadError) -> Self {
        Self::Query(error.into())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::tree;
