//! From points to destinations: routes pick nodes, queues hold what is on its way, senders hand it over.
//!
//! [`Forwarder::accept`] takes points, finds out once per series where they go, and puts them into the [`Node`]s'
//! queues. Every node has a task of its own, so that one which is away delays no other. What a node's task talks to is
//! a [`Backend`], which this crate knows only as a trait.
//!
//! The law of every node: enqueued = delivered + queued + dropped, by reason.
#![warn(missing_docs)]

mod backend;
mod backoff;
pub mod codec;
mod forwarder;
mod hash;
mod node;
mod queue;
mod route;
mod sender;

pub use backend::{Backend, SendError, Session};
pub use backoff::BackoffConfig;
pub use forwarder::{Account, Forwarder, NodeAccount, Topology};
pub use hash::HashKind;
pub use node::{DropReason, Node, NodeConfig, NodeStats};
pub use queue::QueueLimits;
pub use route::{Matcher, Route};
