//! Bodies that come compressed.

use std::io::Read;

use flate2::read::MultiGzDecoder;

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
}

/// Memory for a body before its size is known: text of this kind shrinks to a tenth and less.
const RATIO: usize = 8;

/// Unpacks gzip of one or more members, to at most `limit` bytes.
///
/// # Errors
/// If it is broken, or unpacks to more.
pub fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>, GunzipError> {
    let mut unpacked = Vec::with_capacity(packed.len().saturating_mul(RATIO).min(limit));
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed).take(most).read_to_end(&mut unpacked).map_err(GunzipError::Broken)?;
    if unpacked.len() > limit { Err(GunzipError::TooLarge { limit }) } else { Ok(unpacked) }
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
    fn what_is_no_gzip_or_ends_too_early_is_refused() {
        let packed = gzip(b"m v=1\n");
        for broken in [&b""[..], b"m v=1\n", &packed[..packed.len() - 4]] {
            assert!(matches!(gunzip(broken, 100), Err(GunzipError::Broken(_))), "{broken:?}");
        }
    }
}
