//! The task that owns one collector's instance: calls it on schedule, swaps it between two ticks, brings it back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use saker_forward::Forwarder;
use saker_pipeline::{Budget, IngestSession, Pipeline, now_ms};
use saker_sandbox::{
    Blame, CallError, Collector, Health, HealthConfig, InstanceSpec, Plugin, SHARE_WINDOW, Sandbox, Share, Tick,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::processors::Chain;
use crate::schedule::Schedule;
use crate::status::Status;

/// A version that is new must get through so many calls before the one before it is let go.
const TRIAL_CALLS: u32 = 3;
/// Orders that can wait for a task.
const ORDERS_MAX: usize = 4;
/// A clock that jumps is noticed within this time.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What runs, or is to run.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) file: String,
    pub(crate) plugin: Plugin,
    pub(crate) spec: InstanceSpec,
    pub(crate) schedule: Schedule,
}

/// What all collectors share.
#[derive(Clone)]
pub struct Shared {
    /// Where plugins run.
    pub sandbox: Sandbox,
    /// Where values go.
    pub pipeline: Arc<Pipeline>,
    /// Where processors stand.
    pub chain: Arc<Chain>,
    /// Where nodes stand.
    pub forwarder: Arc<Forwarder>,
    /// Whose values these are.
    pub endpoint: Arc<ArcSwap<Arc<str>>>,
}

enum Order {
    /// Run this from the next tick on.
    Swap(Box<Version>),
    /// Call it at the next tick, whatever has been.
    Revive,
}

/// A collector that runs. Dropping the handle ends it in order.
pub(crate) struct Handle {
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Handle {
    pub(crate) fn start(shared: Shared, version: Version, status: Arc<Status>) -> Self {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let session = shared.pipeline.session(format!("collector:{}", status.name), budget(&version));
        status.runs(&version.file, &version.plugin, &version.spec, Some(version.schedule.interval_ms()));
        let share = Share::since(status.meters.cpu());
        let collecting = Collecting {
            shared,
            status,
            session,
            health: Health::new(HealthConfig::default()),
            share,
            instance: None,
            trial: None,
            version,
        };
        Self { orders, task: tokio::spawn(collecting.run(inbox)) }
    }

    /// Puts another version in place between two ticks. If that many are waiting that there is no room, the task is in a
    /// call that takes long; the order then waits elsewhere.
    pub(crate) fn swap_later(&self, version: Version) {
        if let Err(mpsc::error::TrySendError::Full(order)) = self.orders.try_send(Order::Swap(Box::new(version))) {
            let orders = self.orders.clone();
            // A task that has ended has said why; there is nobody to tell.
            tokio::spawn(async move { drop(orders.send(order).await) });
        }
    }

    /// Has it called at the next tick, also from quarantine. False, if it has no time for orders now.
    pub(crate) fn revive(&self) -> bool {
        self.orders.try_send(Order::Revive).is_ok()
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        drop(self.orders);
        if let Err(error) = self.task.await {
            tracing::error!("a collector's task failed: {error}");
        }
    }
}

/// Tries a version before it takes another's place: opens it, calls it once, throws it away. It starts from a copy of
/// the saved state and leaves none.
pub(crate) async fn canary(shared: &Shared, version: &Version) -> Result<(), CallError> {
    let spec = version.spec.trial();
    let mut trial = Collector::open(&shared.sandbox, &version.plugin, &spec).await?;
    let endpoint = shared.endpoint.load_full();
    trial.collect(&endpoint, tick(&version.schedule, now_ms())).await?;
    trial.close().await
}

/// How many series a version may bring.
fn budget(version: &Version) -> Budget {
    let limits = &version.spec.limits;
    Budget::Collector { new_series: limits.new_series, series: limits.series }
}

fn tick(schedule: &Schedule, timestamp_ms: i64) -> Tick {
    let interval_ms = u32::try_from(schedule.interval_ms()).unwrap_or(u32::MAX);
    Tick { timestamp_ms, interval_ms, step_s: schedule.step_s() }
}

struct Collecting {
    shared: Shared,
    status: Arc<Status>,
    session: IngestSession,
    version: Version,
    health: Health,
    share: Share,
    instance: Option<Collector>,
    /// The version before, and how many calls the new one has still to get through.
    trial: Option<(Version, u32)>,
}

impl Collecting {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        // The first tick is now: nobody should wait ten seconds for the first values.
        let mut next_ms = now_ms();
        loop {
            tokio::select! {
                biased;
                order = inbox.recv() => match order {
                    Some(Order::Swap(version)) => {
                        self.swap(*version).await;
                        next_ms = next_ms.min(self.version.schedule.next_after(now_ms()));
                    }
                    Some(Order::Revive) => self.revive(),
                    None => break,
                },
                () = sleep_until(next_ms) => {
                    let now = now_ms();
                    if now >= next_ms {
                        self.tick(next_ms).await;
                        next_ms = self.after(next_ms);
                    } else {
                        // The clock was set back: wait for the next tick by its new time.
                        next_ms = next_ms.min(self.version.schedule.next_after(now));
                    }
                }
            }
        }
        self.close().await;
    }

    /// The next tick that is still to come; those that passed meanwhile are counted.
    fn after(&self, last_ms: i64) -> i64 {
        let schedule = &self.version.schedule;
        let next_ms = schedule.next_after(now_ms().max(last_ms));
        let missed = schedule.between(last_ms, next_ms);
        if missed > 0 {
            self.status.count(|counts| {
                counts.ticks += missed;
                counts.overrun += missed;
            });
        }
        next_ms
    }

    async fn tick(&mut self, timestamp_ms: i64) {
        self.status.count(|counts| counts.ticks += 1);
        if !self.health.may_call(Instant::now()) {
            self.status.count(|counts| counts.skipped += 1);
            return;
        }
        let forwarder = self.shared.pipeline.durable();
        if !forwarder.is_open() {
            // The first values are no worse than those that follow.
            forwarder.opened().await;
        }
        // One node that takes something is reason enough; the others count what they go without.
        if forwarder.refusal().is_some() {
            self.status.count(|counts| counts.no_room += 1);
            return;
        }
        match self.collect(timestamp_ms).await {
            Ok(values) => self.took(values).await,
            Err(error) => self.failed(&error).await,
        }
        self.hold_to_share();
        self.status.set_health(self.health.state());
    }

    async fn collect(&mut self, timestamp_ms: i64) -> Result<Vec<saker_model::MetricValue>, CallError> {
        let instance = match self.instance.take().filter(Collector::is_alive) {
            Some(instance) => self.instance.insert(instance),
            None => {
                let version = &self.version;
                let opened = Collector::open(&self.shared.sandbox, &version.plugin, &version.spec).await?;
                self.instance.insert(opened)
            }
        };
        let endpoint = self.shared.endpoint.load_full();
        instance.collect(&endpoint, tick(&self.version.schedule, timestamp_ms)).await
    }

    async fn took(&mut self, values: Vec<saker_model::MetricValue>) {
        self.health.succeeded();
        self.status.succeeded(values.len());
        self.trial = match self.trial.take() {
            Some((before, left)) if left > 1 => Some((before, left - 1)),
            _ => None,
        };
        let receipt = match self.session.accept(values).await {
            Ok(receipt) => receipt,
            // Counted as refused; the next tick is left out until there is room.
            Err(overload) => return tracing::debug!(plugin = self.status.name, "values refused: {overload}"),
        };
        if let Some((place, reason)) = receipt.refused.first() {
            let refused = receipt.refused.len();
            tracing::debug!(plugin = self.status.name, refused, place, "values refused: {reason}");
        }
    }

    /// One whose calls use more of a processor than they may is left alone for a while, whatever they end as.
    fn hold_to_share(&mut self) {
        let (now, meter) = (Instant::now(), self.status.meters.cpu());
        if let Err(kill) = self.share.read(meter, Duration::ZERO, self.version.spec.limits.cpu_percent, now) {
            self.status.note(&kill.into());
            self.health.throttled(SHARE_WINDOW, now);
        }
    }

    fn revive(&mut self) {
        tracing::info!(plugin = self.status.name, "revived");
        self.health.revive();
        self.status.set_health(self.health.state());
    }

    async fn failed(&mut self, error: &CallError) {
        self.status.failed(error);
        if error.blame() == Blame::Plugin
            && let Some((before, _)) = self.trial.take()
        {
            self.roll_back(before, error).await;
            return;
        }
        self.health.failed(error, Instant::now());
    }

    async fn roll_back(&mut self, before: Version, error: &CallError) {
        self.close().await;
        let message = format!("the new version failed its first calls and was taken back: {error}");
        self.version = before;
        self.begin_anew();
        let Version { file, plugin, spec, schedule } = &self.version;
        self.status.runs(file, plugin, spec, Some(schedule.interval_ms()));
        self.status.count(|counts| counts.rollbacks += 1);
        self.status.refused(&message, error.kind(), error.blame());
    }

    /// The new version opens at its first tick, with the state that the old one has saved by then.
    async fn swap(&mut self, version: Version) {
        self.close().await;
        let before = std::mem::replace(&mut self.version, version);
        let other_code = before.plugin.hash() != self.version.plugin.hash();
        self.trial = other_code.then_some((before, TRIAL_CALLS));
        self.begin_anew();
        let Version { file, plugin, spec, schedule } = &self.version;
        self.status.runs(file, plugin, spec, Some(schedule.interval_ms()));
        self.status.count(|counts| counts.swaps += 1);
        tracing::info!(
            plugin = self.status.name,
            version = plugin.description().version,
            hash = plugin.hash().short(),
            "swapped in"
        );
    }

    /// What the version before has done is not held against this one.
    fn begin_anew(&mut self) {
        self.session.set_budget(budget(&self.version));
        self.health = Health::new(HealthConfig::default());
        self.share = Share::since(self.status.meters.cpu());
    }

    async fn close(&mut self) {
        if let Some(instance) = self.instance.take()
            && instance.is_alive()
            && let Err(error) = instance.close().await
        {
            tracing::warn!(plugin = self.status.name, "failed to close: {error}");
        }
    }
}

/// Waits for a time of the wall clock, looking at the clock from time to time.
async fn sleep_until(time_ms: i64) {
    let left = u64::try_from(time_ms - now_ms()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(left).min(SLEEP_MAX)).await;
}
