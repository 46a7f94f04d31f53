//! The HTTP server under the agent's API: it accepts connections within bounds, decides who may ask, and reads bodies
//! as far as there is room for them.
//!
//! ```text
//! accept ─► ConnectionTable (how many, from where) ─► Guarded socket (time for heads, idleness, slow readers)
//!        ─► admission (size, Host, Origin, Sec-Fetch-Site) ─► router (token, operators' header) ─► body::read
//! ```
//!
//! What is asked for is the caller's: it brings an [`axum::Router`], and says with [`guarded`] and [`operator`] which
//! paths want what. No points, plugins or configuration files are known here.
#![warn(missing_docs)]

mod admission;
pub mod body;
mod config;
mod connection;
mod descriptors;
mod error;
mod forwarded;
mod listener;
mod metrics;
mod names;
mod network;
mod origin;
mod server;
mod settings;
mod stats;
mod table;
mod token;

pub use admission::{OPERATOR_HEADER, RequestInfo, guarded, operator};
pub use config::ListenConfig;
pub use descriptors::{is_kept_back, raise_limit};
pub use error::{ApiError, RejectCode};
pub use listener::{ListenError, Listener};
pub use metrics::HttpMetrics;
pub use names::HostNames;
pub use network::{IpNetwork, NetworkError};
pub use server::{Handover, Server, StopTimes};
pub use settings::{HttpLimits, ServerSettings};
pub use stats::{BodyEnd, Ending, ReasonCounts, ReasonLabel, Rejection, Stats, Turned};
pub use table::{ConnectionSeat, ConnectionTable};
pub use token::{Token, TokenError};
