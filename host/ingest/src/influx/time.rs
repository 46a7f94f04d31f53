//! What a timestamp counts.

/// The unit of the timestamps of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Not said: told from each timestamp's size. From 1e17 on it counts nanoseconds, from 1e14 microseconds, from 1e11
    /// milliseconds, below that seconds, which is right for every time from 1973 to 5138; VictoriaMetrics' rule.
    #[default]
    Unsaid,
    /// `n`, `ns`
    Nanoseconds,
    /// `u`, `us`, `µ`, `µs`
    Microseconds,
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
    /// `m`
    Minutes,
    /// `h`
    Hours,
}

impl Precision {
    /// The precision of that name; an empty one is unsaid.
    #[must_use]
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" => Self::Unsaid,
            "n" | "ns" => Self::Nanoseconds,
            // The micro sign and the Greek letter look the same.
            "u" | "us" | "\u{b5}" | "\u{b5}s" | "\u{3bc}" | "\u{3bc}s" => Self::Microseconds,
            "ms" => Self::Milliseconds,
            "s" => Self::Seconds,
            "m" => Self::Minutes,
            "h" => Self::Hours,
            _ => return None,
        })
    }

    /// A timestamp in milliseconds, rounded down; none if that is more than fits.
    #[inline]
    pub(super) fn to_ms(self, time: i64) -> Option<i64> {
        match self {
            Self::Unsaid if time >= 100_000_000_000_000_000 => Some(time / 1_000_000),
            Self::Unsaid if time >= 100_000_000_000_000 => Some(time / 1000),
            Self::Unsaid if time >= 100_000_000_000 => Some(time),
            Self::Unsaid => time.checked_mul(1000),
            Self::Nanoseconds => Some(time.div_euclid(1_000_000)),
            Self::Microseconds => Some(time.div_euclid(1000)),
            _ => time.checked_mul(self.unit_ms()),
        }
    }

    /// The time of a line that says none: the clock, rounded down to a whole unit, as InfluxDB does.
    pub(super) fn now(self, now_ms: i64) -> i64 {
        now_ms - now_ms.rem_euclid(self.unit_ms())
    }

    fn unit_ms(self) -> i64 {
        match self {
            Self::Unsaid | Self::Nanoseconds | Self::Microseconds | Self::Milliseconds => 1,
            Self::Seconds => 1000,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_123;

    #[test]
    fn every_unit_comes_out_in_milliseconds() {
        for (name, time, expected) in [
            ("ns", 1_700_000_000_123_999_999, NOW_MS),
            ("n", -1, -1),
            ("us", 1_700_000_000_123_999, NOW_MS),
            ("u", 999, 0),
            ("µ", 1000, 1),
            ("ms", NOW_MS, NOW_MS),
            ("s", 1_700_000_000, 1_700_000_000_000),
            ("m", 2, 120_000),
            ("h", 2, 7_200_000),
        ] {
            assert_eq!(Precision::parse(name).unwrap().to_ms(time), Some(expected), "{name} {time}");
        }
        assert_eq!(Precision::parse("d"), None);
        assert_eq!(Precision::Hours.to_ms(i64::MAX), None);
    }

    #[test]
    fn without_a_unit_the_size_tells_it() {
        for time in [1_700_000_000_123_456_789, 1_700_000_000_123_456, 1_700_000_000_123] {
            assert_eq!(Precision::Unsaid.to_ms(time), Some(NOW_MS), "{time}");
        }
        assert_eq!(Precision::Unsaid.to_ms(1_700_000_000), Some(1_700_000_000_000));
        assert_eq!(Precision::Unsaid.to_ms(99_999_999_999), Some(99_999_999_999_000));
        assert_eq!(Precision::Unsaid.to_ms(-5), Some(-5000));
    }

    #[test]
    fn a_line_without_a_time_has_the_clocks_in_whole_units() {
        assert_eq!(Precision::Unsaid.now(NOW_MS), NOW_MS);
        assert_eq!(Precision::Nanoseconds.now(NOW_MS), NOW_MS);
        assert_eq!(Precision::Seconds.now(NOW_MS), 1_700_000_000_000);
        assert_eq!(Precision::Minutes.now(NOW_MS), 1_699_999_980_000);
        assert_eq!(Precision::Hours.now(NOW_MS), 1_699_999_200_000);
    }
}
