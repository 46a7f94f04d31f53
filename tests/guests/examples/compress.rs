//! Has bytes compressed by the host, as many times as it is told, and answers with the length. Its state keeps the last
//! result, so that a test can look at it.

use saker_sdk::prelude::*;
use saker_sdk::{compress, host};

saker_sdk::settings! {
    /// The formats.
    pub enum Format {
        /// gzip
        Gzip = "gzip",
        /// Zstandard
        Zstd = "zstd",
    }
}

saker_sdk::settings! {
    /// Settings of `squeeze`.
    pub struct CompressSettings {
        /// The format.
        pub format: Format = Format::Gzip,
        /// The level.
        pub level: u32 = 6,
        /// How many bytes.
        pub bytes: u32 = 100_000,
        /// How often.
        pub times: u32 = 1,
    }
}

/// The guest.
pub struct Compress(CompressSettings);

impl Collector for Compress {
    type Settings = CompressSettings;

    fn describe() -> Description {
        Description::new("compress", "1.0.0", "Has bytes compressed")
    }

    fn open(settings: CompressSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let CompressSettings { format, level, bytes, times } = &self.0;
        // Text that a compressor has to work for.
        let bytes: Vec<u8> = (0..*bytes).map(|n| b'a' + (n.wrapping_mul(2_654_435_761) >> 28) as u8).collect();
        let level = u8::try_from(*level).unwrap_or(u8::MAX);
        let mut squeezed = Vec::new();
        for _ in 0..*times {
            let answer = match format {
                Format::Gzip => compress::gzip(&bytes, level),
                Format::Zstd => compress::zstd(&bytes, level),
            };
            squeezed = answer.map_err(|error| CollectError::Other(error.to_string()))?;
        }
        let _ = host::save_state(&squeezed);
        Ok(vec![Sample::gauge("compress.bytes", squeezed.len() as f64)])
    }
}

saker_sdk::export_collector!(Compress);
