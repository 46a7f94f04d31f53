//! Compression by the agent, which takes a third of the time that a plugin's own code would.
//!
//! Outside Wasm the same libraries are called directly, so that a plugin's tests see real bytes.

use std::fmt;

/// Why nothing was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressError {
    /// There is no such level.
    NoLevel {
        /// The lowest level.
        lowest: u8,
        /// The highest level.
        highest: u8,
    },
    /// More bytes than the operator's limit, `compress_bytes`.
    TooLarge {
        /// The limit, in bytes.
        limit: u32,
    },
}

/// The bytes as one gzip member (RFC 1952). Level 1 is fast, 9 is small.
///
/// # Errors
/// [`CompressError`]
pub fn gzip(bytes: &[u8], level: u8) -> Result<Vec<u8>, CompressError> {
    native_or_host::gzip(bytes, level)
}

/// The bytes as one Zstandard frame (RFC 8878), which tells its content's size. Level 1 is fast, 9 is small.
///
/// # Errors
/// [`CompressError`]
pub fn zstd(bytes: &[u8], level: u8) -> Result<Vec<u8>, CompressError> {
    native_or_host::zstd(bytes, level)
}

impl std::error::Error for CompressError {}

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLevel { lowest, highest } => write!(f, "compression levels are {lowest} to {highest}"),
            Self::TooLarge { limit } => {
                write!(f, "more bytes to compress than limits.max_compress_bytes allows, which is {limit}")
            }
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod native_or_host {
    use super::CompressError;
    use crate::bindings::collector::saker::plugin::compression::{self, CompressionError};

    impl From<CompressionError> for CompressError {
        fn from(error: CompressionError) -> Self {
            match error {
                CompressionError::NoLevel((lowest, highest)) => Self::NoLevel { lowest, highest },
                CompressionError::TooLarge(limit) => Self::TooLarge { limit },
            }
        }
    }

    pub(super) fn gzip(bytes: &[u8], level: u8) -> Result<Vec<u8>, CompressError> {
        Ok(compression::gzip(bytes, level)?)
    }

    pub(super) fn zstd(bytes: &[u8], level: u8) -> Result<Vec<u8>, CompressError> {
        Ok(compression::zstd(bytes, level)?)
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod native_or_host {
    use std::io::Write;

    use super::CompressError;

    const LOWEST: u8 = 1;
    const HIGHEST: u8 = 9;

    fn check(level: u8) -> Result<(), CompressError> {
        let there_is = (LOWEST..=HIGHEST).contains(&level);
        if there_is { Ok(()) } else { Err(CompressError::NoLevel { lowest: LOWEST, highest: HIGHEST }) }
    }

    pub(super) fn gzip(bytes: &[u8], level: u8) -> Result<Vec<u8>, CompressError> {
        check(level)?;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level.into()));
        encoder.write_all(bytes).expect("a Vec takes whatever is written");
        Ok(encoder.finish().expect("a Vec takes whatever is written"))
    }

    pub(super) fn zstd(bytes: &[u8], level: u8) -> Result<Vec<u8>, CompressError> {
        check(level)?;
        Ok(zstd::bulk::compress(bytes, level.into()).expect("a buffer of the frame's bound has room for it"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_compressed_can_be_read_back() {
        for bytes in [&b""[..], b"x", &[b'a'; 100_000]] {
            for level in [1, 5, 9] {
                let mut back = Vec::new();
                flate2::read::GzDecoder::new(&gzip(bytes, level).unwrap()[..]).read_to_end(&mut back).unwrap();
                assert_eq!(back, bytes);
                assert_eq!(::zstd::decode_all(&zstd(bytes, level).unwrap()[..]).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn a_level_that_is_none_is_rejected_with_those_that_there_are() {
        for level in [0, 10, 255] {
            assert_eq!(gzip(b"", level).unwrap_err().to_string(), "compression levels are 1 to 9");
            assert_eq!(zstd(b"", level), Err(CompressError::NoLevel { lowest: 1, highest: 9 }));
        }
    }
}
