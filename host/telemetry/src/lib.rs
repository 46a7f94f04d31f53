//! The agent's own metrics: each component registers what it counts once, and `/metrics` reads them all.
//!
//! A component keeps its counters where it counts. What it registers is a [`Metrics`], which reads them when somebody
//! asks, so that nothing is counted twice.
#![warn(missing_docs)]

mod exposition;
mod process;
mod registry;

pub use exposition::{LabelledValues, Labels, Out, by, one};
pub use process::ProcessMetrics;
pub use registry::{CONTENT_TYPE, MetricRegistry, Metrics};
