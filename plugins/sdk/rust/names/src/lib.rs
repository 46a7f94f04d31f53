//! How the names of series are written, for both sides of the sandbox: the agent's model and the plugins' kit call the
//! same functions, so that a series has one name wherever it is seen.
//!
//! [`flat`] is Open-Falcon's form of tags, `k=v,k2=v2`; [`prometheus`] turns a series into Prometheus' labels.
//!
//! Nothing here knows what a valid series is, and nothing here does I/O. The crate has no dependencies.
#![warn(missing_docs)]

pub mod flat;
mod labels;
pub mod prometheus;

pub use labels::Labels;
