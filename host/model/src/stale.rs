//! The event that a series has ended for now, as Prometheus says it: a value that is no number, of certain bits.
//!
//! A scrape that no longer finds a series, or no longer finds its target, marks it stale, so that a query does not go on
//! with its last value. The marker travels as a value does. It must never be calculated with, for that would change its
//! bits, and it is compared by them: it equals nothing, itself included.

const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Prometheus' stale marker. What it is stays in its bits: see [`is_stale`].
pub const STALE_MARKER: f64 = f64::from_bits(STALE_BITS);

/// Whether a value is the stale marker.
#[must_use]
#[inline]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marker_is_the_marker() {
        assert!(is_stale(STALE_MARKER) && STALE_MARKER.is_nan());
        for other in
            [f64::NAN, -STALE_MARKER, f64::from_bits(STALE_BITS | 1 << 51), f64::from_bits(STALE_BITS - 1), 0.0]
        {
            assert!(!is_stale(other), "{:x}", other.to_bits());
        }
    }
}
