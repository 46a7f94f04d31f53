//! The files of `/proc` and `/proc/sys` that hold one line, parsed.

use saker_sdk::gaps;

/// No machine runs so long, in seconds: a thousand years.
const UPTIME_END: f64 = 1000.0 * 366.0 * 86_400.0;

/// `/proc/sys/fs/file-nr`: how many files are open in the whole system. `man 5 proc_sys_fs` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileTable {
    /// File handles in use.
    pub(crate) allocated: Option<u64>,
    /// How many there may be: the same number as in `/proc/sys/fs/file-max`, which is thus not read.
    pub(crate) most: Option<u64>,
}

impl FileTable {
    /// Parses the file; none for what makes no sense.
    pub(crate) fn parse(text: &str) -> Self {
        let mut columns = text.split_ascii_whitespace();
        // The column between, free handles, has been 0 since Linux 2.6.
        Self { allocated: columns.next().and_then(gaps::count), most: columns.nth(1).and_then(gaps::count) }
    }
}

/// A file that is one whole number.
pub(crate) fn count(text: &str) -> Option<u64> {
    gaps::count(text.trim())
}

/// `/proc/uptime`: the seconds since boot, and then the cores' idle time.
pub(crate) fn uptime(text: &str) -> Option<f64> {
    let seconds = text.split_ascii_whitespace().next()?.parse().ok()?;
    // Rust reads words such as "inf" as numbers; the kernel writes none.
    Some(seconds).filter(|seconds| (0.0..UPTIME_END).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_table_is_read_without_its_middle_column() {
        let text = include_str!("../../../../tests/fixtures/proc/sys/fs/file-nr");
        assert_eq!(FileTable::parse(text), FileTable { allocated: Some(9216), most: Some(1_611_264) });
        let endless = FileTable::parse("992\t0\t9223372036854775807\n");
        assert_eq!(endless.most, Some(i64::MAX as u64));
    }

    #[test]
    fn a_column_of_the_file_table_that_makes_no_sense_is_none() {
        let known = |text| {
            let FileTable { allocated, most } = FileTable::parse(text);
            (allocated.is_some(), most.is_some())
        };
        assert_eq!(
            ["", "1", "1 2", "x 0 3", "1 0 x", "-1 0 18446744073709551615"].map(known),
            [(false, false), (true, false), (true, false), (false, true), (true, false), (false, false)]
        );
    }

    #[test]
    fn whole_numbers_are_read_and_others_are_none() {
        assert_eq!(count(include_str!("../../../../tests/fixtures/proc/sys/kernel/pid_max")), Some(4_194_304));
        assert_eq!(["many\n", "", "-1", "18446744073709551615"].map(count), [None; 4]);
    }

    #[test]
    fn uptime_is_the_first_of_two_numbers() {
        assert_eq!(uptime(include_str!("../../../../tests/fixtures/proc/uptime")), Some(1_462_898.17));
        assert_eq!(["", "long", "inf 1", "-5 1", "1e300"].map(uptime), [None; 5]);
    }
}
