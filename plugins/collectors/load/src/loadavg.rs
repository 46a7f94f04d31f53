//! `/proc/loadavg`, parsed: `0.52 1.08 0.97 3/1482 2915012`. Its columns are described in `man 5 proc_loadavg`.

use saker_sdk::gaps::GapSource;

/// As many threads as the kernel can have (`PID_MAX_LIMIT`): no more can run.
const THREADS_MAX: u64 = 4 << 20;

/// The averages, by their spans in minutes.
pub(crate) const SPANS: [&str; 3] = ["1min", "5min", "15min"];

/// All that is read of `/proc/loadavg`; none for what makes no sense.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Loadavg {
    /// Threads that run, want to run or wait for a disk: a mean for each of [`SPANS`].
    pub(crate) averages: [Option<f64>; 3],
    /// Threads that run or want to run at this moment; the reader is one of them.
    pub(crate) running: Option<u64>,
    /// Threads that exist.
    pub(crate) threads: Option<u64>,
}

impl Loadavg {
    /// Parses the file.
    pub(crate) fn parse(text: &str, place: &mut GapSource<'_>) -> Self {
        let mut columns = text.lines().next().unwrap_or_default().split_ascii_whitespace();
        let mut loadavg = Self::default();
        for (slot, span) in loadavg.averages.iter_mut().zip(SPANS) {
            let column = columns.next().unwrap_or_default();
            // Rust reads words such as "inf" as numbers; the kernel writes none.
            *slot = column.parse().ok().filter(|average| (0.0..=THREADS_MAX as f64).contains(average));
            if slot.is_none() {
                place.odd(span, "an average of threads", column);
            }
        }
        let column = columns.next().unwrap_or_default();
        let (running, threads) = column.split_once('/').unwrap_or((column, ""));
        for (slot, name, found) in
            [(&mut loadavg.running, "running", running), (&mut loadavg.threads, "threads", threads)]
        {
            *slot = found.parse().ok().filter(|threads| *threads <= THREADS_MAX);
            if slot.is_none() {
                place.odd(name, "a number of threads", found);
            }
        }
        loadavg
    }
}

#[cfg(test)]
mod tests {
    use saker_sdk::gaps::Gaps;

    use super::*;

    const LOADAVG: &str = include_str!("../../../../tests/fixtures/proc/loadavg");

    fn parse(text: &str) -> Loadavg {
        Loadavg::parse(text, &mut Gaps::default().of("loadavg"))
    }

    #[test]
    fn a_real_file_is_read_whole() {
        let averages = [0.52, 1.08, 0.97].map(Some);
        assert_eq!(parse(LOADAVG), Loadavg { averages, running: Some(3), threads: Some(1482) });
    }

    #[test]
    fn a_column_that_makes_no_sense_costs_itself() {
        let known = |text: &str| {
            let Loadavg { averages: [one, five, fifteen], running, threads } = parse(text);
            [one.is_some(), five.is_some(), fifteen.is_some(), running.is_some(), threads.is_some()]
        };
        assert_eq!(known(""), [false; 5]);
        assert_eq!(known("0.1 0.2"), [true, true, false, false, false]);
        assert_eq!(known("0.1 x 0.3 1/2 3"), [true, false, true, true, true]);
        assert_eq!(known("nan inf -1 1/2 3"), [false, false, false, true, true]);
        assert_eq!(known("0.1 0.2 18446744073709551615.99 12 3"), [true, true, false, true, false]);
        assert_eq!(known("1 2 3 -1/18446744073709551615"), [true, true, true, false, false]);
    }
}
