//! The words of the agent: metric values at its edges, series and points inside.
//!
//! A [`MetricValue`] is what a source hands in. [`MetricValue::validate`] puts it in order or refuses it with a
//! [`Reason`]. The [`SeriesTable`] interns what identifies it, once, as a [`Series`] with a [`SeriesId`], and from
//! then on only [`Point`]s travel.
//!
//! No input or output happens here, and nothing waits.
#![warn(missing_docs)]

mod glob;
mod rate;
mod series;
mod table;
pub mod text;
mod value;

pub use glob::Glob;
pub use rate::Rate;
pub use series::{MetricType, Point, Series, SeriesId, Tags};
pub use table::{Mapped, Named, SeriesTable, TableFull};
pub use value::{LIMITS, MetricValue, Reason, Refused, ValueLimits, check_time, is_text};
