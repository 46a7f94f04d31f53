//! When a collector's ticks are.
//!
//! Ticks stand on a grid of the wall clock, so that a restart does not move them, shifted for each instance by a part of
//! the interval that its name decides, so that collectors do not all run at once.

use std::time::Duration;

use saker_sandbox::PluginHash;

/// The most that a grid is shifted.
const PHASE_MAX_MS: u64 = 1000;

/// A collector's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    interval_ms: u64,
    phase_ms: u64,
}

impl Schedule {
    pub(crate) fn new(name: &str, interval: Duration) -> Self {
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
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

    /// The first tick after a time; both in milliseconds since 1970-01-01 UTC.
    pub(crate) fn next_after(&self, now_ms: i64) -> i64 {
        let (interval, phase) = (self.interval_ms as i64, self.phase_ms as i64);
        ((now_ms - phase).div_euclid(interval) + 1) * interval + phase
    }

    /// How many ticks lie after `last_ms` and before `next_ms`, which is a tick: those that were missed.
    pub(crate) fn between(&self, last_ms: i64, next_ms: i64) -> u64 {
        let first = self.next_after(last_ms);
        u64::try_from((next_ms - first) / self.interval_ms as i64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_on_a_grid_that_does_not_depend_on_the_start() {
        let schedule = Schedule { interval_ms: 10_000, phase_ms: 300 };
        assert_eq!(schedule.next_after(0), 300);
        assert_eq!(schedule.next_after(300), 10_300);
        assert_eq!(schedule.next_after(10_299), 10_300);
        assert_eq!(schedule.next_after(299), 300);
    }

    #[test]
    fn ticks_that_were_missed_are_counted() {
        let schedule = Schedule { interval_ms: 1000, phase_ms: 0 };
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
