//! What was added to a total since it was last sent: StatsD's counters take nothing else.

use saker_sdk::Point;

/// A total, and when it was so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Total {
    timestamp_ms: i64,
    value: f64,
}

/// How far a series has been counted.
#[derive(Debug)]
pub(crate) struct SeriesTotals {
    only_grows: bool,
    /// Up to here the server was told.
    sent: Option<Total>,
    /// Up to here lines of the running call have been written.
    written: Option<Total>,
}

impl SeriesTotals {
    /// Nothing is counted yet. A total that only grows starts again at zero when it is smaller than before.
    pub(crate) fn new(only_grows: bool) -> Self {
        Self { only_grows, sent: None, written: None }
    }

    pub(crate) fn only_grows(&self) -> bool {
        self.only_grows
    }

    /// What was added up to this point, and the total that this counts up to.
    ///
    /// None for the first point, which is where counting starts; for a point that is not newer than what was counted, as
    /// all are that are offered again; and for a step that no number holds.
    pub(crate) fn count(&mut self, point: &Point) -> Option<(f64, Total)> {
        let total = Total { timestamp_ms: point.timestamp_ms, value: point.value };
        let Some(before) = self.written.or(self.sent) else {
            self.sent = Some(total);
            return None;
        };
        if total.timestamp_ms <= before.timestamp_ms {
            return None;
        }
        let restarted = self.only_grows && total.value < before.value;
        let added = if restarted { total.value } else { total.value - before.value };
        if !added.is_finite() {
            self.sent = Some(total);
            self.written = None;
            return None;
        }
        self.written = Some(total);
        Some((added, total))
    }

    /// The line that counts up to this total is on its way.
    pub(crate) fn sent(&mut self, total: Total) {
        self.sent = Some(total);
    }

    /// The call is over: what was written and not sent is not counted.
    pub(crate) fn settle(&mut self) {
        self.written = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(totals: &mut SeriesTotals, timestamp_ms: i64, value: f64) -> Option<f64> {
        totals.count(&Point { series: 0, timestamp_ms, value }).map(|(added, _)| added)
    }

    fn send(totals: &mut SeriesTotals, timestamp_ms: i64, value: f64) -> Option<f64> {
        let (added, total) = totals.count(&Point { series: 0, timestamp_ms, value })?;
        totals.sent(total);
        totals.settle();
        Some(added)
    }

    #[test]
    fn counting_starts_at_the_first_value_and_again_at_zero_after_a_restart() {
        let mut totals = SeriesTotals::new(true);
        assert_eq!(send(&mut totals, 1, 100.0), None);
        assert_eq!(send(&mut totals, 2, 130.0), Some(30.0));
        assert_eq!(send(&mut totals, 3, 130.0), Some(0.0));
        assert_eq!(send(&mut totals, 4, 7.0), Some(7.0));
        assert_eq!(send(&mut totals, 5, 8.0), Some(1.0));
    }

    #[test]
    fn a_derive_may_shrink() {
        let mut totals = SeriesTotals::new(false);
        send(&mut totals, 1, 10.0);
        assert_eq!(send(&mut totals, 2, 4.0), Some(-6.0));
    }

    #[test]
    fn what_was_not_sent_is_counted_again_and_what_was_is_not() {
        let mut totals = SeriesTotals::new(true);
        send(&mut totals, 1, 10.0);
        assert_eq!(count(&mut totals, 2, 11.0), Some(1.0));
        let (added, second) = totals.count(&Point { series: 0, timestamp_ms: 3, value: 13.0 }).unwrap();
        assert_eq!(added, 2.0);
        // Neither line got out.
        totals.settle();
        assert_eq!(count(&mut totals, 2, 11.0), Some(1.0));
        assert_eq!(count(&mut totals, 3, 13.0), Some(2.0));
        // Both did.
        totals.sent(second);
        totals.settle();
        assert_eq!(count(&mut totals, 2, 11.0), None);
        assert_eq!(count(&mut totals, 3, 13.0), None);
        assert_eq!(count(&mut totals, 4, 14.0), Some(1.0));
    }

    #[test]
    fn a_late_value_is_no_restart_and_an_endless_step_no_count() {
        let mut totals = SeriesTotals::new(true);
        send(&mut totals, 5, 10.0);
        assert_eq!(send(&mut totals, 4, 2.0), None);
        assert_eq!(send(&mut totals, 6, 12.0), Some(2.0));
        let mut totals = SeriesTotals::new(false);
        send(&mut totals, 1, f64::MIN);
        assert_eq!(send(&mut totals, 2, f64::MAX), None);
        assert_eq!(send(&mut totals, 3, f64::MAX), Some(0.0));
    }
}
