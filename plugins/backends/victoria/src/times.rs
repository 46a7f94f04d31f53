//! Which times a server keeps. What it does not keep it drops, and answers 204.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// How far from now a point may be, in days; 0 is any distance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWindow {
    pub(crate) future_days: u32,
    pub(crate) retention_days: u32,
}

impl TimeWindow {
    /// The times that are kept, by this host's clock.
    pub(crate) fn kept(self) -> RangeInclusive<i64> {
        // A clock before 1970 knows nothing of what a server keeps.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_millis()).ok());
        self.kept_at(now)
    }

    fn kept_at(self, now: Option<i64>) -> RangeInclusive<i64> {
        let away = |days: u32| i64::from(days) * DAY_MS;
        let earliest = now.filter(|_| self.retention_days > 0).map_or(1, |now| now - away(self.retention_days));
        let latest = now.filter(|_| self.future_days > 0).map_or(i64::MAX, |now| now + away(self.future_days));
        // Time zero stands for "now" in the line protocol, and what lies before it is dropped.
        earliest.max(1)..=latest
    }

    /// Why a time is not among those.
    pub(crate) fn why_not(self, time: i64) -> String {
        if time <= 0 {
            "a time before 1970, which VictoriaMetrics does not keep".into()
        } else if time > *self.kept().end() {
            format!("a time more than {} days ahead, which is future_days", self.future_days)
        } else {
            format!("a time more than {} days back, which is retention_days", self.retention_days)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_from_1970_on_are_kept_and_as_far_from_now_as_was_set() {
        let times = |future_days, retention_days| TimeWindow { future_days, retention_days };
        let now = Some(1_700_000_000_000);
        assert_eq!(times(0, 0).kept_at(now), 1..=i64::MAX);
        assert_eq!(times(2, 0).kept_at(now), 1..=1_700_000_000_000 + 2 * 86_400_000);
        assert_eq!(times(0, 30).kept_at(now), 1_700_000_000_000 - 30 * 86_400_000..=i64::MAX);
        assert_eq!(times(2, u32::MAX).kept_at(now).start(), &1);
        assert_eq!(times(2, 30).kept_at(None), 1..=i64::MAX);
    }
}
