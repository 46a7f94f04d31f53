//! An instance of a processor.

use saker_model::Series;
use wasmtime::Store;

use super::running::{Calling, GuestWorld, Instance, LiveGuest};
use super::{InstanceSpec, Verdict, wrong_kind};
use crate::bindings::processor;
use crate::bindings::processor::exports::saker::plugin::processor as wit_processor;
use crate::convert;
use crate::ctx::Ctx;
use crate::engine::Sandbox;
use crate::failure::{CallError, PluginFault};
use crate::plugin::{Code, Plugin};

/// A processor that is open.
pub struct Processor(Instance<processor::ProcessorPlugin>);

impl Processor {
    /// Opens an instance of a processor.
    ///
    /// # Errors
    /// [`CallError`], or one that says it is another kind of plugin.
    pub async fn open(sandbox: &Sandbox, plugin: &Plugin, spec: &InstanceSpec) -> Result<Self, CallError> {
        let Code::Processor(pre) = plugin.code.clone() else { return Err(wrong_kind(plugin)) };
        let settings = spec.settings.clone();
        let open = move |mut store: Store<Ctx>| async move {
            let guest = pre.instantiate_async(&mut store).await?;
            let opened = guest.saker_plugin_processor().call_open(&mut store, &settings).await?;
            Ok((LiveGuest { store, guest }, opened))
        };
        Ok(Self(Instance::open(sandbox, spec, open).await?))
    }

    /// Judges series: one verdict for each, in their order.
    ///
    /// # Errors
    /// [`CallError`]; after [`CallError::Killed`] the instance is gone.
    pub async fn map_series(&mut self, series: &[Series]) -> Result<Vec<Verdict>, CallError> {
        let deadline = self.0.spec.limits.deadlines.map;
        let wanted = series.len();
        let series: Vec<_> = series.iter().map(convert::series_out).collect();
        let answer = self
            .0
            .call("map-series", deadline, move |live| {
                Box::pin(
                    async move { live.guest.saker_plugin_processor().call_map_series(&mut live.store, &series).await },
                )
            })
            .await?;
        if answer.len() != wanted {
            let message = format!("it gave {} verdicts for {wanted} series", answer.len());
            return Err(PluginFault::Malformed(message).into());
        }
        Ok(answer
            .into_iter()
            .map(|verdict| match verdict {
                wit_processor::Verdict::Keep => Verdict::Keep,
                wit_processor::Verdict::Drop => Verdict::Drop,
                wit_processor::Verdict::Change(series) => Verdict::Change(convert::series_in(series)),
                wit_processor::Verdict::Fail(wit_processor::ProcessError::Other(message)) => {
                    Verdict::Fail(convert::words(&message))
                }
            })
            .collect())
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

impl GuestWorld for processor::ProcessorPlugin {
    fn close<'a>(&'a self, store: &'a mut Store<Ctx>) -> Calling<'a, ()> {
        Box::pin(self.saker_plugin_processor().call_close(store))
    }
}
