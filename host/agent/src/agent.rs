//! The whole agent: put together, changed by configuration, ended in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::ArcSwap;
use axum::Router;
use parking_lot::Mutex;
use saker_cache::{Cache, CacheMetrics, CacheReader};
use saker_forward::{BackendNames, DestinationMetrics, FinalAccount, Forwarder, SpoolDir, Topology};
use saker_http::{HttpMetrics, Listener};
use saker_ingest::csv::Csv;
use saker_ingest::falcon::FalconListener;
use saker_ingest::graphite::GraphiteListener;
use saker_ingest::graphite::pickle::Pickle;
use saker_ingest::import::Import;
use saker_ingest::influx::Influx;
use saker_ingest::opentsdb::Opentsdb;
use saker_ingest::prometheus::Prometheus;
use saker_ingest::transfer::Transfer;
use saker_ingest::transfer::lines::TransferLines;
use saker_ingest::{AllListenerStats, Ingest, IngestAdmission, IngestContext, IngestMetrics};
use saker_model::{Series, SeriesTable};
use saker_pipeline::reader::SeriesEraser;
use saker_pipeline::{FLOOD, LOOK_INTERVAL, LawWatch, MemoryBudget, Pipeline, PipelineMetrics, Sink, Sinks, now_ms};
use saker_plugins::folder::Watch;
use saker_plugins::{Chain, Dependencies, PluginMetrics, StateDir, Statuses, Supervision, Supervisor};
use saker_query::{Engine, NoDescriptions};
use saker_sandbox::{Compiler, PluginHash, Sandbox, SandboxConfig};
use saker_store::{Ended as StoreEnded, StoreReader, StoreService};
use saker_telemetry::{MetricRegistry, ProcessMetrics};
use saker_web::Feed;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::api::{self, About, Routes};
use crate::config::Config;
use crate::eraser::Erasers;

/// Of the time for the end so much is kept for the account, a tenth at most: it is printed within it.
const ACCOUNT_TIME: Duration = Duration::from_millis(250);
/// However late it is, the store has so long to seal what it holds; the rest is in its journal.
const STORE_TIME_MIN: Duration = Duration::from_millis(250);
/// How often idle series are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What runs, as the API and the commands see it.
pub(crate) struct Agent {
    pub(crate) config: Arc<ArcSwap<Config>>,
    pub(crate) pipeline: Arc<Pipeline>,
    /// What other programs push through.
    pub(crate) ingest: Ingest<Config>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) forwarder: Arc<Forwarder>,
    pub(crate) statuses: Arc<Statuses>,
    pub(crate) supervision: Supervision,
    pub(crate) endpoint: Arc<ArcSwap<Arc<str>>>,
    pub(crate) laws: Arc<LawWatch>,
    queries: Arc<Engine>,
    feed: Arc<Feed>,
    store: Mutex<Option<StoreService>>,
    listener: Listener,
    /// What is in memory is let go of at the end, which no law knows.
    is_ending: AtomicBool,
    watching: Mutex<Option<JoinHandle<()>>>,
    /// The configuration whose destinations and routes are put in place, by a task that may wait for a disk.
    wanted: watch::Sender<Arc<Config>>,
    /// What goes on as long as the agent does.
    tasks: Mutex<JoinSet<()>>,
}

impl Agent {
    /// Starts everything. The plugins are loaded in the background.
    ///
    /// # Errors
    /// If the data folder, the sandbox or the listener cannot be had.
    pub(crate) async fn start(config: Config) -> anyhow::Result<Arc<Self>> {
        let sandbox = off_the_workers({
            let config = config.clone();
            move || sandbox(&config)
        })
        .await??;
        let table = Arc::new(SeriesTable::new(config.pipeline.max_series));
        let endpoint: Arc<str> = config.endpoint().into();
        let seed = PluginHash::of(format!("{endpoint}/{}", now_ms()).as_bytes()).to_string();
        let queues = config.data_dir.join("queues");
        let spools = off_the_workers({
            let queues = queues.clone();
            move || SpoolDir::open(&queues)
        });
        let spools = spools.await?.with_context(|| format!("cannot open {}", queues.display()))?;
        let memory = Arc::new(MemoryBudget::new(config.pipeline.max_in_flight_bytes));
        let seed = u64::from_str_radix(&seed[..16], 16).unwrap_or(0);
        let forwarder = Arc::new(Forwarder::new(table.clone(), memory.clone(), Some(spools), seed));
        let cache = Arc::new(Cache::new(config.cache));
        let chain = Arc::<Chain>::default();
        let store = open_store(&config, &table).await?;
        let endpoint = Arc::new(ArcSwap::from_pointee(endpoint));
        let of_host: saker_web::Endpoint = {
            let endpoint = endpoint.clone();
            Arc::new(move || (**endpoint.load()).clone())
        };
        let feed = Arc::new(Feed::new(table.clone(), of_host.clone()));
        let mut others: Vec<Arc<dyn Sink>> = vec![cache.clone(), feed.clone()];
        others.extend(store.as_ref().map(|store| store.sink().clone() as Arc<dyn Sink>));
        let sinks = Sinks { durable: forwarder.clone(), others };
        let recent = Arc::new(CacheReader::new(cache.clone(), table.clone()));
        let reader = store.as_ref().map(|store| Arc::new(StoreReader::new(store.store().clone())));
        let queries = Engine::new(
            config.query.clone(),
            match &reader {
                Some(reader) => reader.clone(),
                None => recent.clone(),
            },
        );
        let pipeline = Arc::new(Pipeline::new(table, memory, sinks, chain.clone(), config.pipeline.shares));
        pipeline.set_limits(config.pipeline.series);
        let statuses = Arc::new(Statuses::default());
        let states = config.data_dir.join("state");
        let opened = off_the_workers({
            let states = states.clone();
            move || StateDir::open(&states)
        });
        let states = opened.await?.with_context(|| format!("cannot open {}", states.display()))?;
        let dependencies = Dependencies {
            sandbox: sandbox.clone(),
            pipeline: pipeline.clone(),
            chain,
            endpoint: endpoint.clone(),
            statuses: statuses.clone(),
            states,
        };
        let (supervision, supervisor) = Supervisor::prepare(config.plugins.clone(), dependencies);
        let (started, laws, http) = (Instant::now(), Arc::<LawWatch>::default(), Arc::<saker_http::Stats>::default());
        let live = Arc::new(ArcSwap::from_pointee(config.clone()));
        let is_judging = {
            let (live, supervision) = (live.clone(), supervision.clone());
            move || supervision.is_judging() || live.load().plugins.processors.is_empty()
        };
        let admission = IngestAdmission::new(pipeline.clone(), http.clone(), config.listen.max_parsers, is_judging);
        let listeners = Arc::new(AllListenerStats::new(pipeline.clone()));
        let context = IngestContext { listeners: listeners.clone(), admission: Arc::new(admission) };
        let mut ingest = Ingest::new(context, Arc::clone(&endpoint.load()));
        ingest.add::<FalconListener>(&config, |_| &());
        ingest.add::<Influx>(&config, |config| &config.listeners.influx);
        ingest.add::<GraphiteListener>(&config, |config| &config.listeners.graphite);
        ingest.add::<Pickle>(&config, |config| &config.listeners.pickle);
        ingest.add::<Opentsdb>(&config, |config| &config.listeners.opentsdb);
        ingest.add::<Prometheus>(&config, |config| &config.listeners.prometheus);
        ingest.add::<Import>(&config, |config| &config.listeners.import);
        ingest.add::<Csv>(&config, |config| &config.listeners.csv);
        ingest.add::<Transfer>(&config, |config| &config.listeners.transfer);
        ingest.add::<TransferLines>(&config, |config| &config.listeners.transfer_lines);
        let mut metrics = MetricRegistry::default();
        metrics.register(ProcessMetrics::new(started, versions()));
        metrics.register(saker_log::LogMetrics);
        metrics.register(PipelineMetrics { pipeline: pipeline.clone(), laws: laws.clone() });
        metrics.register(CacheMetrics::new(cache.clone()));
        metrics.register(HttpMetrics::new(Arc::clone(&http)));
        metrics.register(IngestMetrics::new(listeners.clone()));
        metrics.register(PluginMetrics { statuses: statuses.clone(), sandbox: sandbox.clone() });
        metrics.register(DestinationMetrics::new(forwarder.clone()));
        metrics.register(queries.metrics());
        if let Some(store) = &store {
            metrics.register(store.metrics());
        }
        let routes = {
            let plugins =
                saker_plugins::PluginsApiState { statuses: statuses.clone(), supervision: supervision.clone() };
            let forwarding = saker_forward::ForwardApiState {
                forwarder: forwarder.clone(),
                backend_of: backend_names(&live),
                endpoint: of_host,
            };
            let window = saker_cache::CacheApiState { cache: cache.clone(), table: pipeline.table().clone() };
            let page = saker_web::routers(saker_web::Dependencies {
                engine: queries.clone(),
                feed: feed.clone(),
                version: env!("CARGO_PKG_VERSION"),
            });
            let guarded = Router::new()
                .merge(page.guarded.clone())
                .merge(saker_plugins::router(plugins.clone()))
                .merge(saker_forward::router(forwarding.clone()))
                .merge(saker_cache::router(window))
                .merge(saker_query::router(saker_query::Dependencies {
                    engine: queries.clone(),
                    recent: recent.clone(),
                    eraser: reader
                        .map(|store| Arc::new(Erasers { store, recent: recent.clone() }) as Arc<dyn SeriesEraser>),
                    descriptions: Arc::new(NoDescriptions),
                    version: env!("CARGO_PKG_VERSION"),
                    address: config.listen.http.0.map_or_else(String::new, |address| address.to_string()),
                }))
                .merge(store.as_ref().map_or_else(Router::new, |store| saker_store::router(store.store().clone())))
                .merge(ingest.router());
            let operating = Router::new()
                .merge(saker_plugins::operating(plugins))
                .merge(saker_forward::operating(forwarding))
                .merge(store.as_ref().map_or_else(Router::new, |store| {
                    let forget = Arc::new(move |series: &[Series], before| recent.forget(series, before));
                    saker_store::operating(store.store().clone(), forget)
                }));
            Routes { guarded, operating, page, listeners: listeners.clone() }
        };
        let about =
            About { endpoint: endpoint.clone(), started, pipeline: pipeline.clone(), supervision: supervision.clone() };
        http.observe(move |path, answer| listeners.turned_away(path, answer));
        let listener = Listener::new(api::router(routes, about, Arc::new(metrics)), http);
        let agent = Arc::new(Self {
            config: live,
            pipeline,
            ingest,
            cache,
            forwarder,
            statuses,
            supervision,
            endpoint,
            laws,
            queries,
            feed,
            store: Mutex::new(store),
            listener,
            is_ending: AtomicBool::new(false),
            watching: Mutex::default(),
            wanted: watch::Sender::new(Arc::new(config.clone())),
            tasks: Mutex::default(),
        });
        agent.ingest.apply(&config, &agent.endpoint.load()).await?;
        agent.listen(&config).await?;
        // Not before the last that can fail.
        {
            let mut tasks = agent.tasks.lock();
            tasks.spawn(supervisor);
            tasks.spawn(keep_destinations(Arc::downgrade(&agent), agent.wanted.subscribe()));
            tasks.spawn(sweep(Arc::downgrade(&agent)));
            tasks.spawn(hold_laws(Arc::downgrade(&agent)));
        }
        agent.watch(&config);
        Ok(agent)
    }

    /// Takes another configuration, and changes what differs. The API's token is read anew in any case.
    ///
    /// # Errors
    /// If the API's token or its new address cannot be had; it goes on with what it had, and everything else is changed
    /// all the same.
    pub(crate) async fn apply(self: &Arc<Self>, config: Config) -> anyhow::Result<()> {
        let before = self.config.swap(Arc::new(config.clone()));
        for (key, differs) in [
            ("data_dir", before.data_dir != config.data_dir),
            ("tls", before.tls != config.tls),
            ("pipeline.max_series", before.pipeline.max_series != config.pipeline.max_series),
            ("log.format", before.log.format != config.log.format),
            ("store.enabled", before.store.enabled != config.store.enabled),
        ] {
            if differs {
                tracing::warn!("{key} takes hold at the next start");
            }
        }
        self.endpoint.store(Arc::new(config.endpoint().into()));
        if before.listen.max_parsers != config.listen.max_parsers {
            self.ingest.admission().set_parsers(config.listen.max_parsers);
        }
        self.cache.set_limits(config.cache);
        self.queries.apply(config.query.clone());
        if let Some(store) = &*self.store.lock() {
            store.apply(config.store.clone());
        }
        self.pipeline.set_shares(config.pipeline.shares);
        self.pipeline.set_limits(config.pipeline.series);
        self.pipeline.memory().set_limit(config.pipeline.max_in_flight_bytes);
        if before.plugins.folder != config.plugins.folder {
            self.watch(&config);
        }
        self.supervision.apply(config.plugins.clone()).await;
        self.wanted.send_replace(Arc::new(config.clone()));
        let (ingest, api) = (self.ingest.apply(&config, &self.endpoint.load()).await, self.listen(&config).await);
        ingest.map_err(anyhow::Error::from).and(api)
    }

    /// The address that the API listens on.
    pub(crate) fn address(&self) -> Option<std::net::SocketAddr> {
        self.listener.address()
    }

    /// Ends everything in order: no new values, then what is queued is sent, within the time that is set.
    pub(crate) async fn stop(&self) -> FinalAccount {
        self.is_ending.store(true, Ordering::Relaxed);
        let limit = self.config.load().shutdown_timeout;
        let end = Instant::now() + (limit - ACCOUNT_TIME.min(limit / 10));
        if let Some(watching) = self.watching.lock().take() {
            watching.abort();
        }
        // A page listens for as long as it is let.
        self.feed.close();
        // What has come may be taken as long as requests may be worked on.
        tokio::join!(self.listener.stop(limit), self.ingest.stop(limit / 2));
        if tokio::time::timeout_at(end.into(), self.supervision.stop()).await.is_err() {
            tracing::warn!("collectors did not end within {limit:?}");
        }
        self.end_tasks().await;
        let account = self.forwarder.drain(end.saturating_duration_since(Instant::now())).await;
        self.end_store(end.saturating_duration_since(Instant::now()).max(STORE_TIME_MIN)).await;
        account
    }

    /// Ends the questions, then the store: what it was left is written, and synced.
    async fn end_store(&self, within: Duration) {
        let (queries, store) = (self.queries.clone(), self.store.lock().take());
        let end = Instant::now() + within;
        // A query that reads from a disk that hangs does not end.
        let ended = off_the_workers(move || {
            queries.stop();
            store.map(|store| store.stop(end.saturating_duration_since(Instant::now())))
        });
        match tokio::time::timeout_at(end.into(), ended).await {
            Ok(Ok(None | Some(StoreEnded::Flushed(_)))) => {}
            Ok(Ok(Some(StoreEnded::Failed(error)))) => {
                let error = anyhow::Error::from(error);
                tracing::error!("the store has not written all that it was left; its journal has: {error:#}");
            }
            Ok(Ok(Some(StoreEnded::Hangs))) | Err(_) => {
                tracing::warn!("the store's disk does not answer; its journal has what it took before");
            }
            Ok(Err(error)) => tracing::error!("the store did not end in order: {error:#}"),
        }
    }

    async fn listen(&self, config: &Config) -> anyhow::Result<()> {
        let (listen, most) =
            (config.listen.clone(), saker_ingest::body_bytes_most(config.pipeline.max_in_flight_bytes));
        let settings = tokio::task::spawn_blocking(move || listen.settings(most)).await??;
        Ok(self.listener.listen(config.listen.http.0, settings).await?)
    }

    /// Puts destinations and routes in place. A destination that stays is the same one, with its queue.
    async fn set_destinations(&self, config: &Config) -> anyhow::Result<()> {
        let now = self.forwarder.topology();
        let mut destinations = Vec::with_capacity(config.sending.len());
        for (name, &sending) in &config.sending {
            if let Some(destination) = now.destinations().iter().find(|destination| destination.name() == name) {
                destination.set_config(sending);
                destinations.push(destination.clone());
            } else if let Some(backend) = self.supervision.backend(name) {
                let (forwarder, name) = (self.forwarder.clone(), name.clone());
                // It looks at the disk for what an earlier process has left.
                destinations.push(off_the_workers(move || forwarder.destination(&name, backend, sending)).await?);
            }
        }
        let same = now.destinations().len() == destinations.len()
            && now.destinations().iter().zip(&destinations).all(|(a, b)| Arc::ptr_eq(a, b));
        if !self.forwarder.is_set() || !same || now.routes() != config.route {
            self.forwarder.set_topology(Topology::new(destinations, config.route.clone()));
        }
        Ok(())
    }

    /// Ends what went on as long as the agent did.
    async fn end_tasks(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!("a task of the agent's own failed: {error}");
            }
        }
    }

    fn watch(&self, config: &Config) {
        let folder = &config.plugins.folder;
        let (supervision, dir, poll) = (self.supervision.clone(), folder.dir.clone(), folder.poll_interval);
        let task = tokio::spawn(async move {
            let watch = off_the_workers(move || Watch::new(&dir)).await;
            // What happened before the watch began is found by a look.
            supervision.folder_changed().await;
            let watch = match watch {
                Ok(watch) => watch,
                Err(error) => return tracing::error!("the plugin folder is not watched: {error:#}"),
            };
            loop {
                watch.change(poll).await;
                supervision.folder_changed().await;
            }
        });
        if let Some(before) = self.watching.lock().replace(task) {
            before.abort();
        }
    }
}

/// The store, if there is to be one.
async fn open_store(config: &Config, table: &Arc<SeriesTable>) -> anyhow::Result<Option<StoreService>> {
    if !config.store.enabled {
        return Ok(None);
    }
    let (folder, settings, table) = (config.data_dir.join("store"), config.store.clone(), table.clone());
    let (service, opened) = off_the_workers(move || StoreService::start(&folder, settings, table)).await??;
    for name in &opened.set_aside {
        tracing::warn!("the store's file {name:?} was damaged, and is set aside");
    }
    if opened.journal_samples_lost > 0 || opened.damaged_frames > 0 {
        tracing::warn!(?opened, "some of what the store had is damaged");
    }
    Ok(Some(service))
}

/// The names of destinations' backends, as they are configured at a time.
fn backend_names(config: &Arc<ArcSwap<Config>>) -> BackendNames {
    let config = config.clone();
    Arc::new(move |destination| config.load().plugins.backends.get(destination).map(|backend| backend.backend.clone()))
}

/// Does what may wait for a disk on a thread that may.
pub(crate) async fn off_the_workers<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// What this program is made of.
fn versions() -> saker_telemetry::Labels {
    vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("wasmtime", saker_sandbox::wasmtime_version().to_owned())]
}

/// A sandbox as the configuration wants it, which compiles in a child process.
pub(crate) fn sandbox(config: &Config) -> anyhow::Result<Sandbox> {
    // This very program: under its path there may be another by now, which an update has put there.
    let itself = PathBuf::from("/proc/self/exe");
    let program = if itself.exists() { itself } else { std::env::current_exe()? };
    let sandbox = SandboxConfig {
        cache_dir: Some(config.data_dir.join("compiled")),
        compiler: Compiler::Child { program, arguments: vec!["compile".into()] },
        ca_file: config.tls.ca_file.clone(),
    };
    Ok(Sandbox::new(sandbox)?)
}

/// Puts the destinations and routes of each configuration in place.
async fn keep_destinations(agent: std::sync::Weak<Agent>, mut wanted: watch::Receiver<Arc<Config>>) {
    loop {
        let config = wanted.borrow_and_update().clone();
        let Some(agent) = agent.upgrade() else { return };
        if let Err(error) = agent.set_destinations(&config).await {
            tracing::error!("destinations and routes stay as they were: {error:#}");
        }
        drop(agent);
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

async fn sweep(agent: std::sync::Weak<Agent>) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        interval.tick().await;
        let Some(agent) = agent.upgrade() else { return };
        let sweeping = tokio::task::spawn_blocking(move || {
            if agent.pipeline.sweep(agent.config.load().pipeline.series_ttl) >= FLOOD {
                crate::memory::give_back();
            }
        });
        if let Err(error) = sweeping.await {
            tracing::error!("idle series are not forgotten: {error}");
        }
    }
}

async fn hold_laws(agent: std::sync::Weak<Agent>) {
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    loop {
        interval.tick().await;
        let Some(agent) = agent.upgrade() else { return };
        if agent.is_ending.load(Ordering::Relaxed) {
            return;
        }
        agent.laws.look(&agent.pipeline.breaches());
    }
}
