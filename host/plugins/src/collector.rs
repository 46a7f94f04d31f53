//! The task that owns one collector's instance: calls it on schedule, swaps it between two runs, brings it back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use saker_model::Sample;
use saker_pipeline::{IngestSession, Overload, Parked, Receipt, SeriesBudget, now_ms};
use saker_sandbox::{
    Blame, CallError, Collector, CpuQuota, Health, HealthConfig, Plugin, PluginKind, Run, SHARE_WINDOW,
};

use crate::config::PluginConfig;
use crate::deployment::Deployment;
use crate::role::{Role, RoleContext, StopFuture};
use crate::schedule::{Schedule, ScheduledRun};
use crate::status::Status;
use crate::task::{Task, TaskInbox};

/// A version that is new must get through so many calls before the one before it is let go.
const CANARY_CALLS: u32 = 3;
/// Calls whose new series wait for the processors' word. Whoever brings more waits as well, so that they stay bounded.
const PARKED_MAX: usize = 4;
/// A clock that jumps is noticed within this time.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// A collector's place.
pub(crate) struct CollectorRole {
    shared: RoleContext,
    status: Arc<Status>,
    task: Option<Task>,
}

impl Role for CollectorRole {
    const KIND: PluginKind = PluginKind::Collector;

    fn new(_: &str, shared: &RoleContext, status: &Arc<Status>) -> Self {
        Self { shared: shared.clone(), status: status.clone(), task: None }
    }

    fn schedule(name: &str, config: &PluginConfig, plugin: &Plugin, interval: Duration) -> Option<Schedule> {
        let own = plugin.description().default_interval_ms.map(|ms| Duration::from_millis(ms.into()));
        Some(Schedule::new(name, config.interval.or(own).unwrap_or(interval)))
    }

    fn start(&mut self, deployment: Arc<Deployment>) {
        let (shared, status) = (self.shared.clone(), self.status.clone());
        self.task = Some(Task::start(|commands| CollectorTask::new(shared, status, deployment).run(commands)));
    }

    fn replace(&mut self, deployment: Arc<Deployment>) -> Option<StopFuture> {
        match &self.task {
            Some(task) => task.deploy(deployment),
            None => self.start(deployment),
        }
        None
    }

    fn withdraw(&mut self, _: &str) -> Option<StopFuture> {
        let task = self.task.take()?;
        Some(Box::pin(task.stop()))
    }

    fn resume(&self) {
        self.task.iter().for_each(Task::resume);
    }

    fn stop(mut self) -> Option<StopFuture> {
        self.withdraw("")
    }

    fn canary(shared: RoleContext, deployment: Arc<Deployment>) -> BoxFuture<'static, Result<(), CallError>> {
        Box::pin(async move {
            let spec = deployment.spec.canary();
            let mut canary = Collector::open(&shared.sandbox, &deployment.plugin, &spec).await?;
            let endpoint = shared.endpoint.load_full();
            canary.collect(&endpoint, run_at(&schedule_of(&deployment), now_ms())).await?;
            canary.close().await
        })
    }
}

/// How many series a deployment may bring.
fn budget(deployment: &Deployment) -> SeriesBudget {
    let limits = &deployment.spec.limits;
    SeriesBudget::Collector { new_series: limits.max_new_series, series: limits.max_series }
}

/// Every collector's deployment has a schedule.
fn schedule_of(deployment: &Deployment) -> Schedule {
    deployment.schedule.unwrap_or_else(|| Schedule::new(&deployment.file, SLEEP_MAX))
}

fn run_at(schedule: &Schedule, timestamp_ms: i64) -> Run {
    let interval_ms = u32::try_from(schedule.interval_ms()).unwrap_or(u32::MAX);
    Run { timestamp_ms, interval_ms, step_s: schedule.step_s() }
}

struct CollectorTask {
    shared: RoleContext,
    status: Arc<Status>,
    session: IngestSession,
    deployment: Arc<Deployment>,
    schedule: Schedule,
    health: Health,
    share: CpuQuota,
    instance: Option<Collector>,
    /// The deployment before, and how many calls the new one has still to get through.
    canary: Option<(Arc<Deployment>, u32)>,
    /// What was said of new series is waited for here, while the collector goes on.
    parked: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl CollectorTask {
    fn new(shared: RoleContext, status: Arc<Status>, deployment: Arc<Deployment>) -> Self {
        let session = shared.pipeline.session(format!("collector:{}", status.name), budget(&deployment));
        let share = CpuQuota::since(status.meters.cpu());
        let collecting = Self {
            schedule: schedule_of(&deployment),
            shared,
            status,
            session,
            health: Health::new(HealthConfig::default()),
            share,
            instance: None,
            canary: None,
            deployment,
            parked: FuturesUnordered::new(),
        };
        collecting.shows_what_runs();
        collecting
    }

    async fn run(mut self, commands: Arc<TaskInbox>) {
        // The first run is now: nobody should wait ten seconds for the first values.
        let mut last_grid_ms = self.schedule.grid_at(now_ms());
        let mut next = ScheduledRun { grid_ms: last_grid_ms, due_ms: now_ms() };
        loop {
            tokio::select! {
                biased;
                command = commands.next() => {
                    if command.end {
                        break;
                    }
                    if command.resume {
                        self.resume();
                    }
                    if let Some(deployment) = command.deployment {
                        self.swap(deployment).await;
                        next = next.or_sooner(self.schedule.next(last_grid_ms, now_ms()));
                    }
                }
                Some(()) = self.parked.next(), if !self.parked.is_empty() => {}
                () = sleep_until(next.due_ms) => {
                    let now = now_ms();
                    if now >= next.due_ms {
                        self.run_once(next).await;
                        last_grid_ms = next.grid_ms;
                        next = self.after(last_grid_ms);
                    } else {
                        // The clock was set back: wait for the next run by its new time.
                        next = next.or_sooner(self.schedule.next_after(now));
                    }
                }
            }
        }
        self.close().await;
        while let Some(()) = self.parked.next().await {}
    }

    /// The next run that is still to come; those that passed meanwhile are counted.
    fn after(&self, last_grid_ms: i64) -> ScheduledRun {
        let next = self.schedule.next(last_grid_ms, now_ms());
        let missed = self.schedule.between(last_grid_ms, next.grid_ms);
        if missed > 0 {
            self.status.count(|counts| {
                counts.runs += missed;
                counts.overrun += missed;
            });
        }
        next
    }

    async fn run_once(&mut self, run: ScheduledRun) {
        self.status.count(|counts| counts.runs += 1);
        if !self.health.may_call(Instant::now()) {
            self.status.count(|counts| counts.skipped += 1);
            return;
        }
        let durable = self.shared.pipeline.durable();
        if !durable.is_open() {
            // The first values are no worse than those that follow.
            durable.opened().await;
        }
        // One destination that takes something is reason enough; the others count what they go without.
        if durable.rejection().is_some() {
            self.status.count(|counts| counts.no_room += 1);
            return;
        }
        match self.collect(run).await {
            Ok(values) => self.took(values).await,
            Err(error) => self.failed(&error).await,
        }
        self.hold_to_share();
        self.status.set_health(self.health.state());
    }

    /// Calls it. It is told when the run was due, so that rates are over the time between two; its values are stamped with
    /// the time on the grid, so that they meet those of others.
    async fn collect(&mut self, run: ScheduledRun) -> Result<Vec<Sample>, CallError> {
        let instance = match self.instance.take().filter(Collector::is_alive) {
            Some(instance) => self.instance.insert(instance),
            None => {
                let Deployment { plugin, spec, .. } = &*self.deployment;
                self.instance.insert(Collector::open(&self.shared.sandbox, plugin, spec).await?)
            }
        };
        let endpoint = self.shared.endpoint.load_full();
        let mut values = instance.collect(&endpoint, run_at(&self.schedule, run.due_ms)).await?;
        // One that says by itself when something was is taken by its word.
        let of_now = values.iter_mut().filter(|value| value.timestamp_ms == run.due_ms);
        of_now.for_each(|value| value.timestamp_ms = run.grid_ms);
        Ok(values)
    }

    async fn took(&mut self, values: Vec<saker_model::Sample>) {
        self.health.succeeded();
        self.status.succeeded(values.len());
        self.canary = match self.canary.take() {
            Some((before, left)) if left > 1 => Some((before, left - 1)),
            _ => None,
        };
        let (taken, parked) = self.session.accept_known(values).await;
        tell(&self.status, &taken);
        if let Some(parked) = parked {
            self.park(parked).await;
        }
    }

    /// Leaves values of new series to be taken once it is known what becomes of them.
    async fn park(&mut self, parked: Parked) {
        while self.parked.len() >= PARKED_MAX {
            self.parked.next().await;
        }
        let status = self.status.clone();
        self.parked.push(Box::pin(async move { tell(&status, &parked.settle().await) }));
    }

    /// One whose calls use more of a processor than they may is left alone for a while, whatever they end as.
    fn hold_to_share(&mut self) {
        let (now, meter) = (Instant::now(), self.status.meters.cpu());
        if let Err(kill) = self.share.read(meter, Duration::ZERO, self.deployment.spec.limits.max_cpu_percent, now) {
            self.status.note(&kill.into());
            self.health.throttled(SHARE_WINDOW, now);
        }
    }

    fn resume(&mut self) {
        tracing::info!(plugin = self.status.name, "resumed");
        self.health.resume();
        self.status.set_health(self.health.state());
    }

    async fn failed(&mut self, error: &CallError) {
        self.status.failed(error);
        if error.blame() == Blame::Plugin
            && let Some((before, _)) = self.canary.take()
        {
            self.roll_back(before, error).await;
            return;
        }
        self.health.failed(error, Instant::now());
    }

    async fn roll_back(&mut self, before: Arc<Deployment>, error: &CallError) {
        self.close().await;
        let message = format!("the new version failed its first calls and was taken back: {error}");
        self.deployment = before;
        self.begin_anew();
        // The count comes last: who sees it sees why as well.
        self.status.rejected(&message, error.kind(), error.blame());
        self.status.count(|counts| counts.rollbacks += 1);
    }

    /// The new deployment opens at its first run, with the state that the old one has saved by then.
    async fn swap(&mut self, deployment: Arc<Deployment>) {
        self.close().await;
        let before = std::mem::replace(&mut self.deployment, deployment);
        let other_code = before.plugin.hash() != self.deployment.plugin.hash();
        self.canary = other_code.then_some((before, CANARY_CALLS));
        self.begin_anew();
        self.status.count(|counts| counts.swaps += 1);
        let plugin = &self.deployment.plugin;
        tracing::info!(
            plugin = self.status.name,
            version = plugin.description().version,
            hash = plugin.hash().short(),
            "swapped in"
        );
    }

    /// What the deployment before has done is not held against this one.
    fn begin_anew(&mut self) {
        self.schedule = schedule_of(&self.deployment);
        self.session.set_budget(budget(&self.deployment));
        self.health = Health::new(HealthConfig::default());
        self.share = CpuQuota::since(self.status.meters.cpu());
        self.shows_what_runs();
    }

    fn shows_what_runs(&self) {
        let Deployment { file, plugin, spec, .. } = &*self.deployment;
        self.status.runs(file, plugin, spec, Some(self.schedule.interval_ms()));
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

/// Says what of a call's values was not taken. It is counted as rejected in any case; without room the next runs are
/// left out.
fn tell(status: &Status, taken: &Result<Receipt, Overload>) {
    match taken {
        Ok(receipt) => {
            if let Some((place, reason)) = receipt.rejected.first() {
                let rejected = receipt.rejected.len();
                tracing::debug!(plugin = status.name, rejected, place, "values rejected: {reason}");
            }
        }
        Err(overload) => tracing::debug!(plugin = status.name, "values rejected: {overload}"),
    }
}

/// Waits for a time of the wall clock, looking at the clock from time to time.
async fn sleep_until(time_ms: i64) {
    let left = u64::try_from(time_ms - now_ms()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(left).min(SLEEP_MAX)).await;
}
