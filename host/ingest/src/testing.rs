//! A pipeline whose points a test looks at.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;
use saker_http::body::{BodyMeter, MemoryShortage};
use saker_model::{Point, Series, SeriesId, SeriesLimits, SeriesTable};
use saker_pipeline::{
    Breach, DurableSink, MemoryBudget, Overload, OverloadPolicy, Pipeline, RejectedPoints, Relabel, RelabelOutcome,
    SeriesShares, Sinks,
};

/// A sink that takes everything, unless it is told to reject.
#[derive(Default)]
pub(crate) struct KeepingSink {
    pub(crate) points: Mutex<Vec<Point>>,
    pub(crate) rejection: Mutex<Option<Overload>>,
}

/// No processors.
struct Unchanged;

impl Relabel for Unchanged {
    fn relabel<'a>(&'a self, series: &'a [Arc<Series>], _: &'a SeriesLimits) -> BoxFuture<'a, Vec<RelabelOutcome>> {
        ready(vec![RelabelOutcome::Keep; series.len()]).boxed()
    }
}

impl DurableSink for KeepingSink {
    fn accept<'a>(
        &'a self,
        points: &'a [Point],
        _: OverloadPolicy,
    ) -> BoxFuture<'a, Result<Vec<RejectedPoints>, Overload>> {
        let rejection = self.rejection.lock().clone();
        if rejection.is_none() {
            self.points.lock().extend_from_slice(points);
        }
        ready(rejection.map_or(Ok(Vec::new()), Err)).boxed()
    }

    fn accepted(&self) -> u64 {
        self.points.lock().len() as u64
    }

    fn rejection(&self) -> Option<Overload> {
        self.rejection.lock().clone()
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
pub(crate) fn pipeline_into(kept: &Arc<KeepingSink>) -> Arc<Pipeline> {
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

impl BodyMeter for Unbounded {
    fn grow(&mut self, _: usize) -> Result<(), MemoryShortage> {
        Ok(())
    }
}
