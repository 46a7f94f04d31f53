//! The store in a temporary folder, and what keeping samples in it costs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use saker_journal::real;
use saker_store::{Store, StoreConfig, Surroundings};

use crate::Result;
use crate::process::weigh;
use crate::samples::{START_MS, Samples};

const HOUR_MS: i64 = 3_600_000;
/// As often as the agent does it.
const SYNC_MS: i64 = 10_000;
const MAINTAIN_MS: i64 = 60_000;

/// A store, and where it is.
pub(crate) struct Keeper {
    pub(crate) store: Arc<Store>,
    folder: tempfile::TempDir,
}

/// What it has cost.
#[derive(Default)]
pub(crate) struct Figures {
    /// All files when everything is sealed.
    pub(crate) sealed_bytes: u64,
    /// Raw points when everything is merged.
    pub(crate) raw_bytes: u64,
    /// What went through the journal.
    pub(crate) journal_bytes: u64,
    /// Of tiers, when everything is merged.
    pub(crate) bucket_bytes: u64,
    pub(crate) buckets: u64,
    pub(crate) append: Duration,
    pub(crate) sync: Duration,
    /// Sealing, rolling up, merging.
    pub(crate) maintain: Duration,
}

impl Keeper {
    pub(crate) fn new() -> Result<Self> {
        Self::with(StoreConfig::default())
    }

    pub(crate) fn with(config: StoreConfig) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(open(&folder, config)?);
        Ok(Self { store, folder })
    }

    /// Closes it, and opens it again.
    pub(crate) fn again(self, config: StoreConfig) -> Result<Self> {
        let Self { store, folder } = self;
        drop(store);
        let store = Arc::new(open(&folder, config)?);
        Ok(Self { store, folder })
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Keeps samples as the agent would: synced and maintained at intervals, by the clock of the samples; merged at the
    /// end.
    pub(crate) fn keep(&self, samples: &Samples) -> Result<Figures> {
        let mut figures = Figures::default();
        for (number, series) in samples.series.iter().enumerate() {
            self.store.register(number as u32, series);
        }
        let step_ms = samples.step_s * 1000;
        let groups: Vec<_> = samples.sources.iter().map(|source| self.store.group(source, step_ms)).collect();
        let (mut synced, mut maintained) = (START_MS, START_MS);
        for run in &samples.runs {
            let before = wchar();
            let began = cpu();
            self.store.append_tick(groups[run.source], run.time_ms, &run.values, run.time_ms)?;
            figures.append += cpu() - began;
            figures.journal_bytes += wchar() - before;
            if run.time_ms - synced >= SYNC_MS {
                synced = run.time_ms;
                let began = cpu();
                self.store.sync()?;
                figures.sync += cpu() - began;
            }
            if run.time_ms - maintained >= MAINTAIN_MS {
                maintained = run.time_ms;
                let began = cpu();
                self.store.maintain(Surroundings { now_ms: run.time_ms, ..Surroundings::default() })?;
                figures.maintain += cpu() - began;
            }
        }
        let began = cpu();
        self.store.flush()?;
        figures.maintain += cpu() - began;
        figures.sealed_bytes = weigh(&self.files())?;
        // Rows that are sealed go to the files in the same call.
        figures.journal_bytes = figures.journal_bytes.saturating_sub(self.store.totals().sealed_bytes);
        figures.maintain += self.merge(samples.last_ms())?;
        for tier in self.store.status()?.tiers {
            if tier.granularity_ms == 0 {
                figures.raw_bytes += tier.bytes;
            } else {
                figures.bucket_bytes += tier.bytes;
                figures.buckets += tier.points;
            }
        }
        Ok(figures)
    }

    /// Lets all spans be over, and merges them.
    pub(crate) fn merge(&self, last_ms: i64) -> Result<Duration> {
        let began = cpu();
        let now_ms = last_ms + 40 * 24 * HOUR_MS;
        self.store.maintain(Surroundings { now_ms, ..Surroundings::default() })?;
        Ok(cpu() - began)
    }
}

fn open(folder: &tempfile::TempDir, config: StoreConfig) -> Result<Store> {
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority())?;
    Ok(Store::open(&*real(dir), config, START_MS)?.0)
}

/// The process's own.
pub(crate) fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills in what it is given.
    #[allow(unsafe_code, reason = "the process's own CPU time is only told by the C library")]
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(answer, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Bytes that the process has given to write.
fn wchar() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

/// Memory that the process has.
pub(crate) fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
