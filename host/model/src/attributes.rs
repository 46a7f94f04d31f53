//! What sources say of a series beside its name, type and step, in four bytes; and how often that may change.
//!
//! ```text
//! bits  0..20  step, in seconds: a week has 604,800
//!      20..22  type
//!      22..32  when it was changed last, see below
//! ```
//!
//! What is said last holds. Two sources that disagree about one series would change it with each of their values, and each
//! change is told to every destination and to every queue on disk. So a series whose attributes have changed keeps them for
//! [`HOLD_S`]; what is said against them meanwhile changes nothing, and is taken up after that if it is still said.

use crate::series::{MetricType, Series};
use crate::value::{LIMITS, Sample};

/// For so long a change holds, in seconds: with a million series about which two sources disagree all the time, some 1,700
/// definitions a second, two thousandths of a core. One who has set a wrong interval and sets it right waits no longer.
pub(crate) const HOLD_S: u32 = 600;

const STEP_BITS: u32 = 20;
const TYPE_BITS: u32 = 2;
const SAID_BITS: u32 = STEP_BITS + TYPE_BITS;
const SAID: u32 = (1 << SAID_BITS) - 1;
const STEP_MAX: u32 = (1 << STEP_BITS) - 1;
const _: () = assert!(LIMITS.step_s <= STEP_MAX);

/// Nothing has changed yet.
const NEVER: u32 = 0;
/// It comes from disk, where nobody has said it in this life.
const FROM_DISK: u32 = 1;
/// Times count from here, in units of about a minute, round and round in eighteen hours. A change that is older than that
/// may be taken for a new one, and then holds a few minutes more.
const FIRST_TIME: u32 = 2;
const TIMES: u32 = (1 << (32 - SAID_BITS)) - FIRST_TIME;
const UNIT_S: u32 = 64;

/// What was said of a series last, and since when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedAttributes(u32);

/// What a value says of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said(u32);

impl Said {
    #[inline]
    pub(crate) fn of_value(value: &Sample) -> Self {
        Self::new(value.metric_type, value.step_s)
    }

    pub(crate) fn of_series(series: &Series) -> Self {
        Self::new(series.metric_type, series.step_s)
    }

    #[inline]
    pub(crate) fn new(metric_type: MetricType, step_s: u32) -> Self {
        Self((metric_type as u32) << STEP_BITS | step_s.min(STEP_MAX))
    }
}

impl PackedAttributes {
    pub(crate) fn new(said: Said) -> Self {
        Self(said.0 | NEVER << SAID_BITS)
    }

    pub(crate) fn from_disk(said: Said) -> Self {
        Self(said.0 | FROM_DISK << SAID_BITS)
    }

    pub(crate) fn is_from_disk(self) -> bool {
        self.0 >> SAID_BITS == FROM_DISK
    }

    /// Whether a value that says this changes nothing: it says the same, or what was said before still holds.
    #[inline]
    pub(crate) fn stands_against(self, said: Said, now_s: u32) -> bool {
        self.0 & SAID == said.0 || self.is_held(now_s)
    }

    /// What holds after a value that says so was let in.
    pub(crate) fn then(self, said: Said, now_s: u32) -> Self {
        // What comes from disk is of another life: who contradicts it is the first to say anything.
        if self.0 & SAID == said.0 || self.is_from_disk() {
            return if self.is_from_disk() { Self::new(said) } else { self };
        }
        if self.is_held(now_s) { self } else { Self(said.0 | time(now_s) << SAID_BITS) }
    }

    /// What was said.
    pub(crate) fn is(self, said: Said) -> bool {
        self.0 & SAID == said.0
    }

    #[cold]
    fn is_held(self, now_s: u32) -> bool {
        let changed = self.0 >> SAID_BITS;
        changed >= FIRST_TIME && (TIMES + time(now_s) - changed) % TIMES <= HOLD_S.div_ceil(UNIT_S)
    }
}

fn time(now_s: u32) -> u32 {
    FIRST_TIME + now_s / UNIT_S % TIMES
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAUGE: Said = Said(10);

    fn said(metric_type: MetricType, step_s: u32) -> Said {
        Said::new(metric_type, step_s)
    }

    #[test]
    fn type_and_step_are_told_apart_and_the_longest_step_fits() {
        let all: Vec<_> = [MetricType::Gauge, MetricType::Counter, MetricType::Derive]
            .into_iter()
            .flat_map(|metric_type| [1, 10, LIMITS.step_s].map(|step_s| said(metric_type, step_s)))
            .collect();
        for (place, one) in all.iter().enumerate() {
            let same: Vec<_> = all.iter().map(|other| PackedAttributes::new(*one).is(*other)).collect();
            assert_eq!(same.iter().filter(|same| **same).count(), 1);
            assert!(same[place]);
        }
        assert_eq!(said(MetricType::Gauge, u32::MAX), Said(STEP_MAX), "what only a disk can say spoils nothing else");
    }

    #[test]
    fn a_change_holds_for_ten_minutes_whatever_the_time_is() {
        let other = said(MetricType::Counter, 60);
        for now_s in [0, 1, 1 << 30, (TIMES - 3) * UNIT_S, TIMES * UNIT_S - 1, u32::MAX - 2 * HOLD_S] {
            let first = PackedAttributes::new(GAUGE);
            assert!(first.stands_against(GAUGE, now_s) && !first.stands_against(other, now_s));
            let changed = first.then(other, now_s);
            assert!(changed.is(other));
            for later_s in [0, 1, HOLD_S / 2, HOLD_S - 1] {
                assert!(changed.stands_against(GAUGE, now_s + later_s), "{now_s} + {later_s}");
                assert_eq!(changed.then(GAUGE, now_s + later_s), changed);
            }
            let after_s = now_s + HOLD_S + 2 * UNIT_S;
            assert!(!changed.stands_against(GAUGE, after_s), "{now_s}");
            assert!(changed.then(GAUGE, after_s).is(GAUGE));
        }
    }

    #[test]
    fn what_is_from_disk_gives_way_at_once_and_is_not_from_disk_after_that() {
        let old = PackedAttributes::from_disk(GAUGE);
        assert!(!old.stands_against(said(MetricType::Derive, 10), 7));
        assert_eq!(old.then(GAUGE, 7), PackedAttributes::new(GAUGE));
        let changed = old.then(said(MetricType::Derive, 10), 7);
        assert!(!changed.is_from_disk() && !changed.stands_against(GAUGE, 7), "it was the first word of this life");
    }
}
