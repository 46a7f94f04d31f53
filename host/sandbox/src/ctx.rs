//! What a store holds beside the guest: its WASI context, its limits, and the host's interfaces.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Level;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::io::error::Error as IoError;
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::custom_metrics::CustomMetrics;
use crate::custom_metrics::Meters;
use crate::engine::HostServices;
use crate::failure::{CallError, Kill};
use crate::files::{self, GrantedFiles, Rooms};
use crate::grants::{Grants, Permission};
use crate::hang::Hangs;
use crate::http::Outgoing;
use crate::instance::InstanceSpec;
use crate::limits::{Limits, MemoryMeter};
use crate::lookups::Resolver;
use crate::output::{Immediate, LogLines, LogSink, RealStdout};
use crate::recording::{RecordedClock, Recording};
use crate::sockets::{self, SocketNames};
use crate::state::StateCell;

/// Handles of any sort that a guest may hold at the same time, beside those of open files, which have a limit of their own.
const HANDLES_MAX: usize = 1000;
/// Bytes of random numbers in one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Handles of any sort, open files included.
pub(crate) fn handles(limits: &Limits) -> usize {
    HANDLES_MAX.saturating_add(limits.max_open_files)
}

/// The grants that were missing in the call that runs. The first is the one to report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denials(Arc<Mutex<Option<Permission>>>);

impl Denials {
    pub(crate) fn note(&self, permission: Permission) {
        self.0.lock().get_or_insert_with(|| permission.in_words());
    }

    pub(crate) fn take(&self) -> Option<Permission> {
        self.0.lock().take()
    }
}

pub(crate) struct Ctx {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    table: ResourceTable,
    output: [LogLines; 2],
    pub(crate) meter: MemoryMeter,
    pub(crate) log: LogSink,
    pub(crate) state: StateCell,
    /// What the running call has saved; kept only if it succeeds.
    pub(crate) unsaved: Option<Vec<u8>>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) denials: Denials,
    pub(crate) files: GrantedFiles,
    pub(crate) rooms: Rooms,
    pub(crate) hangs: Hangs,
    pub(crate) meters: Arc<Meters>,
    pub(crate) asking: Arc<HostServices>,
    pub(crate) resolver: Resolver,
    pub(crate) tape: Option<Recording>,
    pub(crate) names: SocketNames,
    pub(crate) custom_metrics: CustomMetrics,
    pub(crate) limits: Limits,
    running: RunningCall,
}

/// The call that runs.
#[derive(Clone, Copy)]
struct RunningCall {
    export: &'static str,
    deadline: Duration,
    ends: Instant,
}

impl Ctx {
    /// A context that allows what `spec` grants and nothing else.
    pub(crate) fn new(
        spec: &InstanceSpec,
        outgoing: Outgoing,
        denials: Denials,
        asking: Arc<HostServices>,
    ) -> Result<Self, CallError> {
        let log = LogSink::new(
            &spec.name,
            spec.limits.max_log_lines_per_s,
            spec.limits.max_log_line_bytes,
            spec.log_tail.clone(),
            spec.meters.clone(),
        );
        let output = [LogLines::new(log.clone(), Level::INFO), LogLines::new(log.clone(), Level::WARN)];
        let grants = Arc::new(spec.grants.clone());
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles(&spec.limits));
        let (mut files, names) = (GrantedFiles::default(), SocketNames::default());
        Ok(Self {
            wasi: wasi(spec, &output, &mut files, sockets::check(grants.clone(), denials.clone(), names.led.clone()))?,
            http: WasiHttpCtx::new(),
            outgoing,
            table,
            output,
            meter: MemoryMeter::new(&spec.limits),
            log,
            state: spec.state.clone(),
            unsaved: None,
            grants,
            denials,
            files,
            rooms: Rooms::new(spec, &asking.ledgers),
            hangs: spec.hangs.clone(),
            meters: spec.meters.clone(),
            resolver: asking.lookups.charged_to(&spec.meters),
            asking,
            tape: spec.tape.clone(),
            names,
            custom_metrics: spec.custom_metrics.clone(),
            limits: spec.limits.clone(),
            running: RunningCall { export: "open", deadline: spec.limits.deadlines.open, ends: Instant::now() },
        })
    }

    /// Begins a call, which may take so long.
    pub(crate) fn begin(&mut self, export: &'static str, deadline: Duration) {
        let now = Instant::now();
        self.running = RunningCall { export, deadline, ends: now + deadline };
        self.outgoing.call_begins(now, deadline);
    }

    /// Whether the call may still run. For host calls that compute and cannot be interrupted.
    pub(crate) fn in_time(&self) -> Result<(), Kill> {
        let RunningCall { export, deadline, ends } = self.running;
        if Instant::now() < ends { Ok(()) } else { Err(Kill::Deadline { export, limit: deadline }) }
    }

    /// What the running call has left of its time.
    pub(crate) fn time_left(&self) -> Duration {
        self.running.ends.saturating_duration_since(Instant::now())
    }

    /// Ends a call: what it printed without an end of line is logged, and what it saved is kept if it succeeded.
    pub(crate) fn finish(&mut self, succeeded: bool) {
        for lines in &self.output {
            lines.flush_line();
        }
        if let Some(bytes) = self.unsaved.take()
            && succeeded
        {
            self.state.save(bytes);
        }
    }
}

fn wasi(
    spec: &InstanceSpec,
    output: &[LogLines; 2],
    files: &mut GrantedFiles,
    check: impl Fn(SocketAddr, SocketAddrUse) -> sockets::AllowFuture + Send + Sync + 'static,
) -> Result<WasiCtx, CallError> {
    let grants = &spec.grants;
    let mut wasi = WasiCtx::builder();
    // Guests run on threads that are theirs to block; hopping to yet another one doubles what a file costs.
    wasi.allow_blocking_current_thread(true);
    wasi.max_random_size(RANDOM_BYTES_MAX);
    let seed = spec.tape.as_ref().map(Recording::seed).or(spec.fixed_random.then_some("the same in every run"));
    if let Some(seed) = seed {
        let bytes = || Deterministic::new(blake3::hash(seed.as_bytes()).as_bytes().to_vec());
        wasi.secure_random(bytes()).insecure_random(bytes()).insecure_random_seed(1);
    }
    let [stdout, stderr] = output;
    wasi.stderr(Immediate(stderr.clone()));
    if grants.stdout {
        wasi.stdout(Immediate(RealStdout));
    } else {
        wasi.stdout(Immediate(stdout.clone()));
    }
    if let Some(tape) = &spec.tape {
        files::open_staged(spec, files, tape)?;
        tape.env().for_each(|(name, value)| _ = wasi.env(name, value));
        wasi.wall_clock(RecordedClock::new(tape.clone())).monotonic_clock(RecordedClock::new(tape.clone()));
    } else {
        files::open_granted(spec, files)?;
        for name in &grants.env {
            if let Ok(value) = std::env::var(name) {
                wasi.env(name, value);
            }
        }
    }
    // Sockets can always be made and names be asked for, so that the checks are asked and can say what was rejected.
    wasi.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true);
    wasi.socket_addr_check(check);
    Ok(wasi.build())
}

const IO_ERROR: &str = "wasi:io/error@0.2.12";

/// What an error of a stream says of itself: its words alone. WASI's own answer has the frames of this process as well,
/// where RUST_BACKTRACE is set.
pub(crate) fn add_plain_errors(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker.instance(IO_ERROR)?.func_wrap(
        "[method]error.to-debug-string",
        |mut store: StoreContextMut<'_, Ctx>, (error,): (Resource<IoError>,)| {
            let error = store.data_mut().table.get(&error)?;
            Ok((format!("{error:#}"),))
        },
    )
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}
