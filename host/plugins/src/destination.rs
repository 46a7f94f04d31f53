//! A backend plugin as the destination of a node.

mod pausing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use saker_forward::{Backend, SendError, Session};
use saker_model::{Point, Series, SeriesId};
use saker_sandbox::{CallError, HealthState, InstanceSpec, Kill, Plugin, SHARE_WINDOW, Sandbox, Share, WriteError};

use crate::status::Status;
use pausing::Pausing;

/// Processor time that each point may take which a destination has taken: several times what Rust's encoders need, and
/// enough for Python's. Delivering is what the agent asks for, and as much as there is to deliver; what goes beyond, or
/// brings nothing, counts for the share of a processor.
const POINT_CPU: Duration = Duration::from_micros(20);

/// The place of a node's backend: the version that new sessions are opened from.
pub struct Slot {
    sandbox: Sandbox,
    status: Arc<Status>,
    current: Mutex<Current>,
    generation: AtomicU64,
    pace: Mutex<Pace>,
    pausing: Mutex<Pausing>,
}

/// What a node's backend uses of a processor, through all its sessions.
struct Pace {
    share: Share,
    /// It used too much, and is left alone until then.
    until: Option<Instant>,
}

enum Current {
    /// There is none: why.
    Missing(String),
    Ready(Box<(Plugin, InstanceSpec)>),
}

impl Slot {
    /// One without a version: why there is none.
    #[must_use]
    pub fn new(sandbox: Sandbox, status: Arc<Status>, missing: String) -> Self {
        let pace = Mutex::new(Pace { share: Share::since(status.meters.cpu()), until: None });
        let current = Mutex::new(Current::Missing(missing));
        Self { sandbox, status, current, generation: AtomicU64::new(0), pace, pausing: Mutex::default() }
    }

    /// Whether it may be called now.
    fn in_pace(&self) -> Result<(), SendError> {
        let now = Instant::now();
        match self.pace.lock().until.filter(|&until| now < until) {
            None => Ok(()),
            Some(until) => {
                let message = "its backend uses more of a processor than limits.cpu_percent allows".into();
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

    /// Puts a version in place; the next batch goes to a new session of it.
    pub fn set(&self, file: &str, plugin: Plugin, spec: InstanceSpec) {
        self.status.runs(file, &plugin, &spec, None);
        *self.current.lock() = Current::Ready(Box::new((plugin, spec)));
        // Another version, or other limits, are not to blame for the one before.
        *self.pace.lock() = Pace { share: Share::since(self.status.meters.cpu()), until: None };
        self.pausing.lock().revive();
        if self.generation.fetch_add(1, Ordering::AcqRel) > 0 {
            self.status.count(|counts| counts.swaps += 1);
        }
    }

    /// Has it tried at once, also from quarantine.
    pub(crate) fn revive(&self) {
        tracing::info!(plugin = self.status.name, "revived");
        self.note(Pausing::revive);
        // A pause ends for another session only.
        self.generation.fetch_add(1, Ordering::AcqRel);
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
    fn note(&self, change: impl FnOnce(&mut Pausing)) {
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

    /// Takes the version away.
    pub(crate) fn clear(&self, why: String) {
        *self.current.lock() = Current::Missing(why);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// Tries a version before it takes another's place: opens it, writes nothing, throws it away.
pub(crate) async fn canary(sandbox: &Sandbox, plugin: &Plugin, spec: &InstanceSpec) -> Result<(), CallError> {
    let spec = spec.trial();
    let mut trial = saker_sandbox::Backend::open(sandbox, plugin, &spec).await?;
    match trial.write(Vec::new(), &[], &[]).await {
        Err(WriteError::Call(error)) => Err(error),
        Err(WriteError::Broken(message)) => Err(saker_sandbox::PluginFault::Other(message).into()),
        // A destination that is away is no fault of the plugin's.
        _ => trial.close().await,
    }
}

/// What the forwarder sees of a slot.
pub struct Destination(pub Arc<Slot>);

impl Backend for Destination {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Session>, SendError>> {
        Box::pin(async move {
            let slot = &self.0;
            if let Some(paused) = slot.paused() {
                return Err(paused);
            }
            slot.in_pace()?;
            let (plugin, spec) = match &*slot.current.lock() {
                Current::Missing(why) => return Err(SendError::Retry { after: None, message: why.clone() }),
                Current::Ready(version) => (**version).clone(),
            };
            let opened = saker_sandbox::Backend::open(&slot.sandbox, &plugin, &spec).await;
            slot.called(spec.limits.cpu_percent, 0);
            match opened {
                Ok(instance) => {
                    let session = Writing { instance, slot: slot.clone(), cpu_percent: spec.limits.cpu_percent };
                    Ok(Box::new(session) as Box<dyn Session>)
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
}

/// A session: one instance.
struct Writing {
    instance: saker_sandbox::Backend,
    slot: Arc<Slot>,
    cpu_percent: u32,
}

impl Session for Writing {
    fn write<'a>(
        &'a mut self,
        forget: Vec<SeriesId>,
        define: &'a [(SeriesId, Arc<Series>)],
        points: &'a [Point],
    ) -> BoxFuture<'a, Result<u32, SendError>> {
        Box::pin(async move {
            self.slot.in_pace()?;
            let written = self.instance.write(forget, define, points).await;
            self.slot.called(self.cpu_percent, *written.as_ref().unwrap_or(&0));
            if !matches!(written, Err(WriteError::Call(_))) {
                self.slot.note(Pausing::succeeded);
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
