//! An instance of a backend.

use std::sync::Arc;
use std::time::Duration;

use saker_model::{Point, Series, SeriesId};
use wasmtime::Store;

use super::running::{Calling, GuestWorld, Instance, LiveGuest};
use super::{InstanceSpec, WriteError, wrong_kind};
use crate::bindings::backend;
use crate::bindings::backend::exports::saker::plugin::backend as wit_backend;
use crate::convert;
use crate::ctx::Ctx;
use crate::engine::Sandbox;
use crate::failure::CallError;
use crate::plugin::{Code, Plugin};

/// So many series are defined in one call: what a call hands over is there three times, here, on its way and in the
/// guest.
const DEFINITIONS_MOST: usize = 1000;
/// The longest pause that a destination may ask for: one that names a day is wrong, not busy. The sender holds it to
/// its own longest pause as well.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A backend that is open.
pub struct Backend(Instance<backend::BackendPlugin>);

impl Backend {
    /// Opens an instance of a backend.
    ///
    /// # Errors
    /// [`CallError`], or one that says it is another kind of plugin.
    pub async fn open(sandbox: &Sandbox, plugin: &Plugin, spec: &InstanceSpec) -> Result<Self, CallError> {
        let Code::Backend(pre) = plugin.code.clone() else { return Err(wrong_kind(plugin)) };
        let settings = spec.settings.clone();
        let open = move |mut store: Store<Ctx>| async move {
            let guest = pre.instantiate_async(&mut store).await?;
            let opened = guest.saker_plugin_backend().call_open(&mut store, &settings).await?;
            Ok((LiveGuest { store, guest }, opened))
        };
        Ok(Self(Instance::open(sandbox, spec, open).await?))
    }

    /// Gives series their handles, then writes points; first takes back the handles in `forget`.
    ///
    /// One trip to the sandbox's threads for all three. Returns how many points were taken.
    ///
    /// # Errors
    /// [`WriteError`]; after a [`CallError::Killed`] in it the instance is gone.
    pub async fn write(
        &mut self,
        forget: Vec<SeriesId>,
        define: &[(SeriesId, Arc<Series>)],
        points: &[Point],
    ) -> Result<u32, WriteError> {
        let deadline = self.0.spec.limits.deadlines.write;
        let forget: Vec<u32> = forget.into_iter().map(|id| id.0).collect();
        let define = define.to_vec();
        let offered = points.len();
        let points = convert::columns(points);
        let answer = self
            .0
            .call("write", deadline, move |live| {
                Box::pin(async move {
                    let guest = live.guest.saker_plugin_backend();
                    if !forget.is_empty() {
                        guest.call_forget(&mut live.store, &forget).await?;
                    }
                    for some in define.chunks(DEFINITIONS_MOST) {
                        let some: Vec<_> = some.iter().map(definition).collect();
                        guest.call_define(&mut live.store, &some).await?;
                    }
                    guest.call_write(&mut live.store, &points).await
                })
            })
            .await
            .map_err(WriteError::Call)?;
        let denied = self.0.denials.take();
        match answer {
            Ok(written) if written.points as usize > offered => {
                let message = format!("it says it has written {} points, and there were {offered}", written.points);
                Err(WriteError::Broken(message))
            }
            Ok(written) => Ok(written.points),
            Err(wit_backend::WriteError::Denied(permission)) => {
                Err(WriteError::Call(convert::denied(permission, &self.0.spec.section)))
            }
            // What the host has rejected is what the operator needs to know, whatever the guest makes of it.
            Err(_) if denied.is_some() => Err(WriteError::Call(self.0.denied(denied))),
            Err(wit_backend::WriteError::Retry(retry)) => Err(WriteError::Retry {
                after: retry.after_ms.map(|ms| Duration::from_millis(ms.into()).min(RETRY_AFTER_MAX)),
                message: convert::words(&retry.message),
            }),
            Err(wit_backend::WriteError::Reject(reject)) => {
                let named = !reject.points.is_empty();
                let mut known: Vec<_> = reject.points.into_iter().filter(|&place| (place as usize) < offered).collect();
                // A guest may name one point a million times.
                known.sort_unstable();
                known.dedup();
                known.shrink_to_fit();
                let message = convert::words(&reject.message);
                if known.is_empty() && named {
                    return Err(WriteError::Broken(format!("it rejects points that it was not given: {message}")));
                }
                Err(WriteError::Reject { points: known, message })
            }
            Err(wit_backend::WriteError::Broken(message)) => Err(WriteError::Broken(convert::words(&message))),
        }
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

impl GuestWorld for backend::BackendPlugin {
    fn close<'a>(&'a self, store: &'a mut Store<Ctx>) -> Calling<'a, ()> {
        Box::pin(self.saker_plugin_backend().call_close(store))
    }
}

fn definition((id, series): &(SeriesId, Arc<Series>)) -> wit_backend::Definition {
    wit_backend::Definition { id: id.0, series: convert::series_out(series) }
}
