//! What two readings of a device tell of the time between them. The formulas are those of `iostat`.

use saker_sdk::rates::Delta;
use saker_sdk::round;

use crate::diskstats::ALWAYS;

/// The names of the figures of [`between`].
pub(crate) const GAUGES: [&str; 7] = [
    "disk.io.read_bytes",
    "disk.io.write_bytes",
    "disk.io.avgrq_sz",
    "disk.io.avgqu-sz",
    "disk.io.await",
    "disk.io.svctm",
    "disk.io.util",
];

/// Bytes in a sector of `/proc/diskstats`, whatever the device's own sectors are.
const SECTOR_BYTES: f64 = 512.0;

// The columns of `/proc/diskstats` that are read here.
const READS: usize = 0;
const SECTORS_READ: usize = 2;
const MSEC_READ: usize = 3;
const WRITES: usize = 4;
const SECTORS_WRITTEN: usize = 6;
const MSEC_WRITE: usize = 7;
const MSEC_BUSY: usize = 9;
const MSEC_WEIGHTED: usize = 10;

/// The mean load between two readings, one figure for each of [`GAUGES`].
///
/// None if the device has started anew in between.
pub(crate) fn between(change: &Delta<ALWAYS>) -> Option<[f64; 7]> {
    let Delta { now, before, seconds } = change;
    let passed_ms = 1000.0 * seconds;
    let count = |column: usize| now[column].checked_sub(before[column]).map(|grown| grown as f64);
    let msec = |column: usize| msec_since(now[column], before[column]);
    let requests = count(READS)? + count(WRITES)?;
    let (read, written) = (count(SECTORS_READ)?, count(SECTORS_WRITTEN)?);
    let busy = msec(MSEC_BUSY);
    let per_request = |total: f64| if requests > 0.0 { total / requests } else { 0.0 };
    let [read_bytes, written_bytes] = [read, written].map(|sectors| sectors * SECTOR_BYTES * 1000.0 / passed_ms);
    Some([
        round::rate(read_bytes),
        round::rate(written_bytes),
        round::rate(per_request(read + written)),
        round::rate(msec(MSEC_WEIGHTED) / passed_ms),
        round::rate(per_request(msec(MSEC_READ) + msec(MSEC_WRITE))),
        round::rate(per_request(busy)),
        round::percent((100.0 * busy / passed_ms).min(100.0)),
    ])
}

/// How far a column of milliseconds has come. The kernel prints 32 bits of them, which last for 49 busy days.
fn msec_since(now: u64, before: u64) -> f64 {
    let passed = (now as u32).wrapping_sub(before as u32);
    // Half the range in one run is a step back: no time.
    if passed > u32::MAX / 2 { 0.0 } else { f64::from(passed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(now: [u64; ALWAYS], before: [u64; ALWAYS], passed_ms: f64) -> Option<[f64; 7]> {
        super::between(&Delta { now, before, seconds: passed_ms / 1000.0 })
    }

    #[test]
    fn figures_are_means_over_the_time_that_passed() {
        let before = [100, 0, 1000, 50, 200, 0, 2000, 60, 0, 10_000, 20_000];
        let after = [110, 0, 1400, 250, 230, 0, 3200, 160, 3, 12_500, 25_000];
        assert_eq!(between(after, before, 5000.0).unwrap(), [40_960.0, 122_880.0, 40.0, 1.0, 7.5, 62.5, 50.0],);
    }

    #[test]
    fn a_device_at_rest_stands_at_zero() {
        let idle = [100, 0, 1000, 50, 200, 0, 2000, 60, 0, 10_000, 20_000];
        assert_eq!(between(idle, idle, 10_000.0).unwrap(), [0.0; 7]);
    }

    #[test]
    fn a_device_is_never_busier_than_all_the_time() {
        let before = [0; 11];
        let after = [0, 0, 0, 0, 0, 0, 0, 0, 9, 10_050, 0];
        assert_eq!(between(after, before, 10_000.0).unwrap()[6], 100.0);
    }

    #[test]
    fn a_device_that_has_started_anew_is_not_compared() {
        let before = [100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let after = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(between(after, before, 10_000.0), None);
    }

    #[test]
    fn milliseconds_go_on_after_32_bits() {
        assert_eq!(msec_since(99, u64::from(u32::MAX)), 100.0);
        assert_eq!(msec_since(90, 100), 0.0, "a step back is no time");
        assert_eq!(msec_since(u64::from(u32::MAX) + 101, u64::from(u32::MAX) + 1), 100.0);
    }
}
