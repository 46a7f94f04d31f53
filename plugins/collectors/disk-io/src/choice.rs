//! Which block devices are reported.
//!
//! A partition is known by its name alone: the whole device's name and a number, with a `p` between them if the
//! device's name ends with a digit. What has no whole device in the file counts as one, as `xvda1` does on some Xen
//! guests.

use std::collections::HashSet;

use saker_sdk::glob;

/// The choice that the settings make.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Patterns of names that are reported.
    pub(crate) include: Vec<String>,
    /// Patterns of names that are left out all the same.
    pub(crate) exclude: Vec<String>,
    /// Whether to report partitions.
    pub(crate) partitions: bool,
}

impl Choice {
    /// Whether the device of this name is reported, `all` being the names in the file.
    pub(crate) fn takes(&self, name: &str, all: &HashSet<&str>) -> bool {
        glob::any(&self.include, name)
            && !glob::any(&self.exclude, name)
            && (self.partitions || !whole_device(name).is_some_and(|whole| all.contains(whole)))
    }
}

/// The device that a name would be a partition of; none if it cannot be one.
fn whole_device(name: &str) -> Option<&str> {
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if stem.len() == name.len() || stem.is_empty() {
        return None;
    }
    match stem.strip_suffix('p') {
        Some(whole) if whole.ends_with(|letter: char| letter.is_ascii_digit()) => Some(whole),
        _ => Some(stem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_known_by_the_name_of_its_device() {
        let whole = |name| whole_device(name).unwrap_or("-");
        assert_eq!(["sda1", "sdaa15", "xvda1", "hdb2"].map(whole), ["sda", "sdaa", "xvda", "hdb"]);
        assert_eq!(["nvme0n1p12", "mmcblk0p1", "md127p1"].map(whole), ["nvme0n1", "mmcblk0", "md127"]);
        assert_eq!(["cciss/c0d0p1", "nbd3p2", "sdp1"].map(whole), ["cciss/c0d0", "nbd3", "sdp"]);
        assert_eq!(["sda", "0", "", "p"].map(whole), ["-"; 4]);
    }

    #[test]
    fn only_what_has_its_device_in_the_file_is_a_partition() {
        let choice = Choice { include: vec!["*".to_owned()], exclude: Vec::new(), partitions: false };
        let names = ["sda", "sda1", "nvme0n1", "nvme0n1p1", "xvdb1", "dm-0", "md0", "mmcblk0", "mmcblk0p1"];
        let all = HashSet::from(names);
        let mut taken = names.to_vec();
        taken.retain(|name| choice.takes(name, &all));
        assert_eq!(taken, ["sda", "nvme0n1", "xvdb1", "dm-0", "md0", "mmcblk0"]);
    }

    #[test]
    fn the_excluded_are_left_out_of_the_included() {
        let choice = Choice { include: vec!["sd*".to_owned()], exclude: vec!["sdb*".to_owned()], partitions: true };
        let names = ["sda", "sda1", "sdb", "sdb1", "vda"];
        let mut taken = names.to_vec();
        taken.retain(|name| choice.takes(name, &HashSet::from(names)));
        assert_eq!(taken, ["sda", "sda1"]);
    }
}
