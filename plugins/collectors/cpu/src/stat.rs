//! `/proc/stat`, parsed. Its lines are described in `man 5 proc`.

/// Kernel ticks a second in `/proc/stat`: `USER_HZ`, 100 on every Linux architecture that this agent runs on.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// The columns of a `cpu` line that are reported, in the kernel's order.
pub(crate) const MODES: [&str; 9] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest"];

/// Where `idle` stands in [`MODES`].
pub(crate) const IDLE: usize = 3;
/// Where `guest` stands: the kernel has counted this time in `user` or `nice` already.
const GUEST: usize = 8;

/// One `cpu` line: ticks since boot, one for each of [`MODES`]; `guest` holds guest time of both priorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times(pub(crate) [u64; 9]);

/// All that is read of `/proc/stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    /// All cores added up.
    pub(crate) total: Times,
    /// Each core that is online, by its number.
    pub(crate) cores: Vec<(u32, Times)>,
    /// Context switches since boot.
    pub(crate) switches: u64,
}

impl Times {
    /// The share of each mode in the time since `before`, in percent; none if no time has passed.
    pub(crate) fn percent_since(&self, before: &Self) -> Option<[f64; 9]> {
        // The kernel's idle and iowait can step back a little; a step back is no time.
        let mut passed = [0; 9];
        for (slot, (now, then)) in passed.iter_mut().zip(self.0.iter().zip(before.0)) {
            *slot = now.saturating_sub(then);
        }
        let total: u64 = passed[..GUEST].iter().sum();
        (total > 0).then(|| passed.map(|ticks| 100.0 * ticks as f64 / total as f64))
    }

    fn parse(columns: &str) -> Option<Self> {
        let mut times = Self::default();
        let mut columns = columns.split_ascii_whitespace();
        // Old kernels leave the last columns out.
        for (index, slot) in times.0.iter_mut().enumerate() {
            match columns.next() {
                Some(text) => *slot = text.parse().ok()?,
                None if index > IDLE => break,
                None => return None,
            }
        }
        if let Some(guest_nice) = columns.next() {
            times.0[GUEST] += guest_nice.parse::<u64>().ok()?;
        }
        Some(times)
    }
}

impl Stat {
    /// Parses the file; on failure, says what was expected and what stands there.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut stat = Self::default();
        let mut seen_total = false;
        for line in text.lines() {
            let Some((name, rest)) = line.split_once(' ') else { continue };
            if name == "ctxt" {
                stat.switches = rest.trim().parse().map_err(|_| expected(line))?;
            } else if name == "intr" {
                // Thousands of columns that nobody here reads.
            } else if let Some(core) = name.strip_prefix("cpu") {
                let times = Times::parse(rest).ok_or_else(|| expected(line))?;
                if core.is_empty() {
                    stat.total = times;
                    seen_total = true;
                } else {
                    stat.cores.push((core.parse().map_err(|_| expected(line))?, times));
                }
            }
        }
        if seen_total { Ok(stat) } else { Err("a line that begins with \"cpu \"".into()) }
    }

    /// The reading as bytes that [`restore`](Self::restore) understands.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(72 + 76 * self.cores.len());
        bytes.extend(self.total.0.iter().flat_map(|ticks| ticks.to_le_bytes()));
        for (core, times) in &self.cores {
            bytes.extend(core.to_le_bytes());
            bytes.extend(times.0.iter().flat_map(|ticks| ticks.to_le_bytes()));
        }
        bytes
    }

    /// The reading that a predecessor has saved; none if the bytes are no such thing.
    pub(crate) fn restore(bytes: &[u8]) -> Option<Self> {
        let (total, rest) = bytes.split_at_checked(72)?;
        let cores = rest.chunks(76).map(|chunk| {
            let (core, times) = chunk.split_at_checked(4)?;
            Some((u32::from_le_bytes(core.try_into().ok()?), restore_times(times)?))
        });
        Some(Self { total: restore_times(total)?, cores: cores.collect::<Option<_>>()?, switches: 0 })
    }
}

fn expected(line: &str) -> String {
    format!("whole numbers, found {line:?}")
}

fn restore_times(bytes: &[u8]) -> Option<Times> {
    let mut times = Times::default();
    if bytes.len() != 72 {
        return None;
    }
    for (slot, chunk) in times.0.iter_mut().zip(bytes.chunks_exact(8)) {
        *slot = u64::from_le_bytes(chunk.try_into().ok()?);
    }
    Some(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = include_str!("../../../../tests/fixtures/proc/stat");

    #[test]
    fn a_real_file_is_read_whole() {
        let stat = Stat::parse(STAT).unwrap();
        assert_eq!(stat.total, Times([10_132_153, 290_696, 3_084_719, 46_828_483, 16_683, 0, 25_195, 1_024, 175_628]));
        assert_eq!(stat.cores.len(), 2);
        assert_eq!(stat.cores[1].0, 3, "a core that is offline leaves a gap in the numbers");
        assert_eq!(stat.switches, 1_990_473_112);
    }

    #[test]
    fn shares_are_of_the_time_that_passed_and_count_guest_time_once() {
        let before = Times([100, 0, 0, 100, 0, 0, 0, 0, 50]);
        let after = Times([150, 0, 0, 250, 0, 0, 0, 0, 90]);
        let shares = after.percent_since(&before).unwrap();
        assert_eq!((shares[0], shares[IDLE], shares[8]), (25.0, 75.0, 20.0));
        assert_eq!(after.percent_since(&after), None);
    }

    #[test]
    fn a_counter_that_steps_back_counts_as_no_time() {
        let before = Times([0, 0, 0, 100, 10, 0, 0, 0, 0]);
        let after = Times([50, 0, 0, 150, 5, 0, 0, 0, 0]);
        assert_eq!(after.percent_since(&before).unwrap()[4], 0.0);
    }

    #[test]
    fn old_kernels_with_fewer_columns_are_read_and_nonsense_is_named() {
        assert_eq!(Stat::parse("cpu  1 2 3 4\n").unwrap().total, Times([1, 2, 3, 4, 0, 0, 0, 0, 0]));
        assert_eq!(Stat::parse("cpu  1 2 3\n").unwrap_err(), "whole numbers, found \"cpu  1 2 3\"");
        assert_eq!(Stat::parse("cpu  1 2 x 4\n").unwrap_err(), "whole numbers, found \"cpu  1 2 x 4\"");
        assert!(Stat::parse("btime 5\n").is_err());
    }

    #[test]
    fn a_reading_survives_being_saved() {
        let mut stat = Stat::parse(STAT).unwrap();
        stat.switches = 0;
        assert_eq!(Stat::restore(&stat.save()), Some(stat));
        assert_eq!(Stat::restore(b"something else"), None);
    }
}
