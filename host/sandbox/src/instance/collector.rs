//! An instance of a collector.

use std::sync::Arc;

use saker_model::MetricValue;
use wasmtime::Store;

use super::running::{Calling, Instance, Live, World};
use super::{InstanceSpec, Tick, wrong_kind};
use crate::bindings::collector;
use crate::bindings::collector::exports::saker::plugin::collector as wit_collector;
use crate::convert;
use crate::ctx::Ctx;
use crate::engine::Sandbox;
use crate::failure::{CallError, Kill, PluginFault};
use crate::plugin::{Code, Plugin};

/// A collector that is open.
pub struct Collector(Instance<collector::CollectorPlugin>);

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
        Ok(Self(Instance::open(sandbox, spec, open).await?))
    }

    /// Measures once.
    ///
    /// # Errors
    /// [`CallError`]; after [`CallError::Killed`] the instance is gone.
    pub async fn collect(&mut self, endpoint: &Arc<str>, tick: Tick) -> Result<Vec<MetricValue>, CallError> {
        let deadline = self.0.spec.limits.deadlines.collect;
        let limit = self.0.spec.limits.answer_records;
        let wit_tick = wit_collector::Tick { timestamp_ms: tick.timestamp_ms, interval_ms: tick.interval_ms };
        let answer = self
            .0
            .call("collect", deadline, move |live| {
                Box::pin(async move {
                    let answer = live.guest.saker_plugin_collector().call_collect(&mut live.store, wit_tick).await?;
                    let records = answer.as_ref().map_or(0, Vec::len);
                    if records > limit { Err(Kill::AnswerRecords { records, limit }.into()) } else { Ok(answer) }
                })
            })
            .await?;
        let section = &self.0.spec.section;
        let values = answer.map_err(|error| match error {
            wit_collector::CollectError::Denied(permission) => convert::denied(permission, section),
            wit_collector::CollectError::Unavailable(message) => {
                PluginFault::Unavailable(convert::words(&message)).into()
            }
            wit_collector::CollectError::Malformed(message) => PluginFault::Malformed(convert::words(&message)).into(),
            wit_collector::CollectError::Other(message) => PluginFault::Other(convert::words(&message)).into(),
        });
        let values = self.0.explain(values)?;
        Ok(values.into_iter().map(|value| convert::metric_value(value, endpoint, &tick)).collect())
    }

    /// Whether it can still be called.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// [`CallError`]; it has ended all the same.
    pub async fn close(self) -> Result<(), CallError> {
        self.0.close().await
    }
}

impl World for collector::CollectorPlugin {
    fn close<'a>(&'a self, store: &'a mut Store<Ctx>) -> Calling<'a, ()> {
        Box::pin(self.saker_plugin_collector().call_close(store))
    }
}
