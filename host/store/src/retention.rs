//! Retention: files go when all that is in them is too old, and before that only to make room.
//!
//! At most one file of a lane goes in a minute, and none while the clock may be wrong: a clock that jumps years ahead must
//! not empty the store.

use hashbrown::HashMap;

use crate::error::StoreError;
use crate::files::FileSet;
use crate::lane::Lane;
use crate::maintain::{Maintained, Surroundings};
use crate::store::Store;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Raw points keep so much when room is short,
const RAW_LEAST_MS: i64 = 2 * DAY_MS;
/// and tiers of less than an hour so much; then everything shrinks in proportion.
const MINUTES_LEAST_MS: i64 = 14 * DAY_MS;
/// The clock agrees with the newest point if it is not more than so much ahead of it: the agent was off for a while.
const AGREES_MS: i64 = DAY_MS;
/// The two clocks drift apart by no more than this in a round, or one was set.
const STEP_MS: i64 = 5_000;

/// What retention remembers.
#[derive(Default)]
pub(crate) struct Retention {
    /// By uptime: when a lane's last file went.
    removed: HashMap<Lane, i64>,
    trusted: bool,
    /// The clock less the uptime, and since when, by uptime, it has been the same.
    unstepped: Option<(i64, i64)>,
}

/// A file that may go.
struct Candidate {
    lane: Lane,
    begin_ms: i64,
    end_ms: i64,
    name: String,
    number: u64,
}

impl Retention {
    /// Whether the clock may be believed.
    fn trusts(&mut self, at: Surroundings, newest_ms: Option<i64>) -> bool {
        let difference = at.now_ms - at.uptime_ms;
        let (before, since) = *self.unstepped.get_or_insert((difference, at.uptime_ms));
        if (difference - before).abs() > STEP_MS {
            self.unstepped = Some((difference, at.uptime_ms));
            self.trusted = false;
            return false;
        }
        self.unstepped = Some((difference, since));
        let agrees = newest_ms.is_some_and(|newest| (newest - HOUR_MS..=newest + AGREES_MS).contains(&at.now_ms));
        self.trusted |= (agrees && since == at.uptime_ms) || at.uptime_ms - since >= HOUR_MS;
        self.trusted
    }

    fn may_remove(&self, lane: Lane, uptime_ms: i64) -> bool {
        self.removed.get(&lane).is_none_or(|removed| uptime_ms - removed >= MINUTE_MS)
    }
}

impl Store {
    /// Removes files that are too old, and others if room is short.
    pub(crate) fn retain(
        &self,
        retention: &mut Retention,
        at: Surroundings,
        done: &mut Maintained,
    ) -> Result<(), StoreError> {
        let files = self.state.lock().files.clone();
        let trusted = retention.trusts(at, files.newest_ms());
        let journal_bytes = self.state.lock().wal.journal.bytes();
        let (used, _) = files.size(|_| true);
        let mut bytes = self.config().bytes;
        if at.disk_bytes > 0 {
            // A tenth of the file system stays free.
            let missing = (at.disk_bytes / 10).saturating_sub(at.free_bytes);
            bytes = bytes.min((used + journal_bytes).saturating_sub(missing));
        }
        done.under_pressure = used + journal_bytes > bytes;
        let mut candidates = candidates(&files);
        candidates.sort_by_key(|file| (file.lane, file.begin_ms));
        candidates.dedup_by_key(|file| file.lane);
        let newest = |lane: Lane| files.newest_of(lane).unwrap_or(at.now_ms);
        for file in candidates {
            let reference_ms = if file.lane.by_data { newest(file.lane) } else { at.now_ms };
            let too_old = file.end_ms.saturating_add(file.lane.kept_ms) <= reference_ms;
            if too_old && trusted && retention.may_remove(file.lane, at.uptime_ms) {
                self.remove(&file, retention, at, done)?;
            }
        }
        if !done.under_pressure {
            return Ok(());
        }
        let files = self.state.lock().files.clone();
        match dearest(&files, at.now_ms).filter(|file| retention.may_remove(file.lane, at.uptime_ms)) {
            Some(file) => self.remove(&file, retention, at, done),
            None => Ok(()),
        }
    }

    fn remove(
        &self,
        file: &Candidate,
        retention: &mut Retention,
        at: Surroundings,
        done: &mut Maintained,
    ) -> Result<(), StoreError> {
        self.state.lock().replace_files(|files| {
            files.logs.retain(|log| log.number != file.number);
            files.merged.retain(|merged| merged.number != file.number);
        });
        retention.removed.insert(file.lane, at.uptime_ms);
        done.removed_files += 1;
        self.unlink(&file.name)
    }
}

fn candidates(files: &FileSet) -> Vec<Candidate> {
    let logs = files.logs.iter().map(|log| (log.place, log.name(), log.number));
    let merged = files.merged.iter().map(|file| (file.place, file.name.clone(), file.number));
    logs.chain(merged)
        .map(|(place, name, number)| Candidate {
            lane: place.lane,
            begin_ms: place.begin_ms,
            end_ms: place.end_ms,
            name,
            number,
        })
        .collect()
}

/// What goes first when room is short; nothing that is still being written.
fn dearest(files: &FileSet, now_ms: i64) -> Option<Candidate> {
    let age = |file: &Candidate| now_ms.saturating_sub(file.end_ms);
    let mut all = candidates(files);
    all.retain(|file| age(file) > 0);
    let share = |file: &Candidate| age(file) as f64 / file.lane.kept_ms as f64;
    let oldest = |all: &[Candidate], of: &dyn Fn(&Candidate) -> bool| {
        let found = all.iter().enumerate().filter(|(_, file)| of(file));
        found.max_by(|left, right| share(left.1).total_cmp(&share(right.1))).map(|(place, _)| place)
    };
    let place = oldest(&all, &|file| file.lane.is_raw() && age(file) > RAW_LEAST_MS)
        .or_else(|| {
            let minutes = |file: &Candidate| file.lane.granularity_ms < HOUR_MS && age(file) > MINUTES_LEAST_MS;
            oldest(&all, &|file| !file.lane.is_raw() && minutes(file))
        })
        .or_else(|| oldest(&all, &|_| true))?;
    Some(all.swap_remove(place))
}
