//! How old what is on disk is.
//!
//! Within a boot ages go by the boot's own clock, so that a wall clock which is set, or wrong, ages nothing. What passed
//! between two boots only the wall clock can tell. Up to an hour of it is believed at once; of more, or of less than
//! nothing, it is believed when the clock has held for an hour, and until then nothing is old. Segments carry a time
//! that runs on from boot to boot; what passed between is kept beside it as *gaps*, which age what is before them only.
//! A wall clock that never held before (that of a first boot, of a machine without one) tells no gap, and a year before
//! this program was written is none: where two answers are left, the points are kept.
//!
//! The thread of the queue calls it; where it is written down is the thread's.

use std::sync::Arc;
use std::time::Duration;

use saker_journal::SegmentInfo;

use crate::clock::Clock;

/// More than what a restart of a machine takes.
const BELIEVED_AT_ONCE_MS: u64 = 3_600_000;
/// A clock that is put right at the start of a boot is so long before that.
const HELD_MS: u64 = 3_600_000;
/// A clock that is drawn into place moves by less in an hour, one that is set moves by more.
const DRAWN_MS: u64 = 10_000;
/// Two clocks are read so often until it took no time.
const READS_MAX: usize = 5;
/// The first of January 2026: a machine that thinks it is earlier has no clock.
const NO_CLOCK_BEFORE_MS: u64 = 1_767_225_600_000;
/// Gaps that are told apart. Beyond that the oldest two become one, by which what lies between is younger than it is.
const GAPS_MAX: usize = 32;
/// What is written down is at most so old.
const SAVE_MS: u64 = 60_000;

const VERSION: u8 = 1;
const NO_BOOT: u128 = 0;

/// The time that a queue's segments carry, and what else is known of their age.
pub(super) struct Age {
    clock: Arc<dyn Clock>,
    /// The queue's time when the boot had run for `running_ms`.
    time_ms: u64,
    running_ms: u64,
    gaps: Vec<Gap>,
    /// The gaps of all time.
    passed_ms: u64,
    /// Whether what is believed comes from a wall clock that has held.
    established: bool,
    held: SteadyClock,
    /// The wall clock is not believed yet. If it will be, the records below are from before the gap.
    doubt: Option<u64>,
    saved_ms: Option<u64>,
}

/// A time that passed without the queue's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    /// Records below are from before it.
    before: u64,
    ms: u64,
}

/// Since when the wall clock runs as the boot's own does.
#[derive(Clone, Copy)]
struct SteadyClock {
    /// It is ahead of that by so much,
    offset_ms: i64,
    /// since the boot had run for so long.
    since_ms: u64,
}

impl SteadyClock {
    fn since_now(clock: &dyn Clock) -> Self {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let (mut since_ms, mut wall_ms) = (millis(clock.running()), clock.wall_ms());
        // One that was stopped between the two would take the time that passed for a clock that was set.
        for _ in 0..READS_MAX {
            let now_ms = millis(clock.running());
            if now_ms.saturating_sub(since_ms) < DRAWN_MS / 10 {
                break;
            }
            (since_ms, wall_ms) = (now_ms, clock.wall_ms());
        }
        Self { offset_ms: signed(wall_ms).saturating_sub(signed(since_ms)), since_ms }
    }
}

impl Age {
    /// Goes on from what was written down and from the segments that there are, which end before the record `end`.
    pub(super) fn resume(clock: Arc<dyn Clock>, saved: Option<&[u8]>, segments: &[SegmentInfo], end: u64) -> Self {
        let saved = saved.and_then(SavedAge::decode);
        let (running_ms, wall_ms) = (millis(clock.running()), clock.wall_ms());
        let newest = segments.iter().map(|segment| segment.created_ms).max();
        let mut age = Self {
            time_ms: newest.unwrap_or(wall_ms),
            running_ms,
            gaps: Vec::new(),
            passed_ms: 0,
            established: false,
            held: SteadyClock::since_now(&*clock),
            doubt: None,
            saved_ms: None,
            clock,
        };
        let Some(saved) = saved else {
            if newest.is_some() {
                age.look_at_the_wall(end);
            }
            return age;
        };
        let same_boot = saved.boot != NO_BOOT && age.clock.boot() == Some(saved.boot);
        let since = if same_boot { running_ms.saturating_sub(saved.running_ms) } else { 0 };
        age.time_ms = saved.time_ms.saturating_add(since).max(newest.unwrap_or(0));
        (age.gaps, age.passed_ms, age.established) = (saved.gaps, saved.passed_ms, saved.established);
        match (same_boot, newest.is_some()) {
            (true, true) => age.doubt = saved.doubt,
            (false, true) => age.look_at_the_wall(saved.doubt.unwrap_or(end)),
            // There is nothing that could be too old.
            (_, false) => age.pass(end, age.ahead_ms()),
        }
        age
    }

    /// Another boot: how long it took until it came.
    fn look_at_the_wall(&mut self, before: u64) {
        let (ahead, behind) = (self.ahead_ms(), self.believed_ms().saturating_sub(self.clock.wall_ms()));
        if ahead.max(behind) > BELIEVED_AT_ONCE_MS {
            self.doubt = Some(before);
        } else {
            self.pass(before, ahead);
        }
    }

    /// By how much the wall clock differs from what is believed, while that is not settled; in milliseconds.
    pub(super) fn doubt_ms(&self) -> Option<i64> {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        self.doubt.map(|_| signed(self.clock.wall_ms()).saturating_sub(signed(self.believed_ms())))
    }

    /// Looks whether the wall clock has held; answers whether it is believed from now on, and was not before.
    pub(super) fn settle(&mut self) -> bool {
        let now = SteadyClock::since_now(&*self.clock);
        let set = now.offset_ms.abs_diff(self.held.offset_ms) > DRAWN_MS;
        if set || self.clock.wall_ms() < NO_CLOCK_BEFORE_MS {
            self.held = now;
            return false;
        }
        if now.since_ms.saturating_sub(self.held.since_ms) < HELD_MS {
            return false;
        }
        let had = std::mem::replace(&mut self.established, true);
        let Some(before) = self.doubt.take() else { return false };
        let ms = self.ahead_ms();
        // Without a clock before that could be believed, nobody knows how much of it has passed.
        if had {
            self.pass(before, ms)
        } else {
            self.passed_ms = self.passed_ms.saturating_add(ms)
        }
        self.saved_ms = None;
        true
    }

    /// The time of a segment that is begun now.
    pub(super) fn now_ms(&self) -> u64 {
        self.time_ms.saturating_add(millis(self.clock.running()).saturating_sub(self.running_ms))
    }

    /// How long ago a segment was begun.
    pub(super) fn of(&self, segment: &SegmentInfo) -> Duration {
        let gaps = self.gaps.iter().filter(|gap| segment.first.seq < gap.before);
        let gaps = gaps.fold(0_u64, |sum, gap| sum.saturating_add(gap.ms));
        Duration::from_millis(self.now_ms().saturating_sub(segment.created_ms).saturating_add(gaps))
    }

    /// What has to be written down, if that was long enough ago; `oldest` is the first record that there is.
    pub(super) fn take_due(&mut self, oldest: u64) -> Option<Vec<u8>> {
        let running_ms = millis(self.clock.running());
        if self.saved_ms.is_some_and(|saved| running_ms.saturating_sub(saved) < SAVE_MS) {
            return None;
        }
        self.saved_ms = Some(running_ms);
        self.gaps.retain(|gap| gap.before > oldest);
        let saved = SavedAge {
            boot: self.clock.boot().unwrap_or(NO_BOOT),
            running_ms,
            time_ms: self.now_ms(),
            passed_ms: self.passed_ms,
            doubt: self.doubt,
            established: self.established,
            gaps: self.gaps.clone(),
        };
        Some(saved.encode())
    }

    fn pass(&mut self, before: u64, ms: u64) {
        if ms == 0 {
            return;
        }
        self.passed_ms = self.passed_ms.saturating_add(ms);
        self.gaps.push(Gap { before, ms });
        if self.gaps.len() > GAPS_MAX {
            let oldest = self.gaps.remove(0);
            // What lies between the two would age by what it has not lived through.
            self.gaps[0].before = self.gaps[0].before.min(oldest.before);
            self.gaps[0].ms = self.gaps[0].ms.saturating_add(oldest.ms);
        }
    }

    /// The wall clock as it would be by all that is known.
    fn believed_ms(&self) -> u64 {
        self.now_ms().saturating_add(self.passed_ms)
    }

    /// By how much the wall clock is ahead of that.
    fn ahead_ms(&self) -> u64 {
        self.clock.wall_ms().saturating_sub(self.believed_ms())
    }
}

/// What is written down.
struct SavedAge {
    boot: u128,
    running_ms: u64,
    time_ms: u64,
    passed_ms: u64,
    doubt: Option<u64>,
    established: bool,
    gaps: Vec<Gap>,
}

impl SavedAge {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.boot.to_le_bytes());
        let doubt = self.doubt.unwrap_or(u64::MAX);
        let numbers = [self.running_ms, self.time_ms, self.passed_ms, doubt, u64::from(self.established)];
        let gaps = self.gaps.iter().flat_map(|gap| [gap.before, gap.ms]);
        numbers.into_iter().chain(gaps).for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (boot, rest) = rest.split_first_chunk()?;
        let (numbers, []) = rest.as_chunks::<8>() else { return None };
        let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
        let (&[running_ms, time_ms, passed_ms, doubt, established], gaps) = numbers.split_first_chunk()?;
        let (gaps, []) = gaps.as_chunks::<2>() else { return None };
        let gaps: Vec<Gap> = gaps.iter().map(|&[before, ms]| Gap { before, ms }).collect();
        let doubt = Some(doubt).filter(|&before| before != u64::MAX);
        let (boot, established) = (u128::from_le_bytes(*boot), established != 0);
        let good = version == VERSION && gaps.len() <= GAPS_MAX;
        good.then_some(Self { boot, running_ms, time_ms, passed_ms, doubt, established, gaps })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
