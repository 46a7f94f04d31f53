//! A backend plugin as what a destination sends to.

mod pausing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use saker_forward::{BackendSession, SendError};
use saker_model::{Point, Series, SeriesId};
use saker_sandbox::{Backend, CallError, CpuQuota, HealthState, Kill, PluginKind, SHARE_WINDOW, Sandbox, WriteError};
use tokio::sync::Notify;

use self::pausing::KillPause;
use crate::deployment::Deployment;
use crate::role::{Role, RoleContext, StopFuture};
use crate::status::Status;

/// Processor time that each point may take which a destination has taken: several times what Rust's encoders need, and
/// enough for Python's. Delivering is what the agent asks for, and as much as there is to deliver; what goes beyond, or
/// brings nothing, counts for the share of a processor.
const POINT_CPU: Duration = Duration::from_micros(20);

/// Why there is no backend before anything is known of its file.
const NOT_LOADED: &str = "its backend is not loaded yet";

/// The place of a destination's backend: the deployment that new sessions are opened from.
pub struct BackendSlot {
    sandbox: Sandbox,
    status: Arc<Status>,
    current: Mutex<CurrentBackend>,
    generation: AtomicU64,
    /// Tells the destination that the generation is another.
    changed: Notify,
    pace: Mutex<CpuPace>,
    pausing: Mutex<KillPause>,
}

/// What a destination's backend uses of a processor, through all its sessions.
struct CpuPace {
    share: CpuQuota,
    /// It used too much, and is left alone until then.
    until: Option<Instant>,
}

enum CurrentBackend {
    /// There is none: why.
    Missing(String),
    Ready(Arc<Deployment>),
}

impl BackendSlot {
    /// One that nothing runs in yet.
    #[must_use]
    pub fn new(sandbox: Sandbox, status: Arc<Status>) -> Self {
        let pace = Mutex::new(CpuPace { share: CpuQuota::since(status.meters.cpu()), until: None });
        let current = Mutex::new(CurrentBackend::Missing(NOT_LOADED.into()));
        let generation = AtomicU64::new(0);
        Self { sandbox, status, current, generation, changed: Notify::new(), pace, pausing: Mutex::default() }
    }

    /// What a destination sends to.
    #[must_use]
    pub fn backend(self: &Arc<Self>) -> Box<dyn saker_forward::DestinationBackend> {
        Box::new(PluginBackend(self.clone()))
    }

    fn becomes_another(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Whether it may be called now.
    fn in_pace(&self) -> Result<(), SendError> {
        let now = Instant::now();
        match self.pace.lock().until.filter(|&until| now < until) {
            None => Ok(()),
            Some(until) => {
                let message = "its backend uses more of a processor than limits.max_cpu_percent allows".into();
                Err(SendError::Retry { after: Some(until.duration_since(now)), message })
            }
        }
    }

    /// A call is over, which has delivered so many points.
    fn called(&self, percent: u32, delivered: u32) {
        let (now, meter) = (Instant::now(), self.status.meters.cpu());
        let mut pace = self.pace.lock();
        if let Err(kill) = pace.share.read(meter, POINT_CPU.saturating_mul(delivered), percent, now) {
            pace.until = Some(now + SHARE_WINDOW);
            drop(pace);
            self.status.note(&kill.into());
        }
    }

    /// Puts a deployment in place; the next batch goes to a new session of it.
    pub fn deploy(&self, deployment: Arc<Deployment>) {
        let Deployment { file, plugin, spec, .. } = &*deployment;
        self.status.runs(file, plugin, spec, None);
        let before = std::mem::replace(&mut *self.current.lock(), CurrentBackend::Ready(deployment));
        // Another deployment, or other limits, are not to blame for the one before.
        *self.pace.lock() = CpuPace { share: CpuQuota::since(self.status.meters.cpu()), until: None };
        self.pausing.lock().resume();
        if matches!(before, CurrentBackend::Ready(_)) {
            self.status.count(|counts| counts.swaps += 1);
        }
        self.becomes_another();
    }

    /// Has it tried at once, also from quarantine.
    fn resume(&self) {
        tracing::info!(plugin = self.status.name, "resumed");
        self.note(KillPause::resume);
        // A pause ends for another session only.
        self.becomes_another();
    }

    /// Why no session is opened now, if it is left alone.
    fn paused(&self) -> Option<SendError> {
        let pausing = self.pausing.lock();
        let left = pausing.left(Instant::now())?;
        // The same words as long as it lasts, so that they are logged once.
        let message = match pausing.state() {
            HealthState::Quarantined(_) => "its backend was killed too often, and is left alone for some minutes",
            _ => "its backend was killed, and is left alone for a moment",
        };
        Some(SendError::Retry { after: Some(left), message: message.into() })
    }

    fn failed(&self, error: &CallError) {
        self.status.failed(error);
        self.note(|pausing| pausing.failed(error, Instant::now()));
    }

    /// Changes how it fares, and shows it.
    fn note(&self, change: impl FnOnce(&mut KillPause)) {
        let mut pausing = self.pausing.lock();
        let before = pausing.state();
        change(&mut pausing);
        let after = pausing.state();
        if after != before {
            self.status.set_health(after);
        }
        if matches!(after, HealthState::Quarantined(_)) && !matches!(before, HealthState::Quarantined(_)) {
            tracing::warn!(
                plugin = self.status.name,
                "killed too often: left alone for some minutes, its queue is kept"
            );
        }
    }

    /// Takes the deployment away.
    fn clear(&self, why: &str) {
        *self.current.lock() = CurrentBackend::Missing(why.to_owned());
        self.becomes_another();
    }
}

/// The slots of all destinations that are configured, by the instance's name.
pub(crate) type BackendSlots = Arc<Mutex<BTreeMap<String, Arc<BackendSlot>>>>;

/// The place of a destination's backend, as the reconciler knows it.
pub(crate) struct BackendRole {
    slot: Arc<BackendSlot>,
}

impl BackendRole {
    pub(crate) fn slot(&self) -> &Arc<BackendSlot> {
        &self.slot
    }
}

impl Role for BackendRole {
    const KIND: PluginKind = PluginKind::Backend;

    fn new(_: &str, shared: &RoleContext, status: &Arc<Status>) -> Self {
        Self { slot: Arc::new(BackendSlot::new(shared.sandbox.clone(), status.clone())) }
    }

    fn start(&mut self, deployment: Arc<Deployment>) {
        self.slot.deploy(deployment);
    }

    /// Its destination closes the session that runs when the next batch is due.
    fn replace(&mut self, deployment: Arc<Deployment>) -> Option<StopFuture> {
        self.slot.deploy(deployment);
        None
    }

    fn withdraw(&mut self, why: &str) -> Option<StopFuture> {
        self.slot.clear(why);
        None
    }

    fn resume(&self) {
        self.slot.resume();
    }

    /// A destination that is taken out has a while to send what it has, and needs its backend for that.
    fn stop(self) -> Option<StopFuture> {
        None
    }

    fn canary(shared: RoleContext, deployment: Arc<Deployment>) -> BoxFuture<'static, Result<(), CallError>> {
        Box::pin(async move {
            let spec = deployment.spec.canary();
            let mut canary = Backend::open(&shared.sandbox, &deployment.plugin, &spec).await?;
            match canary.write(Vec::new(), &[], &[]).await {
                Err(WriteError::Call(error)) => Err(error),
                Err(WriteError::Broken(message)) => Err(saker_sandbox::PluginFault::Other(message).into()),
                // A destination that is away is no fault of the plugin's.
                _ => canary.close().await,
            }
        })
    }
}

/// What a destination sees of a slot.
struct PluginBackend(Arc<BackendSlot>);

impl saker_forward::DestinationBackend for PluginBackend {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn BackendSession>, SendError>> {
        Box::pin(async move {
            let slot = &self.0;
            if let Some(paused) = slot.paused() {
                return Err(paused);
            }
            slot.in_pace()?;
            let deployment = match &*slot.current.lock() {
                CurrentBackend::Missing(why) => return Err(SendError::Retry { after: None, message: why.clone() }),
                CurrentBackend::Ready(deployment) => deployment.clone(),
            };
            let Deployment { plugin, spec, .. } = &*deployment;
            let max_cpu_percent = spec.limits.max_cpu_percent;
            let opened = Backend::open(&slot.sandbox, plugin, spec).await;
            slot.called(max_cpu_percent, 0);
            match opened {
                Ok(instance) => {
                    let session = PluginSession { instance, slot: slot.clone(), max_cpu_percent };
                    Ok(Box::new(session) as Box<dyn BackendSession>)
                }
                // No batch is to blame for that, whatever it was.
                Err(error) => {
                    slot.failed(&error);
                    Err(SendError::Retry { after: None, message: error.to_string() })
                }
            }
        })
    }

    fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    fn changed(&self) -> &Notify {
        &self.0.changed
    }
}

/// A session: one instance.
struct PluginSession {
    instance: Backend,
    slot: Arc<BackendSlot>,
    max_cpu_percent: u32,
}

impl BackendSession for PluginSession {
    fn write<'a>(
        &'a mut self,
        forget: Vec<SeriesId>,
        define: &'a [(SeriesId, Arc<Series>)],
        points: &'a [Point],
    ) -> BoxFuture<'a, Result<u32, SendError>> {
        Box::pin(async move {
            self.slot.in_pace()?;
            let written = self.instance.write(forget, define, points).await;
            self.slot.called(self.max_cpu_percent, *written.as_ref().unwrap_or(&0));
            if !matches!(written, Err(WriteError::Call(_))) {
                self.slot.note(KillPause::succeeded);
            }
            match written {
                Ok(taken) => {
                    self.slot.status.succeeded(taken as usize);
                    Ok(taken)
                }
                Err(WriteError::Retry { after, message }) => Err(SendError::Retry { after, message }),
                Err(WriteError::Reject { points, message }) => Err(SendError::Reject { points, message }),
                Err(WriteError::Broken(message)) => Err(SendError::Broken(message)),
                Err(WriteError::Call(error)) => {
                    self.slot.failed(&error);
                    Err(match error {
                        // That it took too long says nothing about the points: it may be the destination that does. The
                        // instance is gone, so the next attempt is to open another.
                        CallError::Hung(_) | CallError::Killed(Kill::Deadline { .. }) => {
                            self.slot.generation.fetch_add(1, Ordering::AcqRel);
                            SendError::Retry { after: None, message: error.to_string() }
                        }
                        // The operator can grant it, and then the same points can be written.
                        CallError::Denied(_) if self.instance.is_alive() => {
                            SendError::Retry { after: None, message: error.to_string() }
                        }
                        _ => SendError::Broken(error.to_string()),
                    })
                }
            }
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if self.instance.is_alive()
                && let Err(error) = self.instance.close().await
            {
                tracing::warn!(plugin = self.slot.status.name, "failed to close: {error}");
            }
        })
    }
}
