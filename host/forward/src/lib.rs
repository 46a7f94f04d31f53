//! From points to destinations: routes pick destinations, queues hold what is on its way, senders hand it over.
//!
//! [`Forwarder::accept`] takes points, finds out once per series where they go, and puts them into the
//! [`Destination`]s' queues, which are on disk if they are to outlive the process. Every destination has a task of its
//! own, so that one which is away delays no other. What a destination's task talks to is a [`DestinationBackend`],
//! which this crate knows only as a trait.
//!
//! The law of every destination: enqueued + recovered = delivered + queued + dropped, by reason.
#![warn(missing_docs)]

mod accepting;
mod api;
mod backend;
mod backoff;
pub mod clock;
pub mod codec;
mod config;
mod destination;
mod forwarder;
mod hash;
mod health;
mod law;
mod metrics;
mod operate;
mod queue;
mod route;
mod sender;
mod topology;

pub use api::{BackendNames, ForwardApiState, operating, router};
pub use backend::{BackendSession, DestinationBackend, SendError};
pub use destination::{DeliveryConfig, Destination, DestinationStats, DropReason, FailureKind};
pub use forwarder::{DestinationAccount, FinalAccount, Forwarder};
pub use hash::HashKind;
pub use health::Breaker;
pub use metrics::DestinationMetrics;
pub use operate::OperateError;
pub use queue::spool::{QueueCommand, QueueCommandOutcome, QueuedPoint, SpoolDir, SpoolFolder, SpoolStats};
pub use queue::{Durability, FRESH_AGE, QueueConfig, WhenFull};
pub use route::{OnUnavailable, Route, RouteMatcher};
pub use topology::Topology;
