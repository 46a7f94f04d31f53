//! How calls are run.
//!
//! A call moves the store to a thread of the sandbox (`thread.rs`), runs the guest there under its deadline, and moves
//! the store back. A guest that computes yields at every epoch, so that the deadline is seen; one that waits is dropped while it
//! waits; one whose host call hangs in the operating system loses its thread, and the caller goes on without it. After
//! anything but a value or the guest's own error, the instance is gone and the owner opens another.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use wasmtime::Store;

use super::InstanceSpec;
use super::thread::Runner;
use crate::bindings::types;
use crate::convert;
use crate::ctx::{Ctx, Denials, handles};
use crate::engine::Sandbox;
use crate::failure::{CallError, Denied};
use crate::grants::Permission;
use crate::http::Outgoing;

/// Instructions that a call may run where they are counted: no limit, its deadline is one.
const FUEL: u64 = u64::MAX;

/// What an export returns.
pub(super) trait ExportResult: Send + 'static {
    /// Whether it is a value and no error of the guest: only then is kept what the call has saved.
    fn is_value(&self) -> bool;
}

impl ExportResult for () {
    fn is_value(&self) -> bool {
        true
    }
}

impl<T: Send + 'static> ExportResult for Vec<T> {
    fn is_value(&self) -> bool {
        true
    }
}

impl<T: Send + 'static, E: Send + 'static> ExportResult for Result<T, E> {
    fn is_value(&self) -> bool {
        self.is_ok()
    }
}

/// A call under way.
pub(super) type Calling<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;

/// A store and the guest in it.
pub(super) struct LiveGuest<G> {
    pub(super) store: Store<Ctx>,
    pub(super) guest: G,
}

/// What a guest of every world has.
pub(super) trait GuestWorld: Send + Sync + 'static {
    /// Calls its `close`.
    fn close<'a>(&'a self, store: &'a mut Store<Ctx>) -> Calling<'a, ()>;
}

/// An instance of any kind: its store while it is alive, and what calls need.
pub(super) struct Instance<G: Send + 'static> {
    live: Option<LiveGuest<G>>,
    runner: Runner,
    pub(super) spec: InstanceSpec,
    pub(super) denials: Denials,
}

impl<G: Send + 'static> Instance<G> {
    /// Makes a store and runs `open` in it, which instantiates the guest and calls its `open`.
    pub(super) async fn open<F>(
        sandbox: &Sandbox,
        spec: &InstanceSpec,
        open: impl FnOnce(Store<Ctx>) -> F + Send + 'static,
    ) -> Result<Self, CallError>
    where
        F: Future<Output = wasmtime::Result<(LiveGuest<G>, Result<(), types::OpenError>)>> + Send,
    {
        let runner = Runner::new(sandbox, spec);
        let mut instance = Self { live: None, runner, spec: spec.clone(), denials: Denials::default() };
        let (deadline, counts_fuel) = (spec.limits.deadlines.open, sandbox.counts_fuel());
        let (engine, spec, denials) = (sandbox.engine().clone(), spec.clone(), instance.denials.clone());
        let asking = sandbox.asking();
        let resolver = asking.lookups.charged_to(&spec.meters);
        let outgoing = Outgoing::new(sandbox.tls(), &spec, denials.clone(), resolver);
        let work = async move {
            let mut ctx = Ctx::new(&spec, outgoing, denials, asking)?;
            ctx.begin("open", deadline);
            let mut store = Store::new(&engine, ctx);
            store.limiter(|ctx| &mut ctx.meter);
            store.epoch_deadline_async_yield_and_update(1);
            store.set_hostcall_fuel(spec.limits.max_result_bytes);
            store.set_max_component_handles(handles(&spec.limits));
            if counts_fuel {
                refuel(&mut store)?;
            }
            let (mut live, opened) =
                open(store).await.map_err(|error| CallError::from_wasmtime(&error, &spec.limits))?;
            live.store.data_mut().finish(opened.is_ok());
            if counts_fuel {
                spec.meters.burn(FUEL - live.store.get_fuel().unwrap_or(FUEL));
            }
            let memory = live.store.data().meter.memory_bytes();
            Ok(((live, opened), memory))
        };
        let (live, opened) = instance.runner.run("open", deadline, work).await?;
        let section = instance.spec.section.clone();
        instance.explain(opened.map_err(|error| convert::open_error(error, &section)))?;
        instance.live = Some(live);
        Ok(instance)
    }

    /// Calls the guest under a deadline. The instance is gone unless the guest has returned.
    pub(super) async fn call<R: ExportResult>(
        &mut self,
        export: &'static str,
        deadline: Duration,
        call: impl for<'a> FnOnce(&'a mut LiveGuest<G>) -> Calling<'a, R> + Send + 'static,
    ) -> Result<R, CallError> {
        let mut live = self.live.take().ok_or_else(|| CallError::Host("the instance is gone".into()))?;
        let limits = self.spec.limits.clone();
        let counting = self.runner.sandbox.counts_fuel().then(|| self.spec.meters.clone());
        self.denials.take();
        let work = async move {
            live.store.data_mut().begin(export, deadline);
            live.store.set_epoch_deadline(1);
            if counting.is_some() {
                refuel(&mut live.store)?;
            }
            let answer = call(&mut live).await;
            if let Some(meters) = counting {
                meters.burn(FUEL - live.store.get_fuel().unwrap_or(FUEL));
            }
            live.store.data_mut().finish(answer.as_ref().is_ok_and(ExportResult::is_value));
            let memory = live.store.data().meter.memory_bytes();
            match answer {
                Ok(answer) => Ok(((live, answer), memory)),
                Err(error) => Err(CallError::from_wasmtime(&error, &limits)),
            }
        };
        let (live, answer) = self.runner.run(export, deadline, work).await?;
        self.live = Some(live);
        Ok(answer)
    }

    /// Puts what the host has rejected in place of whatever error the guest made of it.
    pub(super) fn explain<T>(&self, result: Result<T, CallError>) -> Result<T, CallError> {
        let denied = self.denials.take();
        match result {
            Err(CallError::Plugin(_) | CallError::Denied(_)) if denied.is_some() => Err(self.denied(denied)),
            other => other,
        }
    }

    pub(super) fn denied(&self, permission: Option<Permission>) -> CallError {
        match permission {
            Some(permission) => Denied { permission, section: self.spec.section.clone() }.into(),
            None => CallError::Host("nothing was rejected".into()),
        }
    }
}

/// A store that is let go of alive closes what its guest has open, and whose disk hangs waits for that: on a thread of
/// the sandbox's, not on its owner's.
impl<G: Send + 'static> Drop for Instance<G> {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            self.runner.sandbox.let_go(live);
        }
    }
}

impl<G: GuestWorld> Instance<G> {
    /// Whether it can still be called.
    pub(super) fn is_alive(&self) -> bool {
        self.live.is_some()
    }

    /// Ends it in order.
    pub(super) async fn close(mut self) -> Result<(), CallError> {
        let deadline = self.spec.limits.deadlines.close;
        self.call("close", deadline, |live| live.guest.close(&mut live.store)).await
    }
}

/// Opens an instance for what `open` itself answers, and throws it away.
pub(super) async fn once<T: Send + 'static, F>(
    sandbox: &Sandbox,
    spec: &InstanceSpec,
    open: impl FnOnce(Store<Ctx>) -> F + Send + 'static,
) -> Result<T, CallError>
where
    F: Future<Output = wasmtime::Result<(LiveGuest<T>, Result<(), types::OpenError>)>> + Send,
{
    let mut instance = Instance::open(sandbox, spec, open).await?;
    let LiveGuest { store, guest } = instance.live.take().expect("an instance that was just opened is alive");
    sandbox.let_go(store);
    Ok(guest)
}

/// Fills a store up, so that what is missing after a call is what the call has used.
fn refuel(store: &mut Store<Ctx>) -> Result<(), CallError> {
    store.set_fuel(FUEL).map_err(|error| CallError::Host(format!("cannot count instructions: {error:#}")))
}
