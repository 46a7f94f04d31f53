//! Compression by the host: real gzip and Zstandard, within bounds, and part of the call's time.

use std::io::Read;

use saker_sandbox::Blame;
use serde_json::json;

use crate::support::{DEADLINE, in_time, once, open, run, spec, turn};

fn sent(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|n| b'a' + (n.wrapping_mul(2_654_435_761) >> 28) as u8).collect()
}

#[tokio::test]
async fn what_a_guest_has_compressed_can_be_read_back() {
    for bytes in [0, 1, 300_000] {
        for (format, level) in [("gzip", 1), ("gzip", 9), ("zstd", 1), ("zstd", 9)] {
            let spec = spec(json!({ "format": format, "level": level, "bytes": bytes }));
            once("compress", &spec).await.unwrap();
            let squeezed = spec.state.load().unwrap();
            let mut back = Vec::new();
            match format {
                "gzip" => drop(flate2::read::GzDecoder::new(&squeezed[..]).read_to_end(&mut back).unwrap()),
                _ => back = zstd::decode_all(&squeezed[..]).unwrap(),
            }
            assert!(back == sent(bytes), "{format} {level} {bytes}");
            assert!(bytes < 1000 || squeezed.len() < back.len(), "{format} {level}: {}", squeezed.len());
        }
    }
}

#[tokio::test]
async fn a_wrong_level_and_too_many_bytes_are_errors() {
    for (format, level) in [("gzip", 0), ("gzip", 10), ("zstd", 0), ("zstd", 22)] {
        let error = once("compress", &spec(json!({ "format": format, "level": level }))).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), ("compression levels are 1 to 9", "error"));
    }
    let mut spec = spec(json!({ "format": "zstd", "bytes": 1001 }));
    spec.limits.max_compress_bytes = 1000;
    let error = once("compress", &spec).await.unwrap_err();
    assert_eq!(error.to_string(), "more bytes to compress than limits.max_compress_bytes allows, which is 1000");
}

#[tokio::test]
async fn compressing_ends_with_the_deadline_and_counts_as_the_plugins_time() {
    let _turn = turn().await;
    for format in ["gzip", "zstd"] {
        let spec = spec(json!({ "format": format, "level": 9, "bytes": 4 << 20, "times": 1000 }));
        let mut collector = open("compress", &spec).await.unwrap();
        let error = in_time("compressing", DEADLINE, run(&mut collector)).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), ("deadline", Blame::Plugin), "{error}");
        assert_eq!(error.to_string(), "killed: collect took longer than its deadline of 200ms");
        crate::support::until("the work was given up", || spec.meters.cpu() > DEADLINE / 10).await;
    }
}
