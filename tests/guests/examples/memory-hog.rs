//! Allocates and gives nothing back.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `hoard`.
    pub struct MemoryHogSettings {
        /// Bytes of one piece.
        pub piece_bytes: u32 = 1 << 20,
        /// Pieces that one call takes; without end if it is left out.
        pub pieces: Option<u32> = None,
    }
}

/// The guest, with all that it has taken.
pub struct MemoryHog {
    settings: MemoryHogSettings,
    taken: Vec<Vec<u8>>,
}

impl Collector for MemoryHog {
    type Settings = MemoryHogSettings;

    fn describe() -> Description {
        Description::new("memory-hog", "1.0.0", "Allocates and gives nothing back")
    }

    fn open(settings: MemoryHogSettings) -> Result<Self, OpenError> {
        Ok(Self { settings, taken: Vec::new() })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut pieces = 0;
        while self.settings.pieces.is_none_or(|most| pieces < most) {
            self.taken.push(vec![1; self.settings.piece_bytes as usize]);
            pieces += 1;
        }
        Ok(vec![Sample::gauge("memory-hog.pieces", self.taken.len() as f64)])
    }
}

saker_sdk::export_collector!(MemoryHog);
