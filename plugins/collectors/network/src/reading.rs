//! One reading of all interfaces, and the form in which it outlives its instance.

use crate::dev::Interface;

/// The first byte of a saved reading: another version's form is not mistaken for this one's.
const FORM: u8 = 1;
/// What the agent keeps for an instance, in bytes: some two thousand interfaces.
const STATE_LIMIT: usize = 64 * 1024;

/// What was read in one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The tick's time, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// The interfaces, in the file's order.
    pub(crate) interfaces: Vec<Interface>,
}

impl Reading {
    /// What the interface at `index` has received and sent since `before`, as a mean in bits a second.
    ///
    /// None if it is new or has started anew, or if the clock was set back.
    pub(crate) fn bits_per_second(&self, before: &Self, index: usize) -> Option<[f64; 2]> {
        let passed_ms = self.at_ms.checked_sub(before.at_ms).filter(|passed| *passed > 0)?;
        let now = self.interfaces.get(index)?;
        // It most likely stands where it stood.
        let same = |interface: &&Interface| interface.name == now.name;
        let then = before.interfaces.get(index).filter(same).or_else(|| before.interfaces.iter().find(same))?;
        let ([received, sent], [received_then, sent_then]) = (now.bytes(), then.bytes());
        let rate = |bytes: u64| bytes as f64 * 8000.0 / passed_ms as f64;
        Some([rate(received.checked_sub(received_then)?), rate(sent.checked_sub(sent_then)?)])
    }

    /// The reading as bytes that [`restore`](Self::restore) understands. What a successor cannot be given, it lacks for
    /// one tick.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(9 + 33 * self.interfaces.len());
        bytes.push(FORM);
        bytes.extend(self.at_ms.to_le_bytes());
        for interface in &self.interfaces {
            let Ok(length) = u8::try_from(interface.name.len()) else { continue };
            if bytes.len() + 17 + interface.name.len() > STATE_LIMIT {
                break;
            }
            bytes.push(length);
            bytes.extend(interface.name.as_bytes());
            bytes.extend(interface.bytes().iter().flat_map(|figure| figure.to_le_bytes()));
        }
        bytes
    }

    /// The reading that a predecessor has saved, with bytes alone; none if the bytes are no such thing.
    pub(crate) fn restore(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORM])?;
        let (at_ms, mut rest) = rest.split_first_chunk()?;
        let mut interfaces = Vec::new();
        while let Some((length, after)) = rest.split_first() {
            let (name, after) = after.split_at_checked(usize::from(*length))?;
            let (received, after) = after.split_first_chunk()?;
            let (sent, after) = after.split_first_chunk()?;
            let figures = [u64::from_le_bytes(*received), u64::from_le_bytes(*sent)];
            interfaces.push(Interface::of_bytes(std::str::from_utf8(name).ok()?, figures));
            rest = after;
        }
        Some(Self { at_ms: i64::from_le_bytes(*at_ms), interfaces })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_ms: i64, interfaces: &[(&str, [u64; 2])]) -> Reading {
        let interfaces = interfaces.iter().map(|(name, bytes)| Interface::of_bytes(name, *bytes)).collect();
        Reading { at_ms, interfaces }
    }

    #[test]
    fn rates_are_means_over_the_time_that_passed() {
        let before = reading(5_000, &[("eth0", [0, 0]), ("eth1", [1000, 500])]);
        let now = reading(25_000, &[("eth1", [6000, 500]), ("eth2", [9, 9])]);
        assert_eq!(now.bits_per_second(&before, 0), Some([2000.0, 0.0]), "found where it was not before");
        assert_eq!(now.bits_per_second(&before, 1), None, "new");
        assert_eq!(now.bits_per_second(&before, 2), None);
    }

    #[test]
    fn what_has_started_anew_or_took_no_time_has_no_rate() {
        let before = reading(5_000, &[("eth0", [1000, 1000])]);
        assert_eq!(reading(15_000, &[("eth0", [1001, 10])]).bits_per_second(&before, 0), None);
        assert_eq!(reading(5_000, &[("eth0", [1001, 1001])]).bits_per_second(&before, 0), None);
        assert_eq!(reading(4_000, &[("eth0", [1001, 1001])]).bits_per_second(&before, 0), None);
    }

    #[test]
    fn a_reading_survives_being_saved() {
        let reading = reading(1_700_000_000_123, &[("eth0", [1, u64::MAX]), ("größe", [3, 4])]);
        let bytes = reading.save();
        assert_eq!(Reading::restore(&bytes), Some(reading));
        assert_eq!(Reading::restore(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Reading::restore(&[]), None);
        assert_eq!(Reading::restore(b"something else"), None);
    }

    #[test]
    fn what_does_not_fit_is_not_saved() {
        let names: Vec<_> = (0..5000).map(|number| format!("eth{number:04}")).collect();
        let interfaces: Vec<_> = names.iter().map(|name| (name.as_str(), [1, 2])).collect();
        let bytes = reading(0, &interfaces).save();
        assert!(bytes.len() <= STATE_LIMIT);
        assert_eq!(Reading::restore(&bytes).unwrap().interfaces.len(), 2730);
    }
}
