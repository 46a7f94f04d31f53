//! What the agent takes from other programs: one folder for each protocol.
//!
//! ```text
//! HTTP routes, or LineListener (TCP, UDP) ─► Admission ─► Decoder ─► Batch ─► IngestSession of the pipeline
//!                                      the listener's KeyCache ──┘ known key → handle, else a sample to be named
//! ```
//!
//! A protocol is a [`ProtocolListener`]: it has settings of its own, reads them itself, and offers routes or sockets.
//! What all of them share is here: the [`AllListenerStats`] that count what each is sent, the [`IngestAdmission`] of
//! what may come in at all, and the memory of names that came before. [`Ingest`] holds them together, so that the agent
//! names each protocol once.
#![warn(missing_docs)]

mod admission;
mod asked;
mod batch;
pub mod csv;
mod extra;
pub mod falcon;
pub mod graphite;
mod http_door;
pub mod import;
pub mod influx;
mod ingest;
mod json;
mod keys;
mod metrics;
mod naming;
pub mod opentsdb;
pub mod prometheus;
mod reading;
mod settings;
mod socket;
mod stats;
mod take;
#[cfg(test)]
mod testing;
pub mod transfer;

pub use admission::{IngestAdmission, body_bytes_most};
pub use batch::{Batch, Decoder};
pub use http_door::{HttpConfig, HttpDoor, HttpListener, HttpProtocol};
pub use ingest::{Ingest, IngestContext, ProtocolListenError, ProtocolListener};
pub use keys::{KeyCache, KeyCacheStats, KnownKey, RawKey, SERIES_IDLE_MIN_S};
pub use metrics::IngestMetrics;
pub use reading::{Fault, Report};
pub use socket::{Framer, LineDoor, LineListener, LineProtocol, Reply, SocketConfig};
pub use stats::{AllListenerStats, ListenerStats, count};
