//! Bodies that come compressed.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::MemoryShortage;

/// What is wrong with a compressed body.
#[derive(Debug, thiserror::Error)]
pub enum GunzipError {
    /// It is no gzip, or broken.
    #[error("the body is not valid gzip: {0}")]
    Broken(#[source] std::io::Error),
    /// It unpacks to more than it may.
    #[error("the body unpacks to more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// There is no memory for it.
    #[error("there is no memory for what the body unpacks to")]
    NoMemory(MemoryShortage),
}

/// So much is unpacked before its memory is charged. A thousandth of it comes from one byte, so a bomb gets no further.
const STEP_BYTES: usize = 64 << 10;

/// Unpacks gzip of one or more members, to at most `limit` bytes. `charge` is asked for the memory of each step before
/// it is kept.
///
/// # Errors
/// If it is broken, or unpacks to more, or if there is no memory.
pub fn gunzip(
    packed: &[u8],
    limit: usize,
    charge: &mut dyn FnMut(usize) -> Result<(), MemoryShortage>,
) -> Result<Vec<u8>, GunzipError> {
    let mut decoder = MultiGzDecoder::new(packed);
    let mut unpacked = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let bytes = decoder.read(&mut step).map_err(GunzipError::Broken)?;
        if bytes == 0 {
            return Ok(unpacked);
        }
        if bytes > limit - unpacked.len() {
            return Err(GunzipError::TooLarge { limit });
        }
        charge(bytes).map_err(GunzipError::NoMemory)?;
        unpacked.extend_from_slice(&step[..bytes]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>, GunzipError> {
        super::gunzip(packed, limit, &mut |_| Ok(()))
    }

    #[test]
    fn what_is_unpacked_is_charged_before_it_is_kept() {
        let packed = gzip(&vec![b'0'; 1 << 20]);
        let mut charged = 0;
        let all = super::gunzip(&packed, 1 << 20, &mut |bytes| {
            charged += bytes;
            Ok(())
        });
        assert_eq!((all.unwrap().len(), charged), (1 << 20, 1 << 20));
        let mut left = 100_000;
        let short = super::gunzip(&packed, 1 << 20, &mut |bytes| {
            left = usize::checked_sub(left, bytes).ok_or(MemoryShortage::Now)?;
            Ok(())
        });
        assert!(matches!(short, Err(GunzipError::NoMemory(MemoryShortage::Now))));
    }

    #[test]
    fn one_member_or_several_are_unpacked_up_to_the_limit() {
        let packed = [gzip(b"m v=1\n"), gzip(b"m v=2\n")].concat();
        assert_eq!(gunzip(&packed, 12).unwrap(), b"m v=1\nm v=2\n");
        assert_eq!(gunzip(&packed, 11).unwrap_err().to_string(), "the body unpacks to more than 11 bytes");
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let packed = gzip(&vec![b'0'; 64 << 20]);
        assert!(packed.len() < 1 << 20);
        assert!(matches!(gunzip(&packed, 1 << 20), Err(GunzipError::TooLarge { limit: 1_048_576 })));
    }

    #[test]
    fn what_is_no_gzip_or_ends_too_early_is_rejected() {
        let packed = gzip(b"m v=1\n");
        for broken in [&b""[..], b"m v=1\n", &packed[..packed.len() - 4]] {
            assert!(matches!(gunzip(broken, 100), Err(GunzipError::Broken(_))), "{broken:?}");
        }
    }
}
