//! What a query answers.

use crate::annotations::Annotations;
use crate::labels::Labels;

/// A number at a time, in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimedNumber {
    /// When.
    pub time_ms: i64,
    /// The number.
    pub value: f64,
}

/// A series of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct InstantSample {
    /// Which.
    pub labels: Labels,
    /// Its value.
    pub point: TimedNumber,
}

/// A series of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSeries {
    /// Which.
    pub labels: Labels,
    /// Its values, in order of time.
    pub points: Vec<TimedNumber>,
}

/// The result of a query, by its type.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    /// A number.
    Scalar(TimedNumber),
    /// A string, and the time of the query.
    Text(i64, String),
    /// Series at one time; in order if the query sorts, else by labels as they were found.
    Vector(Vec<InstantSample>),
    /// Series over time, sorted by labels.
    Matrix(Vec<RangeSeries>),
}

/// A result with what is to be known about it.
#[derive(Clone, Debug)]
pub struct QueryAnswer {
    /// The result.
    pub value: QueryValue,
    /// What its author should know.
    pub annotations: Annotations,
    /// Samples that were read for it.
    pub samples: u64,
}
