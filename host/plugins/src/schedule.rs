//! When a collector runs.
//!
//! Runs stand on a grid of the wall clock: the multiples of the interval. So a restart does not move them, and values of
//! all collectors with one interval bear one timestamp. The work is spread behind the grid by a part of the interval that
//! the name decides, so that collectors do not all run at once.

use std::time::Duration;

use saker_sandbox::PluginHash;

/// The most that a run is behind its time on the grid.
const PHASE_MAX_MS: u64 = 1000;
/// No collector is called less often than once in ten years, whatever is written: times stay numbers.
const INTERVAL_MAX_MS: u64 = 10 * 366 * 86_400_000;

/// A run of a collector. Times are in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScheduledRun {
    /// Its time on the grid, which its values bear.
    pub(crate) grid_ms: i64,
    /// When it begins.
    pub(crate) due_ms: i64,
}

impl ScheduledRun {
    /// The one of two that begins first.
    pub(crate) fn or_sooner(self, other: Self) -> Self {
        if other.due_ms < self.due_ms { other } else { self }
    }
}

/// When a collector runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval_ms: u64,
    phase_ms: u64,
}

impl Schedule {
    /// That of a collector of this name.
    #[must_use]
    pub fn new(name: &str, interval: Duration) -> Self {
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).clamp(1, INTERVAL_MAX_MS);
        let digits = PluginHash::of(name.as_bytes()).to_string();
        let random = u64::from_str_radix(&digits[..8], 16).unwrap_or(0);
        Self { interval_ms, phase_ms: random % interval_ms.min(PHASE_MAX_MS) }
    }

    /// The interval, in milliseconds.
    pub(crate) fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    /// The interval in whole seconds, at least one: the step of values.
    pub(crate) fn step_s(&self) -> u32 {
        u32::try_from(self.interval_ms.div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// The last time on the grid that is not after `now_ms`.
    pub(crate) fn grid_at(&self, now_ms: i64) -> i64 {
        let interval = self.interval_ms as i64;
        now_ms.div_euclid(interval) * interval
    }

    /// The first run that begins after a time.
    pub(crate) fn next_after(&self, now_ms: i64) -> ScheduledRun {
        self.on_grid(self.grid_at(now_ms - self.phase_ms as i64) + self.interval_ms as i64)
    }

    /// The first run of a later time on the grid than the last that begins after `now_ms`.
    pub(crate) fn next(&self, last_grid_ms: i64, now_ms: i64) -> ScheduledRun {
        let later = self.on_grid(self.grid_at(last_grid_ms) + self.interval_ms as i64);
        let next = self.next_after(now_ms);
        if next.grid_ms < later.grid_ms { later } else { next }
    }

    /// How many runs lie between two times on the grid: those that were missed.
    pub(crate) fn between(&self, last_grid_ms: i64, next_grid_ms: i64) -> u64 {
        let first = self.grid_at(last_grid_ms) + self.interval_ms as i64;
        u64::try_from((next_grid_ms - first) / self.interval_ms as i64).unwrap_or(0)
    }

    fn on_grid(&self, grid_ms: i64) -> ScheduledRun {
        ScheduledRun { grid_ms, due_ms: grid_ms + self.phase_ms as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(grid_ms: i64, due_ms: i64) -> ScheduledRun {
        ScheduledRun { grid_ms, due_ms }
    }

    #[test]
    fn runs_are_stamped_on_a_grid_and_begin_behind_it() {
        let schedule = Schedule { interval_ms: 10_000, phase_ms: 300 };
        assert_eq!(schedule.next_after(0), run(0, 300));
        assert_eq!(schedule.next_after(299), run(0, 300));
        assert_eq!(schedule.next_after(300), run(10_000, 10_300));
        assert_eq!(schedule.next_after(10_299), run(10_000, 10_300));
        assert_eq!((schedule.grid_at(9_999), schedule.grid_at(10_000)), (0, 10_000));
    }

    #[test]
    fn no_two_runs_bear_one_timestamp() {
        let schedule = Schedule { interval_ms: 10_000, phase_ms: 300 };
        // The first ran at once, between a time on the grid and the run that would have been of that time.
        assert_eq!(schedule.next(10_000, 10_200), run(20_000, 20_300));
        assert_eq!(schedule.next(10_000, 10_400), run(20_000, 20_300));
        assert_eq!(schedule.next(10_000, 45_000), run(50_000, 50_300));
    }

    #[test]
    fn runs_that_were_missed_are_counted() {
        let schedule = Schedule { interval_ms: 1000, phase_ms: 400 };
        assert_eq!(schedule.between(0, 1000), 0);
        assert_eq!(schedule.between(0, 3000), 2);
        assert_eq!(schedule.between(500, 1000), 0);
    }

    #[test]
    fn names_spread_over_the_first_second() {
        let phases: Vec<_> = ["cpu", "memory", "load", "network", "tcp"]
            .map(|name| Schedule::new(name, Duration::from_secs(10)).phase_ms)
            .into();
        let mut distinct = phases.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), phases.len());
        assert!(phases.iter().all(|&phase| phase < 1000));
        assert!(Schedule::new("cpu", Duration::from_millis(100)).phase_ms < 100);
    }

    #[test]
    fn a_step_is_a_whole_second_at_least() {
        assert_eq!(Schedule::new("x", Duration::from_millis(100)).step_s(), 1);
        assert_eq!(Schedule::new("x", Duration::from_millis(1500)).step_s(), 2);
        assert_eq!(Schedule::new("x", Duration::from_secs(10)).step_s(), 10);
    }
}
