//! One value of a series, as a backend gets it.

use crate::bindings::types::{Columns, SeriesId};

/// One value of a series that a backend knows by its handle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Which series: a handle that `define` has given.
    pub series: SeriesId,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// The value: finite.
    pub value: f64,
}

/// The rows of columns.
#[doc(hidden)]
#[must_use]
pub fn rows(columns: &Columns) -> Vec<Point> {
    let columns = columns.series.iter().zip(&columns.timestamps_ms).zip(&columns.values);
    columns.map(|((&series, &timestamp_ms), &value)| Point { series, timestamp_ms, value }).collect()
}
