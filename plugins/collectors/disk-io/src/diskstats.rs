//! `/proc/diskstats`, parsed. Its columns are described in the kernel's `Documentation/admin-guide/iostats.rst`.

use std::collections::HashSet;

use saker_sdk::MetricType::{self, Counter, Gauge};
use saker_sdk::gaps::{COUNT_END, GapSource};
use saker_sdk::text;

use crate::choice::Choice;

/// The columns after a device's name, in the kernel's order. Those of discards came with Linux 4.18.
pub(crate) const COLUMNS: [(&str, MetricType); 15] = [
    ("disk.io.read_requests", Counter),
    ("disk.io.read_merged", Counter),
    ("disk.io.read_sectors", Counter),
    ("disk.io.msec_read", Counter),
    ("disk.io.write_requests", Counter),
    ("disk.io.write_merged", Counter),
    ("disk.io.write_sectors", Counter),
    ("disk.io.msec_write", Counter),
    ("disk.io.ios_in_progress", Gauge),
    ("disk.io.msec_total", Counter),
    ("disk.io.msec_weighted_total", Counter),
    ("disk.io.discard_requests", Counter),
    ("disk.io.discard_merged", Counter),
    ("disk.io.discard_sectors", Counter),
    ("disk.io.msec_discard", Counter),
];

/// How many of [`COLUMNS`] every kernel has.
pub(crate) const ALWAYS: usize = 11;

/// Where the requests stand that are under way.
const IN_PROGRESS: usize = 8;
/// No device has so many under way; some kernels count below nothing there.
const IN_PROGRESS_END: u64 = 1 << 31;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// The name, fit to be a tag.
    pub(crate) name: String,
    /// None for a figure that makes no sense.
    figures: [Option<u64>; 15],
    has_discards: bool,
}

impl Device {
    /// The figures that every kernel has, unless one is lacking that grows.
    pub(crate) fn always(&self) -> Option<[u64; ALWAYS]> {
        let mut always = [0; ALWAYS];
        for (column, slot) in always.iter_mut().enumerate().filter(|(column, _)| *column != IN_PROGRESS) {
            *slot = self.figures[column]?;
        }
        Some(always)
    }

    /// The figures, one for each of [`COLUMNS`], as far as the kernel has them.
    pub(crate) fn columns(&self) -> &[Option<u64>] {
        if self.has_discards { &self.figures } else { &self.figures[..ALWAYS] }
    }

    /// Whether it has ever done anything.
    pub(crate) fn was_used(&self) -> bool {
        self.figures.iter().any(|figure| figure.is_some_and(|figure| figure > 0))
    }
}

/// Parses the lines of the devices that are chosen.
pub(crate) fn parse(text: &str, choice: &Choice, place: &mut GapSource<'_>) -> Vec<Device> {
    let mut lines = Vec::with_capacity(64);
    for line in text.lines().filter(|line| !line.trim_start().is_empty()) {
        let mut columns = line.split_ascii_whitespace();
        match columns.nth(2) {
            Some(name) => lines.push((name, columns, line)),
            None => place.odd("a line", EXPECTED, line),
        }
    }
    let names: HashSet<&str> = lines.iter().map(|(name, ..)| *name).collect();
    let mut devices = Vec::with_capacity(lines.len());
    for (name, columns, line) in lines.into_iter().filter(|(name, ..)| choice.takes(name, &names)) {
        match device(name, columns, place) {
            Some(device) => devices.push(device),
            None => place.odd(name, EXPECTED, line),
        }
    }
    devices
}

fn device<'a>(name: &str, columns: impl Iterator<Item = &'a str>, place: &mut GapSource<'_>) -> Option<Device> {
    let mut figures = [None; 15];
    let mut present = 0;
    for ((slot, text), (metric, _)) in figures.iter_mut().zip(columns).zip(&COLUMNS) {
        let figure: u64 = text.parse().ok()?;
        let end = if present == IN_PROGRESS { IN_PROGRESS_END } else { COUNT_END };
        *slot = Some(figure).filter(|figure| *figure < end);
        if slot.is_none() {
            place.odd(&format!("{metric} of {name}"), "a number that can be", text);
        }
        present += 1;
    }
    let name = text::tag_value(name);
    (present >= ALWAYS).then_some(Device { name, figures, has_discards: present == figures.len() })
}

const EXPECTED: &str = "two numbers, a name and at least 11 numbers";

#[cfg(test)]
mod tests {
    use saker_sdk::gaps::Gaps;
    use saker_sdk::{CollectError, testing};

    use super::*;

    const DISKSTATS: &str = include_str!("../../../../tests/fixtures/proc/diskstats");

    fn parse(text: &str, choice: &Choice) -> Vec<Device> {
        super::parse(text, choice, &mut Gaps::default().of("diskstats"))
    }

    fn everything() -> Choice {
        Choice { include: vec!["*".to_owned()], exclude: Vec::new(), partitions: true }
    }

    #[test]
    fn a_real_file_is_read_whole() {
        let devices = parse(DISKSTATS, &everything());
        assert_eq!(devices.len(), 20);
        let nvme = &devices[3];
        assert_eq!(nvme.name, "nvme0n1");
        assert_eq!(
            nvme.columns(),
            [
                1_842_077,
                120_364,
                148_066_350,
                402_915,
                9_127_544,
                4_503_117,
                613_209_864,
                6_120_338,
                2,
                3_011_764,
                6_703_121,
                84_120,
                0,
                91_320_448,
                20_488,
            ]
            .map(Some),
        );
        let old = devices.iter().find(|device| device.name == "sdb").unwrap();
        assert_eq!(
            old.columns(),
            [310, 12, 20_480, 1204, 0, 0, 0, 0, 0, 980, 1204].map(Some),
            "no discards before Linux 4.18"
        );
    }

    #[test]
    fn a_device_without_any_io_was_never_used() {
        let idle = parse("8 32 sdc 0 0 0 0 0 0 0 0 0 0 0\n", &everything());
        assert!(!idle[0].was_used());
        let discards = parse("8 0 sda 0 0 0 0 0 0 0 0 0 0 0 1 0 8 0\n", &everything());
        assert!(discards[0].was_used());
    }

    #[test]
    fn a_line_that_makes_no_sense_costs_its_device() {
        let text = "7 0 loop0 what\n8 0 sda 1 2 3\n8\n8 16 sdb 1 0 0 0 0 0 0 0 0 0 0\n";
        let mut choice = everything();
        let found = |choice: &Choice| {
            let mut gaps = Gaps::default();
            let devices = super::parse(text, choice, &mut gaps.of("diskstats"));
            assert!(matches!(gaps.finish(Vec::new()), Err(CollectError::Malformed(_))));
            devices.into_iter().map(|device| device.name).collect::<Vec<_>>()
        };
        assert_eq!(found(&choice), ["sdb"]);
        assert_eq!(testing::logged().len(), 3, "{:?}", testing::logged());
        choice.exclude = vec!["loop*".to_owned(), "sd*".to_owned()];
        assert_eq!(found(&choice), Vec::<String>::new());
        assert_eq!(testing::logged().len(), 4, "only the line without a name");
        assert_eq!(parse("\n", &choice), []);
    }

    #[test]
    fn requests_under_way_that_are_less_than_none_cost_themselves() {
        for wrong in ["4294967295", "18446744073709551615"] {
            let found = parse(&format!("8 0 sda 1 0 0 0 0 0 0 0 {wrong} 5 6\n"), &everything());
            assert_eq!((found[0].columns()[8], found[0].columns()[9]), (None, Some(5)));
            assert!(found[0].always().is_some(), "the rates do not need it");
        }
        let found = parse("8 0 sda 1 0 18446744073709551615 0 0 0 0 0 0 5 6\n", &everything());
        assert!(found[0].always().is_none() && found[0].columns()[2].is_none());
    }

    #[test]
    fn a_name_is_a_tag_as_it_is() {
        let devices = parse("8 0 a,b=c 1 0 0 0 0 0 0 0 0 0 0\n", &everything());
        assert_eq!(devices[0].name, "a,b=c");
    }
}
