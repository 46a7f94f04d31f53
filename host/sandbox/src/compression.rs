//! The contract's `compression`: what every backend would otherwise carry as code that runs three times slower.
//!
//! A host call cannot be interrupted from outside, so the work is done in pieces, and the call's deadline is looked at
//! before each of them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder;

use crate::bindings::host::compression::{CompressionError, Host};
use crate::ctx::Ctx;

/// Levels of either format. Zstandard has higher ones, at 1 MB/s and with hundreds of megabytes of memory; at these it
/// takes 20 MB at most.
const LEVELS: (u8, u8) = (1, 9);
/// Bytes between two looks at the clock: 10 ms at the slowest level.
const PIECE_BYTES: usize = 128 << 10;

type CompressionResult = wasmtime::Result<Result<Vec<u8>, CompressionError>>;

impl Host for Ctx {
    fn gzip(&mut self, bytes: Vec<u8>, level: u8) -> CompressionResult {
        if let Err(error) = self.check(&bytes, level) {
            return Ok(Err(error));
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(level.into()));
        self.feed(&mut encoder, &bytes)?;
        Ok(Ok(encoder.finish()?))
    }

    fn zstd(&mut self, bytes: Vec<u8>, level: u8) -> CompressionResult {
        if let Err(error) = self.check(&bytes, level) {
            return Ok(Err(error));
        }
        let mut encoder = Encoder::new(Vec::with_capacity(bytes.len() / 4), level.into())?;
        encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
        self.feed(&mut encoder, &bytes)?;
        Ok(Ok(encoder.finish()?))
    }
}

impl Ctx {
    fn check(&self, bytes: &[u8], level: u8) -> Result<(), CompressionError> {
        let limit = self.limits.max_compress_bytes;
        if !(LEVELS.0..=LEVELS.1).contains(&level) {
            return Err(CompressionError::NoLevel(LEVELS));
        }
        if bytes.len() > limit {
            return Err(CompressionError::TooLarge(u32::try_from(limit).unwrap_or(u32::MAX)));
        }
        Ok(())
    }

    /// Writes all bytes, as long as the call may run.
    fn feed(&self, encoder: &mut impl Write, bytes: &[u8]) -> wasmtime::Result<()> {
        for piece in bytes.chunks(PIECE_BYTES) {
            self.in_time()?;
            encoder.write_all(piece)?;
        }
        Ok(())
    }
}
