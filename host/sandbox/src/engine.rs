//! The engine that all plugins share, the threads that they run on, and the clock that interrupts them.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Builder, Handle, Runtime};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, EngineWeak};
use wasmtime_wasi::p2::bindings::filesystem as files;

use crate::bindings::host;
use crate::compile::{CompileBudget, CompileError, Compiler};
use crate::compile_cache::{CacheError, CodeOrigin, CodeWriteOutcome, CodeWriter, CompileCache, CompileCacheStats};
use crate::ctx::{self, Ctx};
use crate::folder::FolderLedgers;
use crate::http::Tls;
use crate::lookups::Lookups;
use crate::plugin::{LoadError, Plugin, PluginHash};
use crate::sockets;
use crate::statfs::StatfsCalls;
use crate::system::System;
use crate::threads::{THREADS_MAX, Threads};

/// How often a guest that computes is made to yield.
const EPOCH: Duration = Duration::from_millis(10);
/// How long a thread waits for another call before it ends. Calls go round among all that wait, so a longer time would
/// keep as many as there ever were while a few would do; beginning one costs less than a tenth of a millisecond.
const THREAD_IDLE: Duration = Duration::from_secs(1);
/// Stack of a guest; the host's own functions have 1.5 MiB beyond it.
pub(crate) const GUEST_STACK_BYTES: usize = 512 << 10;

/// What a sandbox needs to know.
#[derive(Debug)]
pub struct SandboxConfig {
    /// The folder of the compile cache; none compiles at every start.
    pub cache_dir: Option<PathBuf>,
    /// Who compiles.
    pub compiler: Compiler,
    /// A file of certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime rejects.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// No threads.
    #[error("cannot start the sandbox's threads")]
    Threads(#[from] std::io::Error),
    /// The compile cache is unusable.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The certificates are unusable.
    #[error("cannot read the certificates in {path}: {reason}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Loads plugins and runs their instances, on threads of its own.
#[derive(Clone)]
pub struct Sandbox(Arc<SandboxInner>);

struct SandboxInner {
    engine: Engine,
    counts_fuel: bool,
    linker: Linker<Ctx>,
    cache: Option<Arc<CompileCache>>,
    compiler: Compiler,
    ticker: EpochTicker,
    tls: Arc<Tls>,
    threads: Arc<Threads>,
    asking: Arc<HostServices>,
    runtime: Option<Runtime>,
}

/// Machine code that is not described yet.
pub struct Compiled {
    hash: PluginHash,
    size: usize,
    component: Component,
    origin: CodeOrigin,
}

/// What the cache knows of a file.
enum CacheLookup {
    Component(Box<Component>),
    Failure(CompileError),
    Nothing,
}

/// What the host does for guests that may hang, or that several instances share.
pub(crate) struct HostServices {
    pub(crate) statfs_calls: StatfsCalls,
    pub(crate) lookups: Lookups,
    pub(crate) ledgers: FolderLedgers,
}

/// The version of wasmtime that runs the plugins. A test compares it with what is locked.
#[must_use]
pub fn wasmtime_version() -> &'static str {
    "48.0.8"
}

pub(crate) fn new_engine() -> wasmtime::Result<Engine> {
    Engine::new(&engine_config())
}

/// An engine whose guests count the instructions that they run. What is compiled for one does not run on the other.
pub(crate) fn counting_engine() -> wasmtime::Result<Engine> {
    Engine::new(engine_config().consume_fuel(true))
}

fn engine_config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK_BYTES);
    // Only debuggers want it, and some systems slow down badly when code comes and goes, as it does here.
    config.native_unwind_info(false);
    config
}

impl Sandbox {
    /// Starts a sandbox.
    ///
    /// # Errors
    /// [`SandboxError`]
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        Self::on(new_engine(), false, config, System::default())
    }

    /// Starts a sandbox that asks something else where others ask the system.
    ///
    /// # Errors
    /// [`SandboxError`]
    pub fn with_system(config: SandboxConfig, system: System) -> Result<Self, SandboxError> {
        Self::on(new_engine(), false, config, system)
    }

    /// Starts a sandbox whose instances count the instructions that they run, in [`Meters::fuel`](crate::Meters::fuel).
    /// They are slower by it. Its compiler must be told so as well; see [`compile_bytes`](crate::compile_bytes).
    ///
    /// # Errors
    /// [`SandboxError`]
    pub fn counting(config: SandboxConfig) -> Result<Self, SandboxError> {
        Self::on(counting_engine(), true, config, System::default())
    }

    fn on(
        engine: wasmtime::Result<Engine>,
        counts_fuel: bool,
        config: SandboxConfig,
        system: System,
    ) -> Result<Self, SandboxError> {
        let wrong = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let engine = engine.map_err(wrong)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(wrong)?;
        // What the operator grants and bounds is checked before WASI sees it.
        linker.allow_shadowing(true);
        files::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |ctx| ctx).map_err(wrong)?;
        files::preopens::add_to_linker::<_, HasSelf<_>>(&mut linker, |ctx| ctx).map_err(wrong)?;
        sockets::add_to_linker(&mut linker).map_err(wrong)?;
        ctx::add_plain_errors(&mut linker).map_err(wrong)?;
        linker.allow_shadowing(false);
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(wrong)?;
        host::log::add_to_linker::<_, HasSelf<_>>(&mut linker, |ctx| ctx).map_err(wrong)?;
        host::state::add_to_linker::<_, HasSelf<_>>(&mut linker, |ctx| ctx).map_err(wrong)?;
        host::statfs::add_to_linker::<_, HasSelf<_>>(&mut linker, |ctx| ctx).map_err(wrong)?;
        host::compression::add_to_linker::<_, HasSelf<_>>(&mut linker, |ctx| ctx).map_err(wrong)?;
        host::custom_metrics::add_to_linker::<_, HasSelf<_>>(&mut linker, |ctx| ctx).map_err(wrong)?;
        host::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |ctx| ctx).map_err(wrong)?;
        let tls = Tls::new(config.ca_file.as_deref()).map_err(|reason| SandboxError::Certificates {
            path: config.ca_file.clone().unwrap_or_default(),
            reason,
        })?;
        // All that can fail comes before the runtime, which an asynchronous caller may not drop as it is.
        let cache = config.cache_dir.map(|path| CompileCache::open(&path, &engine).map(Arc::new)).transpose()?;
        let ticker = EpochTicker::start(engine.weak())?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(THREADS_MAX)
            .thread_keep_alive(THREAD_IDLE)
            .thread_name("sandbox")
            .enable_all()
            .build()?;
        let (threads, handle) = (Threads::new(), runtime.handle().clone());
        let asking = HostServices {
            statfs_calls: StatfsCalls { measure: system.measure, threads: threads.clone(), handle: handle.clone() },
            lookups: Lookups::new(system.resolve, threads.clone(), handle),
            ledgers: FolderLedgers::default(),
        };
        Ok(Self(Arc::new(SandboxInner {
            threads,
            asking: Arc::new(asking),
            cache,
            ticker,
            engine,
            counts_fuel,
            linker,
            compiler: config.compiler,
            tls: Arc::new(tls),
            runtime: Some(runtime),
        })))
    }

    /// Makes a plugin of the bytes of a file: a component, or a core module built for `wasm32-wasip1`. Its `describe` is
    /// called in an instance that may touch nothing.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with it.
    pub async fn load(&self, bytes: &[u8]) -> Result<Plugin, LoadError> {
        let compiled = self.compile(Bytes::copy_from_slice(bytes), None).await?;
        self.describe(compiled).await
    }

    /// The first half of [`load`](Self::load), which takes a processor for a while: machine code, from the cache if it
    /// is there. Bytes that failed to compile before are rejected at once, unless their file was `changed` since. The
    /// bytes are let go of as soon as the compiler has them.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with it.
    pub async fn compile(&self, bytes: Bytes, changed: Option<SystemTime>) -> Result<Compiled, LoadError> {
        let (hash, size) = (PluginHash::of(&bytes), bytes.len());
        let compiled = |component, origin| Compiled { hash, size, component, origin };
        match self.look_up(hash, changed).await? {
            CacheLookup::Component(component) => return Ok(compiled(*component, CodeOrigin::Cache)),
            CacheLookup::Failure(error) => return Err(error.into()),
            CacheLookup::Nothing => {}
        }
        let inner = &self.0;
        let budget = CompileBudget::of(size as u64);
        let (engine, cache) = (inner.engine.clone(), inner.cache.clone());
        let writer = blocking(move || CodeWriter::new(cache.as_ref(), hash, budget.code_bytes)).await?;
        let start = Instant::now();
        let code = match inner.compiler.compile(&inner.engine, bytes, writer).await {
            Ok(code) => code,
            Err(error) => {
                self.note_failure(hash, &error, start.elapsed());
                return Err(error.into());
            }
        };
        let cache = inner.cache.clone();
        let component = blocking(move || load_written(&engine, cache.as_deref(), hash, code)).await??;
        Ok(compiled(component, CodeOrigin::Compiled))
    }

    /// The second half of [`load`](Self::load): links the code, and asks it what it is.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with it.
    pub async fn describe(&self, compiled: Compiled) -> Result<Plugin, LoadError> {
        let Compiled { hash, size, component, origin } = compiled;
        Plugin::new(self, hash, size, component, origin).await
    }

    /// Has bytes compiled again that failed before. Answers whether they had.
    #[must_use]
    pub fn forget_failure(&self, hash: PluginHash) -> bool {
        self.0.cache.as_ref().is_some_and(|cache| cache.forget_failure(hash))
    }

    /// What the cache knows of these bytes.
    async fn look_up(&self, hash: PluginHash, changed: Option<SystemTime>) -> Result<CacheLookup, LoadError> {
        let (engine, Some(cache)) = (self.0.engine.clone(), self.0.cache.clone()) else {
            return Ok(CacheLookup::Nothing);
        };
        blocking(move || match cache.load(&engine, hash) {
            Some(component) => CacheLookup::Component(Box::new(component)),
            None => cache.failure(hash, changed).map_or(CacheLookup::Nothing, CacheLookup::Failure),
        })
        .await
    }

    fn note_failure(&self, hash: PluginHash, error: &CompileError, took: Duration) {
        let (Some(cache), Some(lasting)) = (&self.0.cache, error.lasting(took)) else { return };
        if let Err(error) = cache.note_failure(hash, error, lasting) {
            tracing::warn!(%hash, %error, "cannot remember that it does not compile");
        }
    }

    /// How often machine code was found on disk since the start.
    #[must_use]
    pub fn cache_stats(&self) -> CompileCacheStats {
        self.0.cache.as_ref().map(|cache| cache.stats()).unwrap_or_default()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn counts_fuel(&self) -> bool {
        self.0.counts_fuel
    }

    pub(crate) fn linker(&self) -> &Linker<Ctx> {
        &self.0.linker
    }

    pub(crate) fn ticker(&self) -> &EpochTicker {
        &self.0.ticker
    }

    pub(crate) fn threads(&self) -> &Arc<Threads> {
        &self.0.threads
    }

    pub(crate) fn asking(&self) -> Arc<HostServices> {
        self.0.asking.clone()
    }

    pub(crate) fn tls(&self) -> Arc<Tls> {
        self.0.tls.clone()
    }

    /// Drops what may wait for the system when it is dropped, on a thread that may wait.
    pub(crate) fn let_go(&self, what: impl Send + 'static) {
        self.handle().spawn_blocking(move || drop(what));
    }

    pub(crate) fn handle(&self) -> Handle {
        self.0.runtime.as_ref().expect("the runtime is there until the sandbox is dropped").handle().clone()
    }
}

/// Work that may wait for a disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| LoadError::Code(error.to_string()))
}

fn load_written(
    engine: &Engine,
    cache: Option<&CompileCache>,
    hash: PluginHash,
    code: CodeWriter,
) -> Result<Component, LoadError> {
    match code.finish().map_err(|error| LoadError::Code(error.to_string()))? {
        CodeWriteOutcome::Memory(code) => load_fresh(engine, &code),
        // From the file, so that its pages are shared and need not be kept.
        CodeWriteOutcome::Kept => cache
            .and_then(|cache| cache.load(engine, hash))
            .ok_or_else(|| LoadError::Code("what was written a moment ago cannot be read back".into())),
    }
}

#[allow(unsafe_code, reason = "loading machine code is unsafe; the argument is beside it")]
fn load_fresh(engine: &Engine, code: &[u8]) -> Result<Component, LoadError> {
    // SAFETY: these bytes came a moment ago from our own compiling process, over a pipe that nobody else holds.
    let component = unsafe { Component::deserialize(engine, code) };
    component.map_err(|error| LoadError::Code(format!("{error:#}")))
}

impl Drop for SandboxInner {
    fn drop(&mut self) {
        // A runtime that waits for its threads must not end inside another one, and a stuck guest would hold it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Counts the epoch up while any call runs. In between its thread sleeps, and an idle agent stays idle.
pub(crate) struct EpochTicker(Arc<EpochTickerState>);

#[derive(Default)]
struct EpochTickerState {
    running: Mutex<Option<usize>>,
    wake: Condvar,
}

impl EpochTicker {
    fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let state = Arc::new(EpochTickerState { running: Mutex::new(Some(0)), wake: Condvar::new() });
        let ticker = Self(state.clone());
        thread::Builder::new().name("epoch".into()).spawn(move || {
            while state.wait_for_calls() {
                thread::sleep(EPOCH);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(ticker)
    }

    /// Ticks until the answer is dropped.
    pub(crate) fn run(&self) -> EpochGuard {
        if let Some(running) = self.0.running.lock().as_mut() {
            *running += 1;
            if *running == 1 {
                self.0.wake.notify_one();
            }
        }
        EpochGuard(self.0.clone())
    }
}

impl EpochTickerState {
    /// Returns when a call runs; false when the sandbox is gone.
    fn wait_for_calls(&self) -> bool {
        let mut running = self.running.lock();
        while *running == Some(0) {
            self.wake.wait(&mut running);
        }
        running.is_some()
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        *self.0.running.lock() = None;
        self.0.wake.notify_one();
    }
}

pub(crate) struct EpochGuard(Arc<EpochTickerState>);

impl Drop for EpochGuard {
    fn drop(&mut self) {
        if let Some(running) = self.0.running.lock().as_mut() {
            *running -= 1;
        }
    }
}
