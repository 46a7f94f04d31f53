//! What is known about every instance and every file: for the API, the metrics and the start-up message.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use saker_model::Rate;
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_sandbox::{Blame, CallError, CustomMetrics, HealthState, InstanceSpec, LogTail, Meters, Plugin, PluginKind};
use serde::Serialize;

use saker_pipeline::now_ms;

/// What went wrong once, was over, and goes wrong after so long again, is news.
const NEWS_AFTER_MS: i64 = 600_000;
/// Lines about the failures of one instance: so many at once, then one in each of this time. One that fails in another
/// way each time is not heard more often than that; every failure is counted.
const FAULT_LINES: (u32, Duration) = (5, Duration::from_secs(10));
/// Bytes of why a version is not put in place: it may name several settings.
const REFUSAL_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;

/// What went wrong, and when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PluginFailure {
    /// What happened, as the log has it.
    pub message: String,
    /// What kind of failure it is.
    pub kind: &'static str,
    /// Who has to mend it: `plugin`, `operator` or `host`.
    pub blame: &'static str,
    /// When it happened, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// How long ago that was.
    pub ago_s: u64,
    /// Whether a call has succeeded since.
    pub over: bool,
    /// When, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_at_ms: Option<i64>,
    /// The limit that it ran into, if it was one: its key under `limits`, and its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<FaultLimit>,
    /// Where in the plugin it happened, innermost function first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<String>,
    /// What the plugin logged before.
    pub log: Vec<String>,
}

impl PluginFailure {
    fn seen_now(self) -> Self {
        let ago_s = u64::try_from(now_ms().saturating_sub(self.at_ms) / 1000).unwrap_or(0);
        Self { ago_s, over: self.over_at_ms.is_some(), ..self }
    }
}

/// A limit that was run into.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultLimit {
    /// Its key under `limits`.
    pub key: String,
    /// Its value, as it is written.
    pub value: String,
}

/// Counted for one instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct InstanceCounts {
    /// Runs that were due.
    pub runs: u64,
    /// Of these, runs that brought values.
    pub succeeded: u64,
    /// Of these, runs that failed.
    pub failed: u64,
    /// Of these, runs that were left out while it backed off or was quarantined.
    pub skipped: u64,
    /// Of these, runs that were over before the call of an earlier one.
    pub overrun: u64,
    /// Of these, runs that were left out because a queue had no room for what they would bring.
    pub no_room: u64,
    /// Metric values, or series for a processor.
    pub values: u64,
    /// Versions that have taken another's place.
    pub swaps: u64,
    /// Versions that were taken back because they failed at once.
    pub rollbacks: u64,
    /// Failures by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

/// What is known about an instance.
pub struct Status {
    /// Its name.
    pub name: String,
    /// What it uses.
    pub meters: Arc<Meters>,
    /// The figures of its own.
    pub custom_metrics: CustomMetrics,
    log_tail: LogTail,
    inner: Mutex<StatusInner>,
}

struct StatusInner {
    kind: Option<PluginKind>,
    file: String,
    version: String,
    hash: String,
    summary: String,
    requests: Vec<String>,
    grants: Vec<String>,
    limits: BTreeMap<&'static str, f64>,
    interval_ms: Option<u64>,
    health: HealthState,
    counts: InstanceCounts,
    fault: Option<PluginFailure>,
    rejected: Option<PluginFailure>,
    lines: Rate,
}

/// A picture of an instance, for the API.
#[derive(Clone, Debug, Serialize)]
pub struct InstanceView {
    /// Its name.
    pub name: String,
    /// `collector`, `processor` or `backend`; empty as long as nothing is in place.
    pub kind: &'static str,
    /// The file that it runs.
    pub file: String,
    /// The version that the file says it is.
    pub version: String,
    /// The file's BLAKE3 hash.
    pub hash: String,
    /// What it does, in its own words.
    pub summary: String,
    /// How it fares.
    pub state: &'static str,
    /// When it is called again, if it is not running.
    pub retry_in_s: Option<u64>,
    /// What it asks for.
    pub requests: Vec<String>,
    /// What it is granted.
    pub grants: Vec<String>,
    /// How often it is called, if it is a collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// What it may use, by the keys of the configuration: bytes, seconds or pieces.
    pub limits: BTreeMap<&'static str, f64>,
    /// What is counted of it.
    pub counts: InstanceCounts,
    /// Calls that were begun.
    pub calls: u64,
    /// Processor time of its calls.
    pub cpu_seconds: f64,
    /// Its linear memory after the last call.
    pub memory_bytes: u64,
    /// Lines of its log over the rate.
    pub log_lines_dropped: u64,
    /// Calls of it that hang in the system.
    pub stuck_threads: u64,
    /// What went wrong last.
    pub last_fault: Option<PluginFailure>,
    /// Why a newer version or other settings were not taken; this one runs on.
    pub rejected_update: Option<PluginFailure>,
}

impl Status {
    /// Of an instance of this name, which runs nothing yet.
    #[must_use]
    pub fn new(name: &str, meters: Arc<Meters>, custom_metrics: CustomMetrics, log_tail: LogTail) -> Self {
        let inner = StatusInner {
            kind: None,
            file: String::new(),
            version: String::new(),
            hash: String::new(),
            summary: String::new(),
            requests: Vec::new(),
            grants: Vec::new(),
            limits: BTreeMap::new(),
            interval_ms: None,
            health: HealthState::Running,
            counts: InstanceCounts::default(),
            fault: None,
            rejected: None,
            lines: Rate::new(FAULT_LINES.0, FAULT_LINES.1),
        };
        Self { name: name.into(), meters, custom_metrics, log_tail, inner: Mutex::new(inner) }
    }

    /// Another version, or the first one, runs from now on.
    pub fn runs(&self, file: &str, plugin: &Plugin, spec: &InstanceSpec, interval_ms: Option<u64>) {
        let mut inner = self.inner.lock();
        let description = plugin.description();
        inner.kind = Some(plugin.kind());
        inner.file = file.into();
        inner.version = description.version.clone();
        inner.hash = plugin.hash().to_string();
        inner.summary = description.summary.clone();
        inner.requests =
            description.requests.iter().map(|want| format!("{}: {}", want.permission, want.reason)).collect();
        inner.grants = spec.grants.to_words();
        inner.limits = spec.limits.custom_metrics().into();
        inner.interval_ms = interval_ms;
        inner.health = HealthState::Running;
        inner.rejected = None;
    }

    /// How it fares now. Every change is one line of the log; that it fails again is none.
    pub(crate) fn set_health(&self, health: HealthState) {
        let before = std::mem::replace(&mut self.inner.lock().health, health);
        let (plugin, was) = (self.name.as_str(), before.as_str());
        let again_in = |until: Instant| until.saturating_duration_since(Instant::now()).as_secs();
        match health {
            _ if std::mem::discriminant(&before) == std::mem::discriminant(&health) => {}
            HealthState::Running => tracing::info!(plugin, was, "running again"),
            HealthState::BackingOff(until) => {
                tracing::info!(plugin, was, again_in_s = again_in(until), "backing off");
            }
            HealthState::Quarantined(until) => tracing::warn!(
                plugin,
                was,
                again_in_s = again_in(until),
                "quarantined: it was ended too often; it is called again then, when its file or settings change, or by: saker plugin resume"
            ),
        }
    }

    /// Changes the counts.
    pub(crate) fn count(&self, change: impl FnOnce(&mut InstanceCounts)) {
        change(&mut self.inner.lock().counts);
    }

    /// A call brought so many values.
    pub(crate) fn succeeded(&self, values: usize) {
        let mut inner = self.inner.lock();
        inner.counts.succeeded += 1;
        inner.counts.values += values as u64;
        if let Some(fault) = inner.fault.as_mut().filter(|fault| fault.over_at_ms.is_none()) {
            fault.over_at_ms = Some(now_ms());
        }
    }

    /// A call failed.
    pub(crate) fn failed(&self, error: &CallError) {
        self.failed_often(error, 1);
    }

    /// So much of a call failed, first in this way.
    pub(crate) fn failed_often(&self, error: &CallError, times: u64) {
        self.count(|counts| counts.failed += times);
        self.note_often(error, times);
    }

    /// Keeps what went wrong and counts it by kind. Says so in the log, unless it went wrong in the same way before or
    /// too much is said of it already.
    pub(crate) fn note(&self, error: &CallError) {
        self.note_often(error, 1);
    }

    fn note_often(&self, error: &CallError, times: u64) {
        let mut fault = self.fault(error.to_string(), error.kind(), error.blame());
        fault.limit = error.limit().map(|(key, value)| FaultLimit { key, value });
        fault.frames = error.frames().to_vec();
        let mut inner = self.inner.lock();
        *inner.counts.faults.entry(error.kind()).or_default() += times;
        let news = inner.fault.as_ref().is_none_or(|last| {
            let over_long_ago = last.over_at_ms.is_some_and(|at_ms| fault.at_ms - at_ms > NEWS_AFTER_MS);
            last.message != fault.message || over_long_ago
        });
        let plugin = self.name.as_str();
        if news && let Some(unsaid) = inner.lines.take(Instant::now()) {
            if unsaid > 0 {
                tracing::warn!(plugin, unsaid, "other failures came too fast to be told");
            }
            tracing::warn!(plugin, kind = fault.kind, blame = fault.blame, "{}", fault.message);
        }
        inner.fault = Some(fault);
    }

    /// A newer version, or other settings, were not taken.
    pub(crate) fn rejected(&self, message: &str, kind: &'static str, blame: Blame) {
        let message = &clean(message, REFUSAL_BYTES_MAX);
        if self.is_rejected(message) {
            return;
        }
        tracing::warn!(plugin = self.name, kind, "cannot be put in place: {message}");
        let fault = self.fault(message.to_owned(), kind, blame);
        self.inner.lock().rejected = Some(fault);
    }

    /// What runs is what is wanted.
    pub(crate) fn nothing_rejected(&self) {
        self.inner.lock().rejected = None;
    }

    /// Whether this is why nothing newer runs, as was said before.
    pub(crate) fn is_rejected(&self, message: &str) -> bool {
        let message = clean(message, REFUSAL_BYTES_MAX);
        self.inner.lock().rejected.as_ref().is_some_and(|rejected| rejected.message == message)
    }

    fn fault(&self, message: String, kind: &'static str, blame: Blame) -> PluginFailure {
        let blame = match blame {
            Blame::Plugin => "plugin",
            Blame::Operator => "operator",
            Blame::Host => "host",
        };
        let log = self.log_tail.lines();
        PluginFailure {
            message,
            kind,
            blame,
            at_ms: now_ms(),
            ago_s: 0,
            over: false,
            over_at_ms: None,
            limit: None,
            frames: Vec::new(),
            log,
        }
    }

    /// A picture of it.
    #[must_use]
    pub fn view(&self) -> InstanceView {
        let inner = self.inner.lock();
        let retry_in_s = match inner.health {
            HealthState::Running => None,
            HealthState::BackingOff(until) | HealthState::Quarantined(until) => {
                Some(until.saturating_duration_since(Instant::now()).as_secs())
            }
        };
        InstanceView {
            name: self.name.clone(),
            kind: inner.kind.map_or("", PluginKind::as_str),
            file: inner.file.clone(),
            version: inner.version.clone(),
            hash: inner.hash.clone(),
            summary: inner.summary.clone(),
            state: if inner.kind.is_some() { inner.health.as_str() } else { "not in place" },
            retry_in_s,
            requests: inner.requests.clone(),
            grants: inner.grants.clone(),
            limits: inner.limits.clone(),
            interval_ms: inner.interval_ms,
            counts: inner.counts.clone(),
            calls: self.meters.calls(),
            cpu_seconds: self.meters.cpu().as_secs_f64(),
            memory_bytes: self.meters.memory_bytes(),
            log_lines_dropped: self.meters.log_lines_dropped(),
            stuck_threads: self.meters.stuck_threads(),
            last_fault: inner.fault.clone().map(PluginFailure::seen_now),
            rejected_update: inner.rejected.clone().map(PluginFailure::seen_now),
        }
    }
}

/// A picture of a file in the plugin folder, for the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileView {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// What the file is, if it is a plugin.
    pub kind: Option<&'static str>,
    /// Its BLAKE3 hash, once it was read.
    pub hash: Option<String>,
    /// The instances and destinations that run it.
    pub used_by: Vec<String>,
    /// Why the file as it is now cannot be used.
    pub error: Option<String>,
    /// Whether it is being compiled or tried.
    pub busy: bool,
}

/// All of it. The supervisor writes, everyone reads.
#[derive(Default)]
pub struct Statuses {
    instances: RwLock<BTreeMap<String, Arc<Status>>>,
    files: RwLock<Vec<FileView>>,
    folder_error: RwLock<Option<String>>,
}

impl Statuses {
    /// Why the plugin folder cannot be used, if it cannot. Answers whether that is news.
    pub(crate) fn set_folder_error(&self, error: Option<String>) -> bool {
        let mut now = self.folder_error.write();
        let news = *now != error;
        *now = error;
        news
    }

    /// Why nothing is loaded from the plugin folder, if nothing is.
    #[must_use]
    pub fn folder_error(&self) -> Option<String> {
        self.folder_error.read().clone()
    }

    pub(crate) fn insert(&self, status: Arc<Status>) {
        self.instances.write().insert(status.name.clone(), status);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.instances.write().remove(name);
    }

    /// All instances, by name.
    #[must_use]
    pub fn instances(&self) -> Vec<Arc<Status>> {
        self.instances.read().values().cloned().collect()
    }

    pub(crate) fn set_files(&self, files: Vec<FileView>) {
        *self.files.write() = files;
    }

    /// All files of the plugin folder.
    #[must_use]
    pub fn files(&self) -> Vec<FileView> {
        self.files.read().clone()
    }
}
