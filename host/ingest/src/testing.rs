//! A pipeline whose points a test looks at.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;
use saker_http::body::{Meter, Short};
use saker_model::{Point, Series, SeriesId, SeriesLimits, SeriesTable};
use saker_pipeline::{
    Breach, DurableSink, Left, MemoryBudget, Overload, Pipeline, Refusing, Relabel, RelabelOutcome, SeriesShares, Sinks,
};

/// A sink that takes everything, unless it is told to refuse.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) points: Mutex<Vec<Point>>,
    pub(crate) refusal: Mutex<Option<Overload>>,
}

/// No processors.
struct Unchanged;

impl Relabel for Unchanged {
    fn relabel<'a>(&'a self, series: &'a [Arc<Series>], _: &'a SeriesLimits) -> BoxFuture<'a, Vec<RelabelOutcome>> {
        ready(vec![RelabelOutcome::Keep; series.len()]).boxed()
    }
}

impl DurableSink for Kept {
    fn accept<'a>(&'a self, points: &'a [Point], _: Refusing) -> BoxFuture<'a, Result<Vec<Left>, Overload>> {
        let refusal = self.refusal.lock().clone();
        if refusal.is_none() {
            self.points.lock().extend_from_slice(points);
        }
        ready(refusal.map_or(Ok(Vec::new()), Err)).boxed()
    }

    fn accepted(&self) -> u64 {
        self.points.lock().len() as u64
    }

    fn refusal(&self) -> Option<Overload> {
        self.refusal.lock().clone()
    }

    fn is_open(&self) -> bool {
        true
    }

    fn opened(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    fn forget(&self, _: &[SeriesId]) {}

    fn breaches(&self) -> Vec<Breach> {
        Vec::new()
    }
}

/// A pipeline into a sink.
pub(crate) fn pipeline_into(kept: &Arc<Kept>) -> Arc<Pipeline> {
    let sinks = Sinks { durable: kept.clone(), others: Vec::new() };
    let shares = SeriesShares { collectors: 0.1, listener: 1.0 };
    let (table, memory) = (Arc::new(SeriesTable::new(1_000_000)), Arc::new(MemoryBudget::new(128 << 20)));
    Arc::new(Pipeline::new(table, memory, sinks, Arc::new(Unchanged), shares))
}

/// A pipeline into nothing that anybody looks at.
pub(crate) fn pipeline() -> Arc<Pipeline> {
    pipeline_into(&Arc::default())
}

/// As much memory as anybody wants.
pub(crate) struct Unbounded;

impl Meter for Unbounded {
    fn grow(&mut self, _: usize) -> Result<(), Short> {
        Ok(())
    }
}
