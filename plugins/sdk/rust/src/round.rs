//! What is measured, rounded to what it means.
//!
//! A share of runs or a rate over ten seconds is a quotient, whose fifteen digits say nothing after the first few.
//! Rounded values take a third of the room: in the agent's queues, on the wire and on a storage system's disk.

/// A share in percent: two decimals.
#[must_use]
pub fn percent(value: f64) -> f64 {
    rounded(value, 100.0)
}

/// A rate, or a mean: three decimals.
#[must_use]
pub fn rate(value: f64) -> f64 {
    rounded(value, 1000.0)
}

fn rounded(value: f64, unit: f64) -> f64 {
    let scaled = (value * unit).round();
    // Beyond, a double has no decimals anyway, and infinities have none either.
    if scaled.abs() < 9_007_199_254_740_992.0 { scaled / unit + 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_two_decimals_and_a_rate_three() {
        assert_eq!([100.0 / 3.0, 99.999, 0.004, 50.0, 100.0].map(percent), [33.33, 100.0, 0.0, 50.0, 100.0]);
        assert_eq!([1.0 / 3.0, 1e6 / 7.0, 0.0004].map(rate), [0.333, 142_857.143, 0.0]);
    }

    #[test]
    fn what_has_no_decimals_stays_and_nothing_is_less_than_nothing() {
        for value in [1e18, -1e300, f64::MAX, f64::INFINITY] {
            assert_eq!((percent(value), rate(value)), (value, value));
        }
        assert_eq!(percent(-0.001).to_bits(), 0.0_f64.to_bits());
        assert!(rate(f64::NAN).is_nan());
    }
}
