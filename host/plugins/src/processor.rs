//! The processors, in a row: what they say of new series.
//!
//! Each has a task that owns its instance. Whoever wants to know about series leaves them with it and waits, behind those
//! who came before, for as long as a few calls may take. One call is one asker's: what kills it is nobody else's series.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_model::{Sample, Series, SeriesError, SeriesLimits};
use saker_pipeline::{Relabel, RelabelOutcome};
use saker_sandbox::{
    CallError, CpuQuota, Health, HealthConfig, PluginFault, PluginKind, Processor, SHARE_WINDOW, Sandbox, Verdict,
};
use tokio::sync::{mpsc, oneshot};

use crate::deployment::Deployment;
use crate::role::{Role, RoleContext, StopFuture};
use crate::status::Status;
use crate::task::{Task, TaskCommand, TaskInbox};

/// Askers that can wait at a processor. Whoever comes to more waits for room, as long as for an answer.
const ASKS_MAX: usize = 256;
/// Calls that an asker waits for at most, each as long as it may take, its own among them.
const CALLS_MAX: u32 = 4;
/// What an asker waits for beside the calls themselves, such as a processor of the host's own.
const SLACK: Duration = Duration::from_secs(1);

/// All processors in their order.
#[derive(Default)]
pub struct Chain {
    links: ArcSwap<Vec<ChainLink>>,
}

/// A processor in the chain.
#[derive(Clone)]
pub(crate) struct ChainLink {
    status: Arc<Status>,
    /// None where there is no plugin to ask: nothing can be judged.
    asks: Option<mpsc::Sender<RelabelRequest>>,
    /// How long an asker waits at most.
    patience: Duration,
}

/// Series that somebody wants to know about.
struct RelabelRequest {
    series: Vec<Series>,
    answer: oneshot::Sender<Vec<Verdict>>,
}

impl Chain {
    /// Whether these are other processors than those in place.
    pub(crate) fn differs(&self, links: &[ChainLink]) -> bool {
        let now = self.links.load();
        now.len() != links.len() || !now.iter().zip(links).all(|(a, b)| a.is_same(b))
    }

    /// Puts other processors in place.
    pub(crate) fn set(&self, links: Vec<ChainLink>) {
        self.links.store(Arc::new(links));
    }
}

impl Relabel for Chain {
    fn relabel<'a>(
        &'a self,
        series: &'a [Arc<Series>],
        limits: &'a SeriesLimits,
    ) -> BoxFuture<'a, Vec<RelabelOutcome>> {
        Box::pin(async move {
            loop {
                let links = self.links.load_full();
                let mut outcomes = vec![RelabelOutcome::Keep; series.len()];
                for link in links.iter() {
                    link.pass(series, &mut outcomes, limits).await;
                }
                let has_ended = links.iter().any(ChainLink::has_ended);
                // Nobody goes by a processor because another has taken its place just now.
                if !has_ended || Arc::ptr_eq(&links, &self.links.load()) {
                    return outcomes;
                }
            }
        })
    }
}

impl ChainLink {
    /// A processor whose plugin is not there.
    fn missing(status: &Arc<Status>) -> Self {
        Self { status: status.clone(), asks: None, patience: Duration::ZERO }
    }

    fn has_ended(&self) -> bool {
        self.asks.as_ref().is_some_and(mpsc::Sender::is_closed)
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.asks, &other.asks) {
            (Some(asks), Some(others)) => asks.same_channel(others),
            (None, None) => true,
            _ => false,
        }
    }

    /// Takes the series that are still on their way one processor further.
    async fn pass(&self, series: &[Arc<Series>], outcomes: &mut [RelabelOutcome], limits: &SeriesLimits) {
        let current = |place: usize, outcomes: &[RelabelOutcome]| match &outcomes[place] {
            RelabelOutcome::Keep => Some((*series[place]).clone()),
            RelabelOutcome::To(changed) => Some(changed.clone()),
            _ => None,
        };
        let (places, asked): (Vec<_>, Vec<_>) =
            (0..series.len()).filter_map(|place| Some((place, current(place, outcomes)?))).unzip();
        if asked.is_empty() {
            return;
        }
        // The processor's own task notes why there is no answer.
        let Some(verdicts) = self.ask(asked).await else {
            places.into_iter().for_each(|place| outcomes[place] = RelabelOutcome::Failed);
            return;
        };
        let mut failed: Option<(CallError, u64)> = None;
        for (place, verdict) in places.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Keep => {}
                Verdict::Drop => outcomes[place] = RelabelOutcome::Dropped,
                Verdict::Fail(message) => {
                    let series = current(place, outcomes).map_or_else(String::new, |series| series.to_string());
                    let message = format!("failed to map the series {series}: {message}");
                    let error = || CallError::from(PluginFault::Other(clean(&message, MESSAGE_BYTES_MAX)));
                    failed.get_or_insert_with(|| (error(), 0)).1 += 1;
                    outcomes[place] = RelabelOutcome::Failed;
                }
                Verdict::Change(value) => {
                    outcomes[place] = match to_series(value, limits) {
                        Ok(series) => RelabelOutcome::To(series),
                        Err(error) => RelabelOutcome::Rejected(error.into()),
                    };
                }
            }
        }
        // Told by its first, however many there are: thousands of reports would cost more than the call.
        if let Some((error, times)) = failed {
            self.status.failed_often(&error, times);
        }
    }

    /// What the processor says, in the order of the series; none if it says nothing within the time that it has.
    async fn ask(&self, series: Vec<Series>) -> Option<Vec<Verdict>> {
        let asks = self.asks.as_ref()?;
        let (answer, answered) = oneshot::channel();
        let asking = async {
            asks.send(RelabelRequest { series, answer }).await.ok()?;
            answered.await.ok()
        };
        tokio::time::timeout(self.patience, asking).await.ok().flatten()
    }
}

/// A processor's place.
pub(crate) struct ProcessorRole {
    sandbox: Sandbox,
    status: Arc<Status>,
    running: Option<(ChainLink, Task)>,
}

impl ProcessorRole {
    /// Its link of the chain; one through which nothing is judged, as long as nothing runs.
    pub(crate) fn link(&self) -> ChainLink {
        self.running.as_ref().map_or_else(|| ChainLink::missing(&self.status), |(link, _)| link.clone())
    }
}

impl Role for ProcessorRole {
    const KIND: PluginKind = PluginKind::Processor;

    fn new(_: &str, shared: &RoleContext, status: &Arc<Status>) -> Self {
        Self { sandbox: shared.sandbox.clone(), status: status.clone(), running: None }
    }

    fn start(&mut self, deployment: Arc<Deployment>) {
        let Deployment { file, plugin, spec, .. } = &*deployment;
        self.status.runs(file, plugin, spec, None);
        let (asks, inbox) = mpsc::channel(ASKS_MAX);
        let deadlines = &spec.limits.deadlines;
        // Every call may have to open an instance.
        let patience = (deadlines.open + deadlines.map) * CALLS_MAX + SLACK;
        let link = ChainLink { status: self.status.clone(), asks: Some(asks), patience };
        let processing = ProcessorTask::new(self.sandbox.clone(), self.status.clone(), deployment);
        self.running = Some((link, Task::start(|commands| processing.run(commands, inbox))));
    }

    fn replace(&mut self, deployment: Arc<Deployment>) -> Option<StopFuture> {
        // Those that wait at the one before are answered by it, or not at all: then they are asked about again.
        let ending = self.withdraw("");
        self.start(deployment);
        ending
    }

    fn withdraw(&mut self, _: &str) -> Option<StopFuture> {
        let (_, task) = self.running.take()?;
        Some(Box::pin(task.stop()))
    }

    fn resume(&self) {
        self.running.iter().for_each(|(_, task)| task.resume());
    }

    fn stop(mut self) -> Option<StopFuture> {
        self.withdraw("")
    }

    fn canary(shared: RoleContext, deployment: Arc<Deployment>) -> BoxFuture<'static, Result<(), CallError>> {
        Box::pin(async move {
            let spec = deployment.spec.canary();
            let mut canary = Processor::open(&shared.sandbox, &deployment.plugin, &spec).await?;
            canary.map_series(&[]).await?;
            canary.close().await
        })
    }
}

/// The task of one processor.
struct ProcessorTask {
    sandbox: Sandbox,
    status: Arc<Status>,
    deployment: Arc<Deployment>,
    instance: Option<Processor>,
    health: Health,
    share: CpuQuota,
}

impl ProcessorTask {
    fn new(sandbox: Sandbox, status: Arc<Status>, deployment: Arc<Deployment>) -> Self {
        let share = CpuQuota::since(status.meters.cpu());
        Self { sandbox, status, deployment, instance: None, health: Health::new(HealthConfig::default()), share }
    }

    async fn run(mut self, commands: Arc<TaskInbox>, mut inbox: mpsc::Receiver<RelabelRequest>) {
        loop {
            tokio::select! {
                biased;
                TaskCommand { end, resume, .. } = commands.next() => {
                    if end {
                        break self.answer_the_rest(&mut inbox).await;
                    }
                    if resume {
                        self.health.resume();
                        self.status.set_health(self.health.state());
                    }
                }
                ask = inbox.recv() => match ask {
                    Some(ask) => self.answer(ask).await,
                    None => break,
                },
            }
        }
        self.close().await;
    }

    /// Those that have asked already get their answer still.
    async fn answer_the_rest(&mut self, inbox: &mut mpsc::Receiver<RelabelRequest>) {
        inbox.close();
        while let Some(ask) = inbox.recv().await {
            self.answer(ask).await;
        }
    }

    /// Asks about series. Whoever gets no answer asks about them again, with the next value.
    async fn answer(&mut self, ask: RelabelRequest) {
        // Whoever has given up wants to know nothing.
        if ask.answer.is_closed() || !self.health.may_call(Instant::now()) {
            return;
        }
        match self.call(&ask.series).await {
            Ok(verdicts) => {
                self.status.succeeded(ask.series.len());
                // Whoever asked may have given up meanwhile.
                let _ = ask.answer.send(verdicts);
            }
            Err(error) => self.status.failed(&error),
        }
    }

    /// Calls the instance, which is opened if there is none.
    async fn call(&mut self, series: &[Series]) -> Result<Vec<Verdict>, CallError> {
        let answer = self.map(series).await;
        match &answer {
            Ok(_) => self.health.succeeded(),
            Err(error) => self.health.failed(error, Instant::now()),
        }
        let (now, meter) = (Instant::now(), self.status.meters.cpu());
        if let Err(kill) = self.share.read(meter, Duration::ZERO, self.deployment.spec.limits.max_cpu_percent, now) {
            self.status.note(&kill.into());
            self.health.throttled(SHARE_WINDOW, now);
        }
        self.status.set_health(self.health.state());
        answer
    }

    async fn map(&mut self, series: &[Series]) -> Result<Vec<Verdict>, CallError> {
        let instance = match self.instance.take().filter(Processor::is_alive) {
            Some(instance) => self.instance.insert(instance),
            None => {
                let Deployment { plugin, spec, .. } = &*self.deployment;
                self.instance.insert(Processor::open(&self.sandbox, plugin, spec).await?)
            }
        };
        instance.map_series(series).await
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

/// A processor's series is checked like any source's.
fn to_series(mut value: Sample, limits: &SeriesLimits) -> Result<Series, SeriesError> {
    value.arrange();
    value.check_series(limits)?;
    Ok(Series {
        endpoint: value.endpoint,
        metric: value.metric.into(),
        tags: value.tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        metric_type: value.metric_type,
        step_s: value.step_s,
    })
}
