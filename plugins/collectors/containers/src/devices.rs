//! What disks are called that the kernel tells by their numbers.

use std::collections::BTreeMap;

/// Names of block devices, by `major:minor`.
#[derive(Debug, Default)]
pub(crate) struct Devices(BTreeMap<String, String>);

impl Devices {
    /// Reads `/proc/diskstats`.
    pub(crate) fn parse(text: &str) -> Self {
        let device = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let (major, minor, name) = (words.next()?, words.next()?, words.next()?);
            // The kernel writes a slash in a name as an exclamation mark.
            Some((format!("{major}:{minor}"), format!("/dev/{}", name.replace('!', "/"))))
        };
        Self(text.lines().filter_map(device).collect())
    }

    pub(crate) fn name(&self, numbers: &str) -> Option<&str> {
        self.0.get(numbers).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_numbers() {
        let devices = Devices::parse("   8       0 sda 1 2 3\n 104 1 cciss!c0d0p1 1\nodd\n");
        assert_eq!(devices.name("8:0"), Some("/dev/sda"));
        assert_eq!(devices.name("104:1"), Some("/dev/cciss/c0d0p1"));
        assert_eq!(devices.name("8:1"), None);
    }
}
