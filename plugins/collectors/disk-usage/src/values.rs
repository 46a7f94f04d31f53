//! What the size and fill of file systems become: the metrics `df.*`, as README.md lists them.

use saker_sdk::host::Usage;
use saker_sdk::{Sample, gaps, round};

use crate::MountTarget;

const BYTES: [&str; 5] =
    ["df.bytes.total", "df.bytes.used", "df.bytes.free", "df.bytes.used.percent", "df.bytes.free.percent"];
const INODES: [&str; 5] =
    ["df.inodes.total", "df.inodes.used", "df.inodes.free", "df.inodes.used.percent", "df.inodes.free.percent"];

/// No file system has so many bytes; a size beyond is a negative number in disguise.
const SIZE_END: u64 = 1 << 63;

/// The values of one run, and what they add up to.
#[derive(Debug, Default)]
pub(crate) struct UsageReport {
    values: Vec<Sample>,
    total: u64,
    used: u64,
    available: u64,
}

impl UsageReport {
    /// A report that will hold this many file systems.
    pub(crate) fn with_capacity(places: usize) -> Self {
        Self { values: Vec::with_capacity(10 * places + 3), ..Self::default() }
    }

    /// Adds a file system. One of no size, as pseudo file systems are, says nothing; what contradicts itself is left out.
    pub(crate) fn add(&mut self, place: &MountTarget, usage: &Usage, gaps: &mut gaps::GapSource<'_>) {
        if usage.total_bytes == 0 {
            return;
        }
        let sound = usage.total_bytes < SIZE_END && usage.available_bytes <= usage.total_bytes;
        let used = usage.total_bytes.checked_sub(usage.free_bytes).filter(|_| sound);
        match used {
            Some(used) => self.push(place, BYTES, usage.total_bytes, used, usage.available_bytes),
            None => gaps.odd("size", "no more free than there is", &format!("{usage:?}")),
        }
        if usage.total_inodes > 0 {
            match usage.total_inodes.checked_sub(usage.free_inodes) {
                Some(used) => self.push(place, INODES, usage.total_inodes, used, usage.free_inodes),
                None => gaps.odd("inodes", "no more free than there are", &format!("{usage:?}")),
            }
        }
        let Some(used) = used else { return };
        self.total = self.total.saturating_add(usage.total_bytes);
        self.used = self.used.saturating_add(used);
        self.available = self.available.saturating_add(usage.available_bytes);
    }

    /// The values, with the sums over all file systems at the end.
    pub(crate) fn finish(mut self) -> Vec<Sample> {
        if self.total > 0 {
            self.values.push(Sample::gauge("df.statistics.total", self.total as f64));
            self.values.push(Sample::gauge("df.statistics.used", self.used as f64));
            if let Some(percent) = percent(self.used, self.available) {
                self.values.push(Sample::gauge("df.statistics.used.percent", percent));
            }
        }
        self.values
    }

    fn push(&mut self, place: &MountTarget, names: [&str; 5], total: u64, used: u64, free: u64) {
        let percent = percent(used, free);
        let figures = [
            Some(total as f64),
            Some(used as f64),
            Some(free as f64),
            percent,
            percent.map(|used| round::percent(100.0 - used)),
        ];
        for (name, figure) in names.iter().zip(figures) {
            if let Some(figure) = figure {
                self.values.push(Sample::gauge(name, figure).tag("mount", &place.mount).tag("fstype", &place.fstype));
            }
        }
    }
}

/// The share of what is used in what a user could have used, as `df` reckons it.
fn percent(used: u64, free: u64) -> Option<f64> {
    let all = used as f64 + free as f64;
    (all > 0.0).then(|| round::percent(100.0 * used as f64 / all))
}

#[cfg(test)]
mod tests {
    use saker_sdk::gaps::Gaps;

    use super::*;

    fn report(usages: &[Usage]) -> Vec<(String, f64)> {
        let place = MountTarget { path: "/".into(), mount: "/".into(), fstype: "ext4".into() };
        let mut report = UsageReport::with_capacity(usages.len());
        let mut gaps = Gaps::default();
        usages.iter().for_each(|usage| report.add(&place, usage, &mut gaps.of("/")));
        report.finish().into_iter().map(|value| (value.metric, value.value)).collect()
    }

    fn statfs(total: u64, free: u64, available: u64, inodes: u64, free_inodes: u64) -> Usage {
        Usage { total_bytes: total, free_bytes: free, available_bytes: available, total_inodes: inodes, free_inodes }
    }

    fn named(values: &[(&str, f64)]) -> Vec<(String, f64)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn free_is_what_users_may_have_and_shares_leave_the_reserve_out() {
        assert_eq!(
            report(&[statfs(1000, 700, 600, 40, 30)]),
            named(&[
                ("df.bytes.total", 1000.0),
                ("df.bytes.used", 300.0),
                ("df.bytes.free", 600.0),
                ("df.bytes.used.percent", 33.33),
                ("df.bytes.free.percent", 66.67),
                ("df.inodes.total", 40.0),
                ("df.inodes.used", 10.0),
                ("df.inodes.free", 30.0),
                ("df.inodes.used.percent", 25.0),
                ("df.inodes.free.percent", 75.0),
                ("df.statistics.total", 1000.0),
                ("df.statistics.used", 300.0),
                ("df.statistics.used.percent", 33.33),
            ]),
        );
    }

    #[test]
    fn sums_are_over_all_file_systems() {
        let values = report(&[statfs(1000, 700, 700, 0, 0), statfs(3000, 0, 0, 0, 0)]);
        assert!(values.iter().all(|(name, _)| !name.starts_with("df.inodes.")));
        assert_eq!(values.len(), 13);
        assert_eq!(values[9], ("df.bytes.free.percent".to_owned(), 0.0));
        assert_eq!(values[11], ("df.statistics.used".to_owned(), 3300.0));
        assert_eq!(values[12], ("df.statistics.used.percent".to_owned(), 82.5));
    }

    #[test]
    fn figures_that_contradict_each_other_give_no_nonsense() {
        assert_eq!(report(&[statfs(0, 0, 0, 9, 9)]), named(&[]));
        for wrong in [statfs(10, 20, 0, 0, 0), statfs(10, 5, 11, 0, 0), statfs(u64::MAX, 0, u64::MAX, 0, 0)] {
            assert_eq!(report(&[wrong]), named(&[]), "{wrong:?}");
        }
        let values = report(&[statfs(10, 5, 5, 3, u64::MAX), statfs(10, 20, 0, 4, 1)]);
        let of = |name: &str| values.iter().filter(|(metric, _)| metric.starts_with(name)).count();
        assert_eq!((of("df.bytes."), of("df.inodes."), of("df.statistics.")), (5, 5, 3), "{values:?}");
        assert_eq!(report(&[statfs(10, 10, 0, 0, 0)]).len(), 5, "nothing used of nothing to use is no share");
    }
}
