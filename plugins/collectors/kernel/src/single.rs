//! The files of `/proc` and `/proc/sys` that hold one line: parsed, and on failure saying what was expected and what
//! was found instead.

/// `/proc/sys/fs/file-nr`: how many files are open in the whole system. `man 5 proc_sys_fs` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileTable {
    /// File handles in use.
    pub(crate) allocated: u64,
    /// How many there may be: the same number as in `/proc/sys/fs/file-max`, which is thus not read.
    pub(crate) most: u64,
}

impl FileTable {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut columns = text.split_ascii_whitespace().map(|column| column.parse().ok());
        // The column between, free handles, has been 0 since Linux 2.6.
        match (columns.next().flatten(), columns.nth(1).flatten()) {
            (Some(allocated), Some(most)) => Ok(Self { allocated, most }),
            _ => Err(format!("three numbers, found {:?}", text.trim())),
        }
    }
}

/// A file that is one whole number.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("a whole number, found {:?}", text.trim()))
}

/// `/proc/uptime`: the seconds since boot, and then the cores' idle time.
pub(crate) fn uptime(text: &str) -> Result<f64, String> {
    let seconds = text.split_ascii_whitespace().next().and_then(|column| column.parse().ok());
    // Rust reads words such as "inf" as numbers; the kernel writes none.
    seconds.filter(|seconds: &f64| seconds.is_finite()).ok_or_else(|| format!("seconds, found {:?}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_table_is_read_without_its_middle_column() {
        let text = include_str!("../../../../tests/fixtures/proc/sys/fs/file-nr");
        assert_eq!(FileTable::parse(text), Ok(FileTable { allocated: 9216, most: 1_611_264 }));
        let endless = FileTable::parse("992\t0\t9223372036854775807\n").unwrap();
        assert_eq!(endless.most, i64::MAX as u64);
    }

    #[test]
    fn a_file_table_that_is_none_is_named() {
        for text in ["", "1", "1 2", "x 0 3", "1 0 x"] {
            assert_eq!(FileTable::parse(text), Err(format!("three numbers, found {text:?}")));
        }
    }

    #[test]
    fn whole_numbers_are_read_and_others_named() {
        assert_eq!(count(include_str!("../../../../tests/fixtures/proc/sys/kernel/pid_max")), Ok(4_194_304));
        assert_eq!(count("many\n"), Err("a whole number, found \"many\"".into()));
        assert!(count("").is_err());
    }

    #[test]
    fn uptime_is_the_first_of_two_numbers() {
        assert_eq!(uptime(include_str!("../../../../tests/fixtures/proc/uptime")), Ok(1_462_898.17));
        for text in ["", "long", "inf 1"] {
            assert_eq!(uptime(text), Err(format!("seconds, found {text:?}")));
        }
    }
}
