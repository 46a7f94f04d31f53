//! What the agent takes from other programs: one folder for each protocol.
//!
//! A protocol is a [`Listener`]: it has settings of its own, reads them itself, and offers routes. What all of them
//! share is here: the [`Doors`] that count what each is sent, and the [`Admission`] of what may come in at all.
//! [`Ingest`] holds them together, so that the agent names each protocol once.
#![warn(missing_docs)]

mod admission;
mod doors;
pub mod falcon;
pub mod influx;
mod ingest;
mod metrics;
#[cfg(test)]
mod testing;

pub use admission::{Admission, body_bytes_most};
pub use doors::{Door, Doors, count};
pub use influx::SERIES_IDLE_MIN_S;
pub use ingest::{Context, Ingest, ListenError, Listener};
pub use metrics::IngestMetrics;
