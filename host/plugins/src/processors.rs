//! The processors, in a row: what they say of new series, and what the table remembers of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_model::{MetricValue, Series, SeriesError, SeriesLimits};
use saker_pipeline::{Relabel, RelabelOutcome};
use saker_sandbox::{
    CallError, Health, HealthConfig, InstanceSpec, Plugin, PluginFault, Processor, SHARE_WINDOW, Sandbox, Share,
    Verdict,
};

use crate::status::Status;

/// One processor.
pub(crate) struct Link {
    sandbox: Sandbox,
    /// None where there is no plugin to ask: nothing can be judged.
    version: Option<(Plugin, InstanceSpec)>,
    status: Arc<Status>,
    running: tokio::sync::Mutex<Running>,
}

struct Running {
    instance: Option<Processor>,
    health: Health,
    share: Share,
}

/// All processors in their order.
#[derive(Default)]
pub struct Chain {
    links: ArcSwap<Vec<Arc<Link>>>,
}

impl Chain {
    /// Whether these are other processors than those in place.
    pub(crate) fn differs(&self, links: &[Arc<Link>]) -> bool {
        let now = self.links.load();
        let same = |(a, b): (&Arc<Link>, &Arc<Link>)| Arc::ptr_eq(a, b) || (a.version.is_none() && b.version.is_none());
        now.len() != links.len() || !now.iter().zip(links).all(same)
    }

    /// Puts other processors in place.
    pub(crate) fn set(&self, links: Vec<Arc<Link>>) {
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
            let links = self.links.load_full();
            let mut outcomes = vec![RelabelOutcome::Keep; series.len()];
            for link in links.iter() {
                link.pass(series, &mut outcomes, limits).await;
            }
            outcomes
        })
    }
}

/// Tries a version before it takes another's place: opens it, asks it about nothing, throws it away.
pub(crate) async fn canary(sandbox: &Sandbox, plugin: &Plugin, spec: &InstanceSpec) -> Result<(), CallError> {
    let spec = spec.trial();
    let mut trial = Processor::open(sandbox, plugin, &spec).await?;
    trial.map_series(&[]).await?;
    trial.close().await
}

impl Link {
    pub(crate) fn new(sandbox: Sandbox, plugin: Plugin, spec: InstanceSpec, status: Arc<Status>) -> Self {
        Self::with(sandbox, Some((plugin, spec)), status)
    }

    /// A processor whose plugin is not there.
    pub(crate) fn missing(sandbox: &Sandbox, status: &Arc<Status>) -> Self {
        Self::with(sandbox.clone(), None, status.clone())
    }

    fn with(sandbox: Sandbox, version: Option<(Plugin, InstanceSpec)>, status: Arc<Status>) -> Self {
        let share = Share::since(status.meters.cpu());
        let running = Running { instance: None, health: Health::new(HealthConfig::default()), share };
        Self { sandbox, version, status, running: tokio::sync::Mutex::new(running) }
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
        let verdicts = match self.ask(&asked).await {
            Ok(verdicts) => verdicts,
            Err(error) => {
                if let Some(error) = error {
                    self.status.failed(&error);
                }
                places.into_iter().for_each(|place| outcomes[place] = RelabelOutcome::Failed);
                return;
            }
        };
        self.status.succeeded(asked.len());
        let mut failed: Option<(CallError, u64)> = None;
        for ((place, series), verdict) in places.into_iter().zip(&asked).zip(verdicts) {
            match verdict {
                Verdict::Keep => {}
                Verdict::Drop => outcomes[place] = RelabelOutcome::Dropped,
                Verdict::Fail(message) => {
                    let message = format!("failed to map the series {series}: {message}");
                    let error = || CallError::from(PluginFault::Other(clean(&message, MESSAGE_BYTES_MAX)));
                    failed.get_or_insert_with(|| (error(), 0)).1 += 1;
                    outcomes[place] = RelabelOutcome::Failed;
                }
                Verdict::Change(value) => {
                    outcomes[place] = match to_series(value, limits) {
                        Ok(series) => RelabelOutcome::To(series),
                        Err(error) => RelabelOutcome::Refused(error.into()),
                    };
                }
            }
        }
        // Told by its first, however many there are: thousands of reports would cost more than the call.
        if let Some((error, times)) = failed {
            self.status.failed_often(&error, times);
        }
    }

    /// Asks the instance, which is opened if there is none; an error of nothing means that it is backing off.
    async fn ask(&self, series: &[Series]) -> Result<Vec<Verdict>, Option<CallError>> {
        let Some((plugin, spec)) = &self.version else { return Err(None) };
        let mut running = self.running.lock().await;
        if !running.health.may_call(Instant::now()) {
            return Err(None);
        }
        let answer = async {
            let instance = match running.instance.take().filter(Processor::is_alive) {
                Some(instance) => running.instance.insert(instance),
                None => running.instance.insert(Processor::open(&self.sandbox, plugin, spec).await?),
            };
            instance.map_series(series).await
        };
        let answer = answer.await;
        match &answer {
            Ok(_) => running.health.succeeded(),
            Err(error) => running.health.failed(error, Instant::now()),
        }
        let (now, meter) = (Instant::now(), self.status.meters.cpu());
        if let Err(kill) = running.share.read(meter, Duration::ZERO, spec.limits.cpu_percent, now) {
            self.status.note(&kill.into());
            running.health.throttled(SHARE_WINDOW, now);
        }
        self.status.set_health(running.health.state());
        answer.map_err(Some)
    }

    /// Has it asked again, also from quarantine.
    pub(crate) async fn revive(&self) {
        let mut running = self.running.lock().await;
        running.health.revive();
        self.status.set_health(running.health.state());
    }

    /// Ends its instance in order.
    pub(crate) async fn close(&self) {
        if let Some(instance) = self.running.lock().await.instance.take()
            && instance.is_alive()
            && let Err(error) = instance.close().await
        {
            tracing::warn!(plugin = self.status.name, "failed to close: {error}");
        }
    }
}

/// A processor's series is checked like any source's.
fn to_series(mut value: MetricValue, limits: &SeriesLimits) -> Result<Series, SeriesError> {
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
