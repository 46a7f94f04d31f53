//! What is said of series before their first points are taken.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use saker_model::{RejectReason, Series, SeriesLimits};

/// What becomes of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelabelOutcome {
    /// It stays what it is.
    Keep,
    /// Its points belong to this series.
    To(Series),
    /// Its points are dropped.
    Dropped,
    /// It has been made into something that is no series.
    Rejected(RejectReason),
    /// Nothing could be said of it; it is asked about again.
    Failed,
}

/// Says what becomes of series. It is asked about each of them once, until [`judge_again`](crate::Pipeline::judge_again).
pub trait Relabel: Send + Sync + 'static {
    /// What becomes of these, in their order. Series that they are made into are checked against `limits`, as any are.
    fn relabel<'a>(&'a self, series: &'a [Arc<Series>], limits: &'a SeriesLimits)
    -> BoxFuture<'a, Vec<RelabelOutcome>>;
}
