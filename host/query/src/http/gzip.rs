//! Packing of answers for those who take it.

use std::io::Write;

use axum::http::{HeaderMap, header};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Below this, packing gains nothing.
const PACKED_BYTES_MIN: usize = 1 << 10;

/// Whether `Accept-Encoding` has gzip, and does not weigh it with nothing.
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        matches!(name.trim(), "gzip" | "x-gzip" | "*") && weight.unwrap_or(1.0) > 0.0
    })
}

/// The text packed, if that is worth it.
pub(super) fn pack(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() < PACKED_BYTES_MIN {
        return None;
    }
    let mut packer = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    packer.write_all(text).ok()?;
    packer.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_named_and_not_weighed_with_nothing() {
        for (accept, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("br", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, accept.parse().unwrap())]);
            assert_eq!(is_taken(&headers), expected, "{accept}");
        }
        assert!(!is_taken(&HeaderMap::new()));
    }
}
