//! The processor time of chosen processes at one run, for the difference to the next.

/// The most that is kept for a successor; a reading that is longer is not kept.
pub(crate) const KEPT_BYTES: usize = 64 * 1024;

/// Bytes of one process: number, start, ticks.
const ENTRY_BYTES: usize = 4 + 8 + 8;

/// One reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcReading {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// In the order of their numbers once [`sort`](Self::sort) was called.
    processes: Vec<ProcessEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcessEntry {
    pid: u32,
    start: u64,
    ticks: u64,
}

impl ProcReading {
    pub(crate) fn new(at_ms: i64) -> Self {
        Self { at_ms, processes: Vec::new() }
    }

    pub(crate) fn add(&mut self, pid: u32, start: u64, ticks: u64) {
        self.processes.push(ProcessEntry { pid, start, ticks });
    }

    pub(crate) fn sort(&mut self) {
        self.processes.sort_unstable_by_key(|entry| entry.pid);
    }

    /// The ticks that a process has used since this reading; none if it was not in it. A process that has ended and
    /// left its number to another is told by its start.
    pub(crate) fn ticks_since(&self, pid: u32, start: u64, ticks: u64) -> Option<u64> {
        let place = self.processes.binary_search_by_key(&pid, |entry| entry.pid).ok()?;
        let then = self.processes.get(place).filter(|entry| entry.start == start)?;
        ticks.checked_sub(then.ticks)
    }

    /// The reading as bytes that [`restore`](Self::restore) understands: none at all if they would be too many.
    pub(crate) fn save(&self) -> Vec<u8> {
        let length = 8 + ENTRY_BYTES * self.processes.len();
        if length > KEPT_BYTES {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(self.at_ms.to_le_bytes());
        for entry in &self.processes {
            bytes.extend(entry.pid.to_le_bytes());
            bytes.extend(entry.start.to_le_bytes());
            bytes.extend(entry.ticks.to_le_bytes());
        }
        bytes
    }

    /// The reading that a predecessor has saved; none if the bytes are no such thing.
    pub(crate) fn restore(bytes: &[u8]) -> Option<Self> {
        let (at_ms, rest) = bytes.split_first_chunk()?;
        let mut reading = Self::new(i64::from_le_bytes(*at_ms));
        for chunk in rest.chunks(ENTRY_BYTES) {
            let (pid, chunk) = chunk.split_first_chunk()?;
            let (start, chunk) = chunk.split_first_chunk()?;
            let ticks = chunk.try_into().ok()?;
            reading.add(u32::from_le_bytes(*pid), u64::from_le_bytes(*start), u64::from_le_bytes(ticks));
        }
        reading.sort();
        Some(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> ProcReading {
        let mut reading = ProcReading::new(1_000);
        for (pid, start, ticks) in [(900, 7, 100), (5, 3, 50), (70, 4, 0)] {
            reading.add(pid, start, ticks);
        }
        reading.sort();
        reading
    }

    #[test]
    fn only_the_same_process_is_compared() {
        let reading = reading();
        assert_eq!(reading.ticks_since(900, 7, 130), Some(30));
        assert_eq!(reading.ticks_since(5, 3, 50), Some(0));
        assert_eq!(reading.ticks_since(900, 8, 130), None, "another process has its number now");
        assert_eq!(reading.ticks_since(900, 7, 99), None, "time does not run backwards");
        assert_eq!(reading.ticks_since(6, 3, 50), None);
    }

    #[test]
    fn a_reading_survives_being_saved() {
        let reading = reading();
        assert_eq!(ProcReading::restore(&reading.save()), Some(reading));
        assert_eq!(ProcReading::restore(&ProcReading::new(5).save()), Some(ProcReading::new(5)));
        for bytes in [&b""[..], b"short", b"something else that is no such thing"] {
            assert_eq!(ProcReading::restore(bytes), None);
        }
    }

    #[test]
    fn a_reading_that_is_too_long_is_not_kept() {
        let mut reading = ProcReading::new(0);
        for pid in 0..3_276 {
            reading.add(pid, 0, 0);
        }
        assert_eq!(reading.save().len(), 8 + 3_276 * ENTRY_BYTES);
        reading.add(3_276, 0, 0);
        assert_eq!(reading.save(), b"");
    }
}
