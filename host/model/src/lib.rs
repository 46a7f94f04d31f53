//! The words of the agent: samples at its edges, series and points inside.
//!
//! A [`Sample`] is what a source hands in. Its series is checked once ([`SeriesError`]), its point each time
//! ([`PointError`]); what is rejected is counted under a [`RejectReason`]. The [`SeriesTable`] interns what identifies
//! it, once, as a [`Series`] with a [`SeriesId`], and from then on only [`Point`]s travel.
//!
//! No input or output happens here, and nothing waits.
#![warn(missing_docs)]

mod attributes;
mod backoff;
mod durations;
mod glob;
mod rate;
mod reason;
mod series;
mod stale;
mod table;
pub mod text;
mod value;

pub use backoff::{Backoff, BackoffConfig};
pub use durations::DurationHistogram;
pub use glob::Glob;
pub use rate::Rate;
pub use reason::{RejectCounts, RejectReason};
pub use saker_names::{flat, prometheus};
pub use series::{MetricType, Point, Series, SeriesId, Tags};
pub use stale::{STALE_MARKER, is_stale};
pub use table::{Changed, RelabelMemo, Resolution, SeriesTable, TableFull};
pub use value::{
    LIMITS, PointError, Sample, SampleLimits, SeriesError, SeriesLimits, check_number, check_time, is_text,
};
