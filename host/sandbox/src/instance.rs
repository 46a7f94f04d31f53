//! Instances: plugins that run.
//!
//! A call moves the store to a thread of the sandbox, runs the guest there under its deadline, and moves the store
//! back. A guest that computes yields at every epoch, so that the deadline is seen; one that waits is dropped while it
//! waits; one whose host call hangs in the operating system loses its thread, and the caller goes on without it. After
//! anything but a value or the guest's own error, the instance is gone and the owner opens another.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use saker_model::{MetricValue, Point, Series, SeriesId};
use wasmtime::Store;

use crate::bindings::backend::exports::saker::plugin::backend as wit_backend;
use crate::bindings::collector::exports::saker::plugin::collector as wit_collector;
use crate::bindings::processor::exports::saker::plugin::processor as wit_processor;
use crate::bindings::{backend, collector, processor, types};
use crate::convert;
use crate::ctx::{Ctx, Denials};
use crate::engine::Sandbox;
use crate::failure::{CallError, Denied, Kill, PluginFault};
use crate::figures::{Figures, Meters};
use crate::grants::{Grants, Permission};
use crate::http::Outgoing;
use crate::limits::Limits;
use crate::output::LogTail;
use crate::plugin::{Code, Plugin};
use crate::state::StateCell;

/// How long after a deadline a call is given up for stuck: enough for a guest that computes to reach its next epoch.
const GRACE: Duration = Duration::from_millis(30);

/// What an instance is to be: its name, what it may do, and what it shares with those before and after it.
#[derive(Clone, Debug, Default)]
pub struct InstanceSpec {
    /// The name that its log lines carry.
    pub name: String,
    /// The table of the configuration that grants are written in, such as `plugin.cpu`.
    pub section: String,
    /// Its settings: a JSON object.
    pub settings: String,
    /// What it may touch.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
    /// Its saved state.
    pub state: StateCell,
    /// The metrics of its own.
    pub figures: Figures,
    /// What it has used.
    pub meters: Arc<Meters>,
    /// Its last log lines.
    pub log_tail: LogTail,
}

/// Why a tick is.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// The time that values are for, in milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// The interval, in milliseconds.
    pub interval_ms: u32,
    /// The step that values get which have none, in seconds.
    pub step_s: u32,
}

/// What a processor says of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// Its values are dropped.
    Drop,
    /// Its values belong to the series of this value, which is yet to be validated.
    Change(MetricValue),
    /// It could not be judged: why.
    Fail(String),
}

/// Why a backend has not written points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Try again.
    Retry {
        /// At the earliest after this time.
        after: Option<Duration>,
        /// What happened.
        message: String,
    },
    /// Give these up: places in the list of points, or all if there are none.
    Reject {
        /// Which.
        points: Vec<u32>,
        /// Why.
        message: String,
    },
    /// The instance is of no more use.
    Broken(String),
    /// The call did not end well.
    Call(CallError),
}

/// A collector that is open.
pub struct Collector(Instance<collector::CollectorPlugin>);

/// A processor that is open.
pub struct Processor(Instance<processor::ProcessorPlugin>);

/// A backend that is open.
pub struct Backend(Instance<backend::BackendPlugin>);

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
            wit_collector::CollectError::Unavailable(message) => PluginFault::Unavailable(message).into(),
            wit_collector::CollectError::Malformed(message) => PluginFault::Malformed(message).into(),
            wit_collector::CollectError::Other(message) => PluginFault::Other(message).into(),
        });
        let values = self.0.explain(values)?;
        Ok(values.into_iter().map(|value| convert::metric_value(value, endpoint, &tick)).collect())
    }

    /// Whether it can still be called.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.live.is_some()
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// [`CallError`]; it has ended all the same.
    pub async fn close(mut self) -> Result<(), CallError> {
        let deadline = self.0.spec.limits.deadlines.close;
        self.0
            .call("close", deadline, |live| {
                Box::pin(async move { live.guest.saker_plugin_collector().call_close(&mut live.store).await })
            })
            .await
    }
}

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
            Ok((Live { store, guest }, opened))
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
                wit_processor::Verdict::Fail(wit_processor::ProcessError::Other(message)) => Verdict::Fail(message),
            })
            .collect())
    }

    /// Whether it can still be called.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.live.is_some()
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// [`CallError`]; it has ended all the same.
    pub async fn close(mut self) -> Result<(), CallError> {
        let deadline = self.0.spec.limits.deadlines.close;
        self.0
            .call("close", deadline, |live| {
                Box::pin(async move { live.guest.saker_plugin_processor().call_close(&mut live.store).await })
            })
            .await
    }
}

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
            Ok((Live { store, guest }, opened))
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
        let define: Vec<_> = define
            .iter()
            .map(|(id, series)| wit_backend::Definition { id: id.0, series: convert::series_out(series) })
            .collect();
        let points: Vec<_> = points.iter().map(convert::point).collect();
        let answer = self
            .0
            .call("write", deadline, move |live| {
                Box::pin(async move {
                    let guest = live.guest.saker_plugin_backend();
                    if !forget.is_empty() {
                        guest.call_forget(&mut live.store, &forget).await?;
                    }
                    if !define.is_empty() {
                        guest.call_define(&mut live.store, &define).await?;
                    }
                    guest.call_write(&mut live.store, &points).await
                })
            })
            .await
            .map_err(WriteError::Call)?;
        let denied = self.0.denials.take();
        match answer {
            Ok(written) => Ok(written.points),
            Err(wit_backend::WriteError::Denied(permission)) => {
                Err(WriteError::Call(convert::denied(permission, &self.0.spec.section)))
            }
            // What the host has refused is what the operator needs to know, whatever the guest makes of it.
            Err(_) if denied.is_some() => Err(WriteError::Call(self.0.denied(denied))),
            Err(wit_backend::WriteError::Retry(retry)) => Err(WriteError::Retry {
                after: retry.after_ms.map(|ms| Duration::from_millis(ms.into())),
                message: retry.message,
            }),
            Err(wit_backend::WriteError::Reject(reject)) => {
                Err(WriteError::Reject { points: reject.points, message: reject.message })
            }
            Err(wit_backend::WriteError::Broken(message)) => Err(WriteError::Broken(message)),
        }
    }

    /// Whether it can still be called.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.0.live.is_some()
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// [`CallError`]; it has ended all the same.
    pub async fn close(mut self) -> Result<(), CallError> {
        let deadline = self.0.spec.limits.deadlines.close;
        self.0
            .call("close", deadline, |live| {
                Box::pin(async move { live.guest.saker_plugin_backend().call_close(&mut live.store).await })
            })
            .await
    }
}

fn wrong_kind(plugin: &Plugin) -> CallError {
    PluginFault::Settings(format!("{} is a {}", plugin.description().name, plugin.kind().as_str())).into()
}

/// Calls `describe` in an instance that may touch nothing.
pub(crate) async fn describe(sandbox: &Sandbox, code: &Code) -> Result<types::Description, CallError> {
    let spec = InstanceSpec { name: "describe".into(), ..InstanceSpec::default() };
    let code = code.clone();
    let call = move |mut store: Store<Ctx>| async move {
        let description = match code {
            Code::Collector(pre) => {
                let guest = pre.instantiate_async(&mut store).await?;
                guest.saker_plugin_collector().call_describe(&mut store).await?
            }
            Code::Processor(pre) => {
                let guest = pre.instantiate_async(&mut store).await?;
                guest.saker_plugin_processor().call_describe(&mut store).await?
            }
            Code::Backend(pre) => {
                let guest = pre.instantiate_async(&mut store).await?;
                guest.saker_plugin_backend().call_describe(&mut store).await?
            }
        };
        Ok((Live { store, guest: description }, Ok(())))
    };
    let mut instance = Instance::open(sandbox, &spec, call).await?;
    let live = instance.live.take().expect("an instance that was just opened is alive");
    Ok(live.guest)
}

/// What an export returns.
trait Answer: Send + 'static {
    /// Whether it is a value and no error of the guest: only then is kept what the call has saved.
    fn is_value(&self) -> bool;
}

impl Answer for () {
    fn is_value(&self) -> bool {
        true
    }
}

impl<T: Send + 'static> Answer for Vec<T> {
    fn is_value(&self) -> bool {
        true
    }
}

impl<T: Send + 'static, E: Send + 'static> Answer for Result<T, E> {
    fn is_value(&self) -> bool {
        self.is_ok()
    }
}

type Calling<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;

/// A store and the guest in it.
struct Live<G> {
    store: Store<Ctx>,
    guest: G,
}

/// An instance of any kind: its store while it is alive, and what calls need.
struct Instance<G> {
    live: Option<Live<G>>,
    runner: Runner,
    spec: InstanceSpec,
    denials: Denials,
}

/// Runs work on the sandbox's threads.
struct Runner {
    sandbox: Sandbox,
    meters: Arc<Meters>,
}

impl<G: Send + 'static> Instance<G> {
    /// Makes a store and runs `open` in it, which instantiates the guest and calls its `open`.
    async fn open<F>(
        sandbox: &Sandbox,
        spec: &InstanceSpec,
        open: impl FnOnce(Store<Ctx>) -> F + Send + 'static,
    ) -> Result<Self, CallError>
    where
        F: Future<Output = wasmtime::Result<(Live<G>, Result<(), types::OpenError>)>> + Send,
    {
        let runner = Runner { sandbox: sandbox.clone(), meters: spec.meters.clone() };
        let mut instance = Self { live: None, runner, spec: spec.clone(), denials: Denials::default() };
        let deadline = spec.limits.deadlines.open;
        let (engine, spec, denials) = (sandbox.engine().clone(), spec.clone(), instance.denials.clone());
        let outgoing = Outgoing::new(sandbox.tls(), Arc::new(spec.grants.clone()), denials.clone(), &spec.limits);
        let work = async move {
            let mut ctx = Ctx::new(&spec, outgoing, denials)?;
            ctx.ends = Instant::now() + deadline;
            let mut store = Store::new(&engine, ctx);
            store.limiter(|ctx| &mut ctx.meter);
            store.epoch_deadline_async_yield_and_update(1);
            store.set_hostcall_fuel(spec.limits.answer_bytes);
            let (mut live, opened) =
                open(store).await.map_err(|error| CallError::from_wasmtime(&error, spec.limits.answer_bytes))?;
            live.store.data_mut().finish(opened.is_ok());
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
    async fn call<R: Answer>(
        &mut self,
        export: &'static str,
        deadline: Duration,
        call: impl for<'a> FnOnce(&'a mut Live<G>) -> Calling<'a, R> + Send + 'static,
    ) -> Result<R, CallError> {
        let mut live = self.live.take().ok_or_else(|| CallError::Host("the instance is gone".into()))?;
        let answer_bytes = self.spec.limits.answer_bytes;
        self.denials.take();
        let work = async move {
            live.store.data_mut().ends = Instant::now() + deadline;
            live.store.set_epoch_deadline(1);
            let answer = call(&mut live).await;
            live.store.data_mut().finish(answer.as_ref().is_ok_and(Answer::is_value));
            let memory = live.store.data().meter.memory_bytes();
            match answer {
                Ok(answer) => Ok(((live, answer), memory)),
                Err(error) => Err(CallError::from_wasmtime(&error, answer_bytes)),
            }
        };
        let (live, answer) = self.runner.run(export, deadline, work).await?;
        self.live = Some(live);
        Ok(answer)
    }

    /// Puts what the host has refused in place of whatever error the guest made of it.
    fn explain<T>(&self, result: Result<T, CallError>) -> Result<T, CallError> {
        let denied = self.denials.take();
        match result {
            Err(CallError::Plugin(_)) if denied.is_some() => Err(self.denied(denied)),
            other => other,
        }
    }

    fn denied(&self, permission: Option<Permission>) -> CallError {
        match permission {
            Some(permission) => Denied { permission, section: self.spec.section.clone() }.into(),
            None => CallError::Host("nothing was refused".into()),
        }
    }
}

impl Runner {
    /// Runs `work` on a thread of the sandbox, which the guest may block, and counts what it costs. `work` also answers
    /// the guest's memory in bytes.
    async fn run<T: Send + 'static>(
        &self,
        export: &'static str,
        deadline: Duration,
        work: impl Future<Output = Result<(T, usize), CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        let meters = self.meters.clone();
        let ticking = self.sandbox.ticker().run();
        let handle = self.sandbox.handle();
        let killed = || CallError::from(Kill::Deadline { export, limit: deadline });
        meters.begin();
        let stuck = Arc::new(StuckMark::new(meters.clone()));
        let mark = stuck.clone();
        let job = self.sandbox.handle().spawn_blocking(move || {
            let _ticking = ticking;
            let (cpu, wall) = (thread_cpu(), Instant::now());
            // Boxed in here and dropped in here: a guest's memory is given back on this thread, not the caller's.
            let result = handle.block_on(tokio::time::timeout(deadline, work));
            let memory = result.as_ref().map_or(0, |done| done.as_ref().map_or(0, |(_, memory)| *memory));
            meters.end(thread_cpu().saturating_sub(cpu), wall.elapsed(), memory);
            mark.unstick();
            result
        });
        match tokio::time::timeout(deadline + GRACE, job).await {
            Ok(Ok(Ok(done))) => done.map(|(value, _)| value),
            Ok(Ok(Err(_))) => Err(killed()),
            Ok(Err(error)) => Err(CallError::Host(format!("a call ended the thread it ran on: {error}"))),
            Err(_) => {
                stuck.stick();
                Err(killed())
            }
        }
    }
}

/// Counts a thread as stuck from when its caller has given it up until it comes back.
struct StuckMark {
    meters: Arc<Meters>,
    state: parking_lot::Mutex<Stuck>,
}

#[derive(PartialEq)]
enum Stuck {
    Running,
    GivenUp,
    Back,
}

impl StuckMark {
    fn new(meters: Arc<Meters>) -> Self {
        Self { meters, state: parking_lot::Mutex::new(Stuck::Running) }
    }

    fn stick(&self) {
        let mut state = self.state.lock();
        if *state == Stuck::Running {
            *state = Stuck::GivenUp;
            self.meters.stuck(1);
        }
    }

    fn unstick(&self) {
        let mut state = self.state.lock();
        if *state == Stuck::GivenUp {
            self.meters.stuck(-1);
        }
        *state = Stuck::Back;
    }
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
