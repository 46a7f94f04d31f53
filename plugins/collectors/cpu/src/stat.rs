//! `/proc/stat`, parsed. Its lines are described in `man 5 proc`.

use saker_sdk::gaps::{GapSource, count};

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
pub(crate) struct CpuTimes(pub(crate) [u64; 9]);

/// All that is read of `/proc/stat`; none for what is missing or makes no sense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    /// All cores added up.
    pub(crate) total: Option<CpuTimes>,
    /// Each core that is online, by its number, in ascending order.
    pub(crate) cores: Vec<(u32, CpuTimes)>,
    /// How many cores are online, those whose lines make no sense included.
    pub(crate) online: usize,
    /// Context switches since boot.
    pub(crate) switches: Option<u64>,
}

impl CpuTimes {
    /// The share of each mode in the time since `before`, in percent; none if no time has passed.
    pub(crate) fn percent_since(&self, before: &Self) -> Option<[f64; 9]> {
        // The kernel's idle and iowait can step back a little; a step back is no time.
        let mut passed = [0; 9];
        for (slot, (now, then)) in passed.iter_mut().zip(self.0.iter().zip(before.0)) {
            *slot = now.saturating_sub(then);
        }
        let total = passed[..GUEST].iter().fold(0, |sum: u64, ticks| sum.saturating_add(*ticks));
        (total > 0).then(|| passed.map(|ticks| 100.0 * ticks as f64 / total as f64))
    }

    fn parse(columns: &str) -> Option<Self> {
        let mut times = Self::default();
        let mut columns = columns.split_ascii_whitespace();
        // Old kernels leave the last columns out.
        for (index, slot) in times.0.iter_mut().enumerate() {
            match columns.next() {
                Some(text) => *slot = count(text)?,
                None if index > IDLE => break,
                None => return None,
            }
        }
        if let Some(guest_nice) = columns.next() {
            times.0[GUEST] = times.0[GUEST].saturating_add(count(guest_nice)?);
        }
        Some(times)
    }
}

impl Stat {
    /// Parses the file.
    pub(crate) fn parse(text: &str, place: &mut GapSource<'_>) -> Self {
        let mut stat = Self::default();
        for line in text.lines() {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            if name == "ctxt" {
                stat.switches = count(rest.trim());
                if stat.switches.is_none() {
                    place.odd(name, "a whole number", rest);
                }
            } else if name == "intr" {
                // Thousands of columns that nobody here reads.
            } else if let Some(core) = name.strip_prefix("cpu")
                && !stat.add(core, CpuTimes::parse(rest))
            {
                place.odd(name, "whole numbers", rest);
            }
        }
        if stat.total.is_none() && stat.cores.is_empty() {
            place.malformed("a line that begins with \"cpu \"");
        }
        stat
    }

    /// Takes the line of a core, or of all of them together; whether it makes sense.
    fn add(&mut self, core: &str, times: Option<CpuTimes>) -> bool {
        if core.is_empty() {
            self.total = times;
            return times.is_some();
        }
        self.online += 1;
        // The kernel lists its cores in order; a number that does not fit in is none of them.
        let number = core.parse().ok().filter(|number| self.cores.last().is_none_or(|(last, _)| last < number));
        let core = number.zip(times);
        self.cores.extend(core);
        core.is_some()
    }

    /// The reading as bytes that [`restore`](Self::restore) understands.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(72 + 76 * self.cores.len());
        // No time has passed since the end of all time.
        let total = self.total.unwrap_or(CpuTimes([u64::MAX; 9]));
        bytes.extend(total.0.iter().flat_map(|ticks| ticks.to_le_bytes()));
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
        let cores = cores.collect::<Option<Vec<_>>>()?;
        Some(Self { total: Some(restore_times(total)?), online: cores.len(), cores, switches: None })
    }
}

fn restore_times(bytes: &[u8]) -> Option<CpuTimes> {
    let mut times = CpuTimes::default();
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
    use saker_sdk::CollectError;
    use saker_sdk::gaps::Gaps;

    use super::*;

    fn parse(text: &str) -> Stat {
        Stat::parse(text, &mut Gaps::default().of("stat"))
    }

    const STAT: &str = include_str!("../../../../tests/fixtures/proc/stat");

    #[test]
    fn a_real_file_is_read_whole() {
        let stat = parse(STAT);
        let total = CpuTimes([10_132_153, 290_696, 3_084_719, 46_828_483, 16_683, 0, 25_195, 1_024, 175_628]);
        assert_eq!(stat.total, Some(total));
        assert_eq!((stat.cores.len(), stat.online), (2, 2));
        assert_eq!(stat.cores[1].0, 3, "a core that is offline leaves a gap in the numbers");
        assert_eq!(stat.switches, Some(1_990_473_112));
    }

    #[test]
    fn shares_are_of_the_time_that_passed_and_count_guest_time_once() {
        let before = CpuTimes([100, 0, 0, 100, 0, 0, 0, 0, 50]);
        let after = CpuTimes([150, 0, 0, 250, 0, 0, 0, 0, 90]);
        let shares = after.percent_since(&before).unwrap();
        assert_eq!((shares[0], shares[IDLE], shares[8]), (25.0, 75.0, 20.0));
        assert_eq!(after.percent_since(&after), None);
    }

    #[test]
    fn a_counter_that_steps_back_counts_as_no_time() {
        let before = CpuTimes([0, 0, 0, 100, 10, 0, 0, 0, 0]);
        let after = CpuTimes([50, 0, 0, 150, 5, 0, 0, 0, 0]);
        assert_eq!(after.percent_since(&before).unwrap()[4], 0.0);
    }

    #[test]
    fn old_kernels_with_fewer_columns_are_read() {
        assert_eq!(parse("cpu  1 2 3 4\n").total, Some(CpuTimes([1, 2, 3, 4, 0, 0, 0, 0, 0])));
    }

    #[test]
    fn a_line_that_makes_no_sense_costs_itself() {
        for line in
            ["cpu1 1 2 3", "cpu1 1 2 x 4", "cpu1", "cpux 1 2 3 4", "cpu0 1 2 3 4", "cpu1 1 2 18446744073709551615 4"]
        {
            let mut gaps = Gaps::default();
            let stat = Stat::parse(&format!("cpu  1 2 3 4\ncpu0 1 2 3 4\n{line}\nctxt 5\n"), &mut gaps.of("stat"));
            assert_eq!((stat.cores.len(), stat.online, stat.switches), (1, 2, Some(5)), "{line}");
            let CollectError::Malformed(text) = gaps.finish(Vec::new()).unwrap_err() else { panic!("{line}") };
            assert!(text.starts_with("stat: expected whole numbers, found "), "{text}");
        }
        let stat = parse("cpu  1 2 3\ncpu0 1 2 3 4\nctxt -5\n");
        assert_eq!((stat.total, stat.cores.len(), stat.switches), (None, 1, None));
    }

    #[test]
    fn a_file_without_processors_is_named() {
        let mut gaps = Gaps::default();
        Stat::parse("btime 5\n", &mut gaps.of("stat"));
        assert!(matches!(gaps.finish(Vec::new()), Err(CollectError::Malformed(_))));
    }

    #[test]
    fn a_reading_survives_being_saved() {
        let mut stat = parse(STAT);
        stat.switches = None;
        assert_eq!(Stat::restore(&stat.save()), Some(stat.clone()));
        assert_eq!(Stat::restore(b"something else"), None);
        stat.total = None;
        let restored = Stat::restore(&stat.save()).unwrap().total.unwrap();
        assert_eq!(parse(STAT).total.unwrap().percent_since(&restored), None, "nothing to compare with");
    }
}
