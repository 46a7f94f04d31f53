//! The one road that values take: validated, named, relabelled, kept.
//!
//! Every source hands what it has to an [`IngestSession`]; everything that wants points is a [`Sink`], and the one whose
//! word an acknowledgement is, a [`DurableSink`]. New series are asked about at a [`Relabel`], once. No plugin and no
//! socket is known here.
#![warn(missing_docs)]

mod asking;
mod clock;
mod config;
mod law;
mod laws;
mod memory;
mod metrics;
mod pipeline;
mod quota;
pub mod reader;
mod relabel;
mod session;
mod sink;
mod sources;

pub use clock::now_ms;
pub use config::PipelineConfig;
pub use law::{Breach, Law};
pub use laws::{LOOK_INTERVAL, LawWatch};
pub use memory::{MemoryBudget, MemoryPermit};
pub use metrics::PipelineMetrics;
pub use pipeline::{FLOOD, Parked, Pipeline, Receipt, Sinks};
pub use quota::{SeriesBudget, SeriesQuota, SeriesShares};
pub use relabel::{Relabel, RelabelOutcome};
pub use session::{Attempt, IngestSession, SeriesGeneration};
pub use sink::{CollectorRun, DurableSink, Overload, OverloadCause, OverloadPolicy, RejectedPoints, Sink};
pub use sources::{SourceCounters, SourceCounts, SourceName};
