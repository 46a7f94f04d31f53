//! The promise on the size of a queue: at most six bytes a point, definitions and all, with 40,000 series at 10 s.

#[path = "../benches/codec/workloads.rs"]
#[allow(dead_code, reason = "the benchmark measures more of them")]
mod workloads;

use saker_forward::codec::RecordEncoder;
use workloads::Workload;

/// Three minutes.
const TICKS: usize = 18;
/// What a destination's queue collects before it writes a record, at a slow source.
const RECORD_POINTS: usize = 1_000;
/// What the journal adds to each record,
const RECORD_HEADER_BYTES: usize = 32;
/// and to all of them.
const PARITY_SHARE: f64 = 1.0 / 64.0;

fn bytes_per_point(mut workload: Workload) -> f64 {
    let (mut encoder, mut record, mut bytes, mut points) = (RecordEncoder::default(), Vec::new(), 0, 0);
    for tick in 0..TICKS {
        for (index, chunk) in workload.tick().chunks(RECORD_POINTS).enumerate() {
            let series_of = |id: saker_model::SeriesId| workload.series.get(id.index()).cloned();
            let mut taken = 0;
            while taken < chunk.len() {
                let first = tick == 0 && index == 0 && taken == 0;
                taken += encoder.encode(first, &chunk[taken..], series_of, &mut record).taken;
                bytes += record.len() + RECORD_HEADER_BYTES;
            }
            points += chunk.len();
        }
    }
    bytes as f64 / points as f64 * (1.0 + PARITY_SHARE)
}

#[test]
fn a_point_takes_at_most_six_bytes() {
    for (workload, most) in [(Workload::tsbs(), 2.5), (Workload::hosts(), 6.0)] {
        let name = workload.name;
        let bytes = bytes_per_point(workload);
        assert!(bytes <= most, "{name}: {bytes:.2} bytes a point, and no more than {most} were promised");
    }
}
