//! What is known about every instance and every file: for the API, the metrics and the start-up message.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use saker_model::Rate;
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_sandbox::{Blame, CallError, Figures, HealthState, InstanceSpec, Kind, LogTail, Meters, Plugin};
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
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) kind: &'static str,
    pub(crate) blame: &'static str,
    pub(crate) at_ms: i64,
    /// How long ago that was.
    pub(crate) ago_s: u64,
    /// Whether a call has succeeded since.
    pub(crate) over: bool,
    /// When, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_at_ms: Option<i64>,
    /// The limit that it ran into, if it was one: its key under `limits`, and its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<FaultLimit>,
    /// Where in the plugin it happened, innermost function first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) frames: Vec<String>,
    /// What the plugin logged before.
    pub(crate) log: Vec<String>,
}

impl Fault {
    fn seen_now(self) -> Self {
        let ago_s = u64::try_from(now_ms().saturating_sub(self.at_ms) / 1000).unwrap_or(0);
        Self { ago_s, over: self.over_at_ms.is_some(), ..self }
    }
}

/// A limit that was run into.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FaultLimit {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Counted for one instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Counts {
    /// Ticks that were due.
    pub(crate) ticks: u64,
    /// Of these, ticks that brought values.
    pub(crate) succeeded: u64,
    /// Of these, ticks that failed.
    pub(crate) failed: u64,
    /// Of these, ticks that were left out while it backed off or was quarantined.
    pub(crate) skipped: u64,
    /// Of these, ticks that were over before the call of an earlier one.
    pub(crate) overrun: u64,
    /// Of these, ticks that were left out because a queue had no room for what they would bring.
    pub(crate) no_room: u64,
    /// Metric values, or series for a processor.
    pub(crate) values: u64,
    /// Versions that have taken another's place.
    pub(crate) swaps: u64,
    /// Versions that were taken back because they failed at once.
    pub(crate) rollbacks: u64,
    /// Failures by kind.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

/// What is known about an instance.
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) meters: Arc<Meters>,
    pub(crate) figures: Figures,
    log_tail: LogTail,
    inner: Mutex<Inner>,
}

struct Inner {
    kind: Option<Kind>,
    file: String,
    version: String,
    hash: String,
    summary: String,
    wants: Vec<String>,
    grants: Vec<String>,
    limits: BTreeMap<&'static str, f64>,
    interval_ms: Option<u64>,
    health: HealthState,
    counts: Counts,
    fault: Option<Fault>,
    refused: Option<Fault>,
    lines: Rate,
}

/// A picture of an instance, for the API.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct InstanceView {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) file: String,
    pub(crate) version: String,
    pub(crate) hash: String,
    pub(crate) summary: String,
    pub(crate) state: &'static str,
    /// When it is called again, if it is not running.
    pub(crate) retry_in_s: Option<u64>,
    pub(crate) wants: Vec<String>,
    pub(crate) grants: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval_ms: Option<u64>,
    /// What it may use, by the keys of the configuration: bytes, seconds or pieces.
    pub(crate) limits: BTreeMap<&'static str, f64>,
    pub(crate) counts: Counts,
    pub(crate) calls: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) log_lines_dropped: u64,
    pub(crate) stuck_threads: u64,
    /// What went wrong last.
    pub(crate) last_fault: Option<Fault>,
    /// Why a newer version or other settings were not taken; this one runs on.
    pub(crate) refused_update: Option<Fault>,
}

impl Status {
    pub(crate) fn new(name: &str, meters: Arc<Meters>, figures: Figures, log_tail: LogTail) -> Self {
        let inner = Inner {
            kind: None,
            file: String::new(),
            version: String::new(),
            hash: String::new(),
            summary: String::new(),
            wants: Vec::new(),
            grants: Vec::new(),
            limits: BTreeMap::new(),
            interval_ms: None,
            health: HealthState::Running,
            counts: Counts::default(),
            fault: None,
            refused: None,
            lines: Rate::new(FAULT_LINES.0, FAULT_LINES.1),
        };
        Self { name: name.into(), meters, figures, log_tail, inner: Mutex::new(inner) }
    }

    /// Another version, or the first one, runs from now on.
    pub(crate) fn runs(&self, file: &str, plugin: &Plugin, spec: &InstanceSpec, interval_ms: Option<u64>) {
        let mut inner = self.inner.lock();
        let description = plugin.description();
        inner.kind = Some(plugin.kind());
        inner.file = file.into();
        inner.version = description.version.clone();
        inner.hash = plugin.hash().to_string();
        inner.summary = description.summary.clone();
        inner.wants = description.wants.iter().map(|want| format!("{}: {}", want.permission, want.reason)).collect();
        inner.grants = spec.grants.to_words();
        inner.limits = spec.limits.figures().into();
        inner.interval_ms = interval_ms;
        inner.health = HealthState::Running;
        inner.refused = None;
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
                "quarantined: it was ended too often; it is called again then, when its file or settings change, or by: saker plugin revive"
            ),
        }
    }

    /// Changes the counts.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
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
    pub(crate) fn refused(&self, message: &str, kind: &'static str, blame: Blame) {
        let message = &clean(message, REFUSAL_BYTES_MAX);
        if self.is_refused(message) {
            return;
        }
        tracing::warn!(plugin = self.name, kind, "cannot be put in place: {message}");
        let fault = self.fault(message.to_owned(), kind, blame);
        self.inner.lock().refused = Some(fault);
    }

    /// What runs is what is wanted.
    pub(crate) fn nothing_refused(&self) {
        self.inner.lock().refused = None;
    }

    /// Whether this is why nothing newer runs, as was said before.
    pub(crate) fn is_refused(&self, message: &str) -> bool {
        let message = clean(message, REFUSAL_BYTES_MAX);
        self.inner.lock().refused.as_ref().is_some_and(|refused| refused.message == message)
    }

    fn fault(&self, message: String, kind: &'static str, blame: Blame) -> Fault {
        let blame = match blame {
            Blame::Plugin => "plugin",
            Blame::Operator => "operator",
            Blame::Host => "host",
        };
        let log = self.log_tail.lines();
        Fault {
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
    pub(crate) fn view(&self) -> InstanceView {
        let inner = self.inner.lock();
        let retry_in_s = match inner.health {
            HealthState::Running => None,
            HealthState::BackingOff(until) | HealthState::Quarantined(until) => {
                Some(until.saturating_duration_since(Instant::now()).as_secs())
            }
        };
        InstanceView {
            name: self.name.clone(),
            kind: inner.kind.map_or("", Kind::as_str),
            file: inner.file.clone(),
            version: inner.version.clone(),
            hash: inner.hash.clone(),
            summary: inner.summary.clone(),
            state: if inner.kind.is_some() { inner.health.as_str() } else { "not in place" },
            retry_in_s,
            wants: inner.wants.clone(),
            grants: inner.grants.clone(),
            limits: inner.limits.clone(),
            interval_ms: inner.interval_ms,
            counts: inner.counts.clone(),
            calls: self.meters.calls(),
            cpu_seconds: self.meters.cpu().as_secs_f64(),
            memory_bytes: self.meters.memory_bytes(),
            log_lines_dropped: self.meters.log_lines_dropped(),
            stuck_threads: self.meters.stuck_threads(),
            last_fault: inner.fault.clone().map(Fault::seen_now),
            refused_update: inner.refused.clone().map(Fault::seen_now),
        }
    }
}

/// A picture of a file in the plugin folder, for the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FileView {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    /// What the file is, if it is a plugin.
    pub(crate) kind: Option<&'static str>,
    pub(crate) hash: Option<String>,
    /// The instances and nodes that run it.
    pub(crate) used_by: Vec<String>,
    /// Why the file as it is now cannot be used.
    pub(crate) error: Option<String>,
    /// Whether it is being compiled or tried.
    pub(crate) busy: bool,
}

/// All of it. The supervisor writes, everyone reads.
#[derive(Default)]
pub(crate) struct Statuses {
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

    pub(crate) fn folder_error(&self) -> Option<String> {
        self.folder_error.read().clone()
    }

    pub(crate) fn insert(&self, status: Arc<Status>) {
        self.instances.write().insert(status.name.clone(), status);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.instances.write().remove(name);
    }

    pub(crate) fn instances(&self) -> Vec<Arc<Status>> {
        self.instances.read().values().cloned().collect()
    }

    pub(crate) fn set_files(&self, files: Vec<FileView>) {
        *self.files.write() = files;
    }

    pub(crate) fn files(&self) -> Vec<FileView> {
        self.files.read().clone()
    }
}
