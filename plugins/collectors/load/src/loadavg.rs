//! `/proc/loadavg`, parsed: `0.52 1.08 0.97 3/1482 2915012`. Its columns are described in `man 5 proc_loadavg`.

/// All that is read of `/proc/loadavg`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loadavg {
    /// Threads that run, want to run or wait for a disk: means of the last 1, 5 and 15 minutes.
    pub(crate) averages: [f64; 3],
    /// Threads that run or want to run at this moment; the reader is one of them.
    pub(crate) running: u64,
    /// Threads that exist.
    pub(crate) threads: u64,
}

impl Loadavg {
    /// Parses the file; on failure, says what was expected and what was found instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let line = text.lines().next().unwrap_or_default();
        columns(line).ok_or_else(|| format!("three averages and \"running/threads\", found {line:?}"))
    }
}

fn columns(line: &str) -> Option<Loadavg> {
    let mut columns = line.split_ascii_whitespace();
    let mut averages = [0.0; 3];
    for slot in &mut averages {
        let average: f64 = columns.next()?.parse().ok()?;
        // Rust reads words such as "inf" as numbers; the kernel writes none.
        *slot = Some(average).filter(|average| average.is_finite())?;
    }
    let (running, threads) = columns.next()?.split_once('/')?;
    Some(Loadavg { averages, running: running.parse().ok()?, threads: threads.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADAVG: &str = include_str!("../../../../tests/fixtures/proc/loadavg");

    #[test]
    fn a_real_file_is_read_whole() {
        let expected = Loadavg { averages: [0.52, 1.08, 0.97], running: 3, threads: 1482 };
        assert_eq!(Loadavg::parse(LOADAVG), Ok(expected));
    }

    #[test]
    fn nonsense_is_named() {
        for line in
            ["", "0.1 0.2", "0.1 0.2 x 1/2 3", "0.1 0.2 nan 1/2 3", "0.1 0.2 0.3", "0.1 0.2 0.3 12 3", "1 2 3 -1/2"]
        {
            let expected = format!("three averages and \"running/threads\", found {line:?}");
            assert_eq!(Loadavg::parse(line), Err(expected));
        }
    }
}
