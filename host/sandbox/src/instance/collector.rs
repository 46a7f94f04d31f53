//! An instance of a collector.

use std::sync::Arc;

use saker_model::MetricValue;
use wasmtime::Store;

use super::running::{Answer, Calling, Instance, Live, World};
use super::{InstanceSpec, Tick, wrong_kind};
use crate::bindings::collector::exports::saker::plugin::collector as wit_collector;
use crate::bindings::{collector, types};
use crate::columns::{ColumnBatch, DefinedSeries, Definitions, Measurement};
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
    definitions: Definitions,
}

/// What a call returns, and what the collector has defined by then.
struct Collected {
    answer: Result<Taken, wit_collector::CollectError>,
    definitions: Definitions,
}

/// An answer within its bounds.
enum Taken {
    Records(Vec<types::MetricValue>),
    Columns(ColumnBatch),
}

impl Answer for Collected {
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
            Ok((Live { store, guest }, opened))
        };
        Ok(Self { instance: Instance::open(sandbox, spec, open).await?, definitions: Definitions::default() })
    }

    /// Measures once, and writes columns out as values.
    ///
    /// # Errors
    /// [`CallError`]; after [`CallError::Killed`] the instance is gone.
    pub async fn collect(&mut self, endpoint: &Arc<str>, tick: Tick) -> Result<Vec<MetricValue>, CallError> {
        let batch = match self.measure(endpoint, tick).await? {
            Measurement::Records(values) => return Ok(values),
            Measurement::Columns(batch) => batch,
        };
        let points = batch.series.iter().zip(&batch.timestamps_ms).zip(&batch.values);
        let values = points.filter_map(|((&handle, &timestamp_ms), &value)| {
            Some(self.series(handle)?.value(endpoint, tick.step_s, timestamp_ms, value))
        });
        Ok(values.collect())
    }

    /// Measures once.
    ///
    /// # Errors
    /// [`CallError`]; after [`CallError::Killed`] the instance is gone.
    pub async fn measure(&mut self, endpoint: &Arc<str>, tick: Tick) -> Result<Measurement, CallError> {
        let limits = self.instance.spec.limits.clone();
        let wit_tick = wit_collector::Tick { timestamp_ms: tick.timestamp_ms, interval_ms: tick.interval_ms };
        let mut definitions = std::mem::take(&mut self.definitions);
        let collected = self
            .instance
            .call("collect", limits.deadlines.collect, move |live| {
                Box::pin(async move {
                    let answer = live.guest.saker_plugin_collector().call_collect(&mut live.store, wit_tick).await?;
                    let answer = match answer {
                        Ok(measurement) => Ok(take(measurement, &mut definitions, tick, &limits)?),
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
            Taken::Records(values) => {
                let values = values.into_iter().map(|value| convert::metric_value(value, endpoint, &tick));
                Measurement::Records(values.collect())
            }
            Taken::Columns(batch) => Measurement::Columns(batch),
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
    definitions: &mut Definitions,
    tick: Tick,
    limits: &Limits,
) -> Result<Taken, Kill> {
    match measurement {
        wit_collector::Measurement::Records(values) if values.len() > limits.answer_records => {
            Err(Kill::AnswerRecords { records: values.len(), limit: limits.answer_records })
        }
        wit_collector::Measurement::Records(values) => Ok(Taken::Records(values)),
        wit_collector::Measurement::Columns(batch) => definitions.take(batch, tick, limits).map(Taken::Columns),
    }
}

impl World for collector::CollectorPlugin {
    fn close<'a>(&'a self, store: &'a mut Store<Ctx>) -> Calling<'a, ()> {
        Box::pin(self.saker_plugin_collector().call_close(store))
    }
}
