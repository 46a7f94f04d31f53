//! From points to destinations: routes pick nodes, queues hold what is on its way, senders hand it over.
//!
//! [`Forwarder::accept`] takes points, finds out once per series where they go, and puts them into the [`Node`]s'
//! queues, which are on disk if they are to outlive the process. Every node has a task of its own, so that one which is
//! away delays no other. What a node's task talks to is a [`Backend`], which this crate knows only as a trait.
//!
//! The law of every node: enqueued + recovered = delivered + queued + dropped, by reason.
#![warn(missing_docs)]

mod accepting;
mod api;
mod backend;
mod backoff;
pub mod clock;
pub mod codec;
mod config;
mod forwarder;
mod hash;
mod health;
mod law;
mod metrics;
mod node;
mod operate;
mod queue;
mod route;
mod sender;
mod topology;

pub use api::{ApiState, BackendNames, operating, router};
pub use backend::{Backend, SendError, Session};
pub use forwarder::{Account, Forwarder, NodeAccount};
pub use hash::HashKind;
pub use health::Breaker;
pub use metrics::NodeMetrics;
pub use node::{DropReason, FailureKind, Node, NodeConfig, NodeStats};
pub use operate::OperateError;
pub use queue::spool::{Done, Order, Shown, SpoolDir, SpoolFolder, SpoolStats};
pub use queue::{Durability, FRESH_AGE, QueueConfig, WhenFull};
pub use route::{Matcher, OnUnavailable, Route};
pub use topology::Topology;
