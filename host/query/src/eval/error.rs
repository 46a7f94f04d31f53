//! Why a query has no answer.

use saker_pipeline::reader::ReadError;

use super::STEPS_MAX;
use crate::pattern::PatternError;
use crate::place::SyntaxError;
use crate::types::ValueType;

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// It cannot be understood.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// What is stored could not be read, or the budget is spent.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A matcher's pattern cannot be used.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The step is not positive.
    #[error("zero or negative query resolution step widths are not accepted. Try a positive integer")]
    Step,
    /// The range ends before it starts.
    #[error("end timestamp must not be before start time")]
    EndBeforeStart,
    /// The range has too many steps.
    #[error("the range has {steps} steps, and {} is the most: a step of {step_s}s would do", STEPS_MAX + 1)]
    Steps {
        /// So many.
        steps: i64,
        /// A step that would do, in seconds.
        step_s: i64,
    },
    /// It has a type that a range query cannot have.
    #[error("invalid expression type \"{found}\" for range query, must be scalar or instant vector")]
    NotForRange {
        /// The type.
        found: ValueType,
    },
    /// A selector finds too many series.
    #[error("{selector} finds more than {limit} series; name the metric, or more labels")]
    SeriesLimit {
        /// The selector.
        selector: String,
        /// The limit.
        limit: usize,
    },
    /// A range function over data that is kept in buckets only.
    #[error(
        "until {until} only buckets of {granularity_s}s are kept, which {what} cannot be told from; {}",
        since.as_ref().map_or_else(
            || "no samples are kept as they came".to_owned(),
            |since| format!("samples are kept as they came since {since}: ask for windows that begin then or later"),
        )
    )]
    Coarse {
        /// What was asked for.
        what: String,
        /// How long a bucket is.
        granularity_s: i64,
        /// The newest value that is kept in a bucket only, in UTC.
        until: String,
        /// The oldest value behind it that is kept as it came, in UTC.
        since: Option<String>,
    },
    /// Two series of a result have the same labels.
    #[error("vector cannot contain metrics with the same labelset: {labels}")]
    SameLabels {
        /// The labels.
        labels: String,
    },
    /// Series of two vectors do not match as they must.
    #[error(transparent)]
    Match(#[from] MatchError),
    /// An argument of a function or an aggregation.
    #[error("invalid {what}: {found}; {cure}")]
    Argument {
        /// Which argument.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        cure: &'static str,
    },
}

/// Why series of two vectors do not match.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MatchError {
    /// Several series on the side that must have one.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{first}, {second}];\
         many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels that they share.
        group: String,
        /// `left` or `right`.
        side: &'static str,
        /// One of them.
        first: String,
        /// Another.
        second: String,
    },
    /// Several series where one was expected.
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    ManyToOne,
    /// Several results with the same labels.
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    NotUnique,
}
