//! `/proc/diskstats`, parsed. Its columns are described in the kernel's `Documentation/admin-guide/iostats.rst`.

use std::collections::HashSet;

use saker_sdk::MetricType::{self, Counter, Gauge};
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

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// The name, fit to be a tag.
    pub(crate) name: String,
    figures: [u64; 15],
    has_discards: bool,
}

impl Device {
    /// The figures that every kernel has.
    pub(crate) fn always(&self) -> [u64; ALWAYS] {
        std::array::from_fn(|column| self.figures[column])
    }

    /// The figures, one for each of [`COLUMNS`], as far as the kernel has them.
    pub(crate) fn columns(&self) -> &[u64] {
        if self.has_discards { &self.figures } else { &self.figures[..ALWAYS] }
    }

    /// Whether it has ever done anything.
    pub(crate) fn was_used(&self) -> bool {
        self.figures.iter().any(|figure| *figure > 0)
    }
}

/// Parses the lines of the devices that are chosen; on failure, says what was expected.
pub(crate) fn parse(text: &str, choice: &Choice) -> Result<Vec<Device>, String> {
    let mut lines = Vec::with_capacity(64);
    for line in text.lines().filter(|line| !line.trim_start().is_empty()) {
        let mut columns = line.split_ascii_whitespace();
        let name = columns.nth(2).ok_or_else(|| expected(line))?;
        lines.push((name, columns, line));
    }
    let names: HashSet<&str> = lines.iter().map(|(name, ..)| *name).collect();
    lines
        .into_iter()
        .filter(|(name, ..)| choice.takes(name, &names))
        .map(|(name, columns, line)| device(name, columns).ok_or_else(|| expected(line)))
        .collect()
}

fn device<'a>(name: &str, mut columns: impl Iterator<Item = &'a str>) -> Option<Device> {
    let mut figures = [0; 15];
    let mut present = 0;
    for (slot, text) in figures.iter_mut().zip(&mut columns) {
        *slot = text.parse().ok()?;
        present += 1;
    }
    let name = text::tag_value(name);
    (present >= ALWAYS).then_some(Device { name, figures, has_discards: present == figures.len() })
}

fn expected(line: &str) -> String {
    format!("two numbers, a name and at least {ALWAYS} numbers, found {line:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISKSTATS: &str = include_str!("../../../../tests/fixtures/proc/diskstats");

    fn everything() -> Choice {
        Choice { include: vec!["*".to_owned()], exclude: Vec::new(), partitions: true }
    }

    #[test]
    fn a_real_file_is_read_whole() {
        let devices = parse(DISKSTATS, &everything()).unwrap();
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
            ],
        );
        let old = devices.iter().find(|device| device.name == "sdb").unwrap();
        assert_eq!(old.columns(), [310, 12, 20_480, 1204, 0, 0, 0, 0, 0, 980, 1204], "no discards before Linux 4.18");
    }

    #[test]
    fn a_device_without_any_io_was_never_used() {
        let idle = parse("8 32 sdc 0 0 0 0 0 0 0 0 0 0 0\n", &everything()).unwrap();
        assert!(!idle[0].was_used());
        let discards = parse("8 0 sda 0 0 0 0 0 0 0 0 0 0 0 1 0 8 0\n", &everything()).unwrap();
        assert!(discards[0].was_used());
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_if_its_device_is_chosen() {
        let text = "7 0 loop0 what\n8 0 sda 1 2 3\n";
        let mut choice = everything();
        let error = |choice: &Choice| parse(text, choice).unwrap_err();
        assert_eq!(error(&choice), "two numbers, a name and at least 11 numbers, found \"7 0 loop0 what\"");
        choice.exclude.push("loop*".to_owned());
        assert_eq!(error(&choice), "two numbers, a name and at least 11 numbers, found \"8 0 sda 1 2 3\"");
        choice.exclude.push("sda".to_owned());
        assert_eq!(parse(text, &choice).unwrap(), []);
        assert!(parse("8 0\n", &choice).is_err());
        assert_eq!(parse("\n", &choice).unwrap(), []);
    }

    #[test]
    fn a_name_is_made_fit_to_be_a_tag() {
        let devices = parse("8 0 a,b=c 1 0 0 0 0 0 0 0 0 0 0\n", &everything()).unwrap();
        assert_eq!(devices[0].name, "a_b_c");
    }
}
