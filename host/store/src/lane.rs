//! A lane: all files of one granularity that are kept for one time. Its files each hold one span of time.

use crate::wire::{Wire, put_varint};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The spans that files may have. Points come within the last few hours, so a file is whole after the first of them.
const SPANS_MS: [i64; 4] = [6 * HOUR_MS, DAY_MS, 3 * DAY_MS, 30 * DAY_MS];
/// Files of a lane: those of all lanes together stay below 400, and a long question opens few.
const RAW_FILES: i64 = 100;
const TIER_FILES: i64 = 60;

/// What the files of a lane have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lane {
    /// Of its buckets; 0 for points as they came.
    pub(crate) granularity_ms: i64,
    /// How long they are kept; [`i64::MAX`] for ever.
    pub(crate) kept_ms: i64,
    /// Age goes by the newest point of the lane, not by the clock.
    pub(crate) by_data: bool,
}

impl Lane {
    pub(crate) fn is_raw(self) -> bool {
        self.granularity_ms == 0
    }

    /// The span of one file.
    pub(crate) fn span_ms(self) -> i64 {
        let files = if self.is_raw() { RAW_FILES } else { TIER_FILES };
        let fits = |span: &&i64| self.kept_ms / **span <= files;
        SPANS_MS.iter().find(fits).copied().unwrap_or(SPANS_MS[SPANS_MS.len() - 1])
    }

    /// The beginning of the span that a time is in.
    pub(crate) fn span_of(self, time_ms: i64) -> i64 {
        floor(time_ms, self.span_ms())
    }

    pub(crate) fn put(self, out: &mut Vec<u8>) {
        put_varint(out, self.granularity_ms as u64);
        put_varint(out, self.kept_ms as u64);
        out.push(u8::from(self.by_data));
    }

    pub(crate) fn read(wire: &mut Wire) -> Option<Self> {
        let granularity_ms = i64::try_from(wire.varint()?).ok()?;
        let kept_ms = i64::try_from(wire.varint()?).ok().filter(|kept| *kept > 0)?;
        Some(Self { granularity_ms, kept_ms, by_data: wire.u8()? == 1 })
    }
}

/// The multiple of `step` at or before a time.
pub(crate) fn floor(time_ms: i64, step: i64) -> i64 {
    time_ms.div_euclid(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_long_as_few_files_need() {
        let span =
            |granularity_ms, days: i64| Lane { granularity_ms, kept_ms: days * DAY_MS, by_data: false }.span_ms();
        assert_eq!(span(0, 14), 6 * HOUR_MS);
        assert_eq!(span(0, 90), DAY_MS);
        assert_eq!(span(60_000, 90), 3 * DAY_MS);
        assert_eq!(span(HOUR_MS, 730), 30 * DAY_MS);
        assert_eq!(span(HOUR_MS, i64::MAX / DAY_MS), 30 * DAY_MS);
    }
}
