//! One reading of all devices, and the form in which it outlives its instance.

use crate::diskstats::{ALWAYS, Device};

/// The first byte of a saved reading: another version's form is not mistaken for this one's.
const FORM: u8 = 1;
/// What the agent keeps for an instance, in bytes: some six hundred devices.
const STATE_LIMIT: usize = 64 * 1024;

/// What was read in one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The tick's time, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// The devices, in the file's order.
    pub(crate) devices: Vec<Device>,
}

impl Reading {
    /// The milliseconds since `before`; none if the clock was set back.
    pub(crate) fn passed_ms(&self, before: &Self) -> Option<f64> {
        self.at_ms.checked_sub(before.at_ms).filter(|passed| *passed > 0).map(|passed| passed as f64)
    }

    /// The device of this name, which most likely stands where it stood.
    pub(crate) fn device(&self, index: usize, name: &str) -> Option<&Device> {
        let same = |device: &&Device| device.name == name;
        self.devices.get(index).filter(same).or_else(|| self.devices.iter().find(same))
    }

    /// The reading as bytes that [`restore`](Self::restore) understands. What a successor cannot be given, it lacks for
    /// one tick.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(9 + 100 * self.devices.len());
        bytes.push(FORM);
        bytes.extend(self.at_ms.to_le_bytes());
        for device in &self.devices {
            let Ok(length) = u8::try_from(device.name.len()) else { continue };
            if bytes.len() + 1 + device.name.len() + 8 * ALWAYS > STATE_LIMIT {
                break;
            }
            bytes.push(length);
            bytes.extend(device.name.as_bytes());
            bytes.extend(device.columns().iter().take(ALWAYS).flat_map(|figure| figure.to_le_bytes()));
        }
        bytes
    }

    /// The reading that a predecessor has saved; none if the bytes are no such thing.
    pub(crate) fn restore(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORM])?;
        let (at_ms, mut rest) = rest.split_first_chunk()?;
        let mut devices = Vec::new();
        while let Some((length, after)) = rest.split_first() {
            let (name, after) = after.split_at_checked(usize::from(*length))?;
            let mut columns = [0; ALWAYS];
            rest = after;
            for slot in &mut columns {
                let (figure, after) = rest.split_first_chunk()?;
                *slot = u64::from_le_bytes(*figure);
                rest = after;
            }
            devices.push(Device::new(std::str::from_utf8(name).ok()?, columns));
        }
        Some(Self { at_ms: i64::from_le_bytes(*at_ms), devices })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(names: &[&str]) -> Reading {
        let devices = names.iter().zip(1..).map(|(name, figure)| Device::new(name, [figure; ALWAYS])).collect();
        Reading { at_ms: 1_700_000_000_123, devices }
    }

    #[test]
    fn a_reading_survives_being_saved() {
        let reading = reading(&["sda", "nvme0n1"]);
        let bytes = reading.save();
        assert_eq!(Reading::restore(&bytes), Some(reading));
        assert_eq!(Reading::restore(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Reading::restore(&[]), None);
        assert_eq!(Reading::restore(b"something else"), None);
    }

    #[test]
    fn what_does_not_fit_is_not_saved() {
        let names: Vec<_> = (0..1000).map(|number| format!("dm-{number:04}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let bytes = reading(&names).save();
        assert!(bytes.len() <= STATE_LIMIT);
        assert_eq!(Reading::restore(&bytes).unwrap().devices.len(), 682);
    }

    #[test]
    fn a_device_is_found_where_it_was_and_elsewhere() {
        let reading = reading(&["sda", "sdb"]);
        assert_eq!(reading.device(1, "sdb"), Some(&reading.devices[1]));
        assert_eq!(reading.device(0, "sdb"), Some(&reading.devices[1]));
        assert_eq!(reading.device(7, "sda"), Some(&reading.devices[0]));
        assert_eq!(reading.device(0, "sdc"), None);
    }

    #[test]
    fn no_time_has_passed_if_the_clock_was_set_back() {
        let (mut now, before) = (reading(&[]), reading(&[]));
        assert_eq!(now.passed_ms(&before), None);
        now.at_ms += 10_000;
        assert_eq!(now.passed_ms(&before), Some(10_000.0));
        assert_eq!(before.passed_ms(&now), None);
    }
}
