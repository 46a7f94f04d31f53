//! An instance of a collector.

use std::sync::Arc;

use saker_model::Sample;
use wasmtime::Store;

use super::running::{Calling, ExportResult, GuestWorld, Instance, LiveGuest};
use super::{InstanceSpec, Run, wrong_kind};
use crate::bindings::collector::exports::saker::plugin::collector as wit_collector;
use crate::bindings::{collector, types};
use crate::columns::{CollectorDefinitions, ColumnBatch, DefinedSeries, Measurement};
use crate::convert;
use crate::ctx::Ctx;
use crate::engine::Sandbox;
use crate::failure::{CallError, Kill, PluginFault};
use crate::limits::Limits;
use crate::plugin::{Code, Plugin};

/// A collector that is open.
pub struct Collector {
    instance: Instance<collector::CollectorPlugin>,
    /// What it has defined. While a call runs, it is with the call, and ends with it.
    definitions: CollectorDefinitions,
}

/// What a call returns, and what the collector has defined by then.
struct Collected {
    answer: Result<CollectResult, wit_collector::CollectError>,
    definitions: CollectorDefinitions,
}

/// An answer within its bounds.
enum CollectResult {
    Records(Vec<types::Sample>),
    Columns(ColumnBatch),
}

impl ExportResult for Collected {
    fn is_value(&self) -> bool {
        self.answer.is_ok()
    }
}

impl Collector {
    /// Opens an instance of a collector.
    ///
    /// # Errors
    /// [`CallError`], or one that says it is another kind of plugin.
    pub async fn open(sandbox: &Sandbox, plugin: &Plugin, spec: &InstanceSpec) -> Result<Self, CallError> {
        let Code::Collector(pre) = plugin.code.clone() else { return Err(wrong_kind(plugin)) };
        let settings = spec.settings.clone();
        let open = move |mut store: Store<Ctx>| async move {
            let guest = pre.instantiate_async(&mut store).await?;
            let opened = guest.saker_plugin_collector().call_open(&mut store, &settings).await?;
            Ok((LiveGuest { store, guest }, opened))
        };
        Ok(Self { instance: Instance::open(sandbox, spec, open).await?, definitions: CollectorDefinitions::default() })
    }

    /// Measures once, and writes columns out as values.
    ///
    /// # Errors
    /// [`CallError`]; after [`CallError::Killed`] the instance is gone.
    pub async fn collect(&mut self, endpoint: &Arc<str>, run: Run) -> Result<Vec<Sample>, CallError> {
        let batch = match self.measure(endpoint, run).await? {
            Measurement::Records(values) => return Ok(values),
            Measurement::Columns(batch) => batch,
        };
        let points = batch.series.iter().zip(&batch.timestamps_ms).zip(&batch.values);
        let values = points.filter_map(|((&handle, &timestamp_ms), &value)| {
            Some(self.series(handle)?.value(endpoint, run.step_s, timestamp_ms, value))
        });
        Ok(values.collect())
    }

    /// Measures once.
    ///
    /// # Errors
    /// [`CallError`]; after [`CallError::Killed`] the instance is gone.
    pub async fn measure(&mut self, endpoint: &Arc<str>, run: Run) -> Result<Measurement, CallError> {
        let limits = self.instance.spec.limits.clone();
        let wit_run = wit_collector::Run { timestamp_ms: run.timestamp_ms, interval_ms: run.interval_ms };
        let mut definitions = std::mem::take(&mut self.definitions);
        let collected = self
            .instance
            .call("collect", limits.deadlines.collect, move |live| {
                Box::pin(async move {
                    let answer = live.guest.saker_plugin_collector().call_collect(&mut live.store, wit_run).await?;
                    let answer = match answer {
                        Ok(measurement) => Ok(take(measurement, &mut definitions, run, &limits)?),
                        Err(error) => Err(error),
                    };
                    Ok(Collected { answer, definitions })
                })
            })
            .await?;
        self.definitions = collected.definitions;
        let section = &self.instance.spec.section;
        let taken = collected.answer.map_err(|error| match error {
            wit_collector::CollectError::Denied(permission) => convert::denied(permission, section),
            wit_collector::CollectError::Unavailable(message) => {
                PluginFault::Unavailable(convert::words(&message)).into()
            }
            wit_collector::CollectError::Malformed(message) => PluginFault::Malformed(convert::words(&message)).into(),
            wit_collector::CollectError::Other(message) => PluginFault::Other(convert::words(&message)).into(),
        });
        Ok(match self.instance.explain(taken)? {
            CollectResult::Records(values) => {
                let values = values.into_iter().map(|value| convert::sample(value, endpoint, &run));
                Measurement::Records(values.collect())
            }
            CollectResult::Columns(batch) => Measurement::Columns(batch),
        })
    }

    /// The series that a handle stands for.
    #[must_use]
    pub fn series(&self, handle: u32) -> Option<&DefinedSeries> {
        self.definitions.get(handle)
    }

    /// Whether it can still be called.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.instance.is_alive()
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// [`CallError`]; it has ended all the same.
    pub async fn close(self) -> Result<(), CallError> {
        self.instance.close().await
    }
}

/// Holds an answer to its bounds.
fn take(
    measurement: wit_collector::Measurement,
    definitions: &mut CollectorDefinitions,
    run: Run,
    limits: &Limits,
) -> Result<CollectResult, Kill> {
    match measurement {
        wit_collector::Measurement::Records(values) if values.len() > limits.max_result_samples => {
            Err(Kill::AnswerRecords { records: values.len(), limit: limits.max_result_samples })
        }
        wit_collector::Measurement::Records(values) => Ok(CollectResult::Records(values)),
        wit_collector::Measurement::Columns(batch) => definitions.take(batch, run, limits).map(CollectResult::Columns),
    }
}

impl GuestWorld for collector::CollectorPlugin {
    fn close<'a>(&'a self, store: &'a mut Store<Ctx>) -> Calling<'a, ()> {
        Box::pin(self.saker_plugin_collector().call_close(store))
    }
}
