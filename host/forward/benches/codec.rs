//! How many bytes a point takes in a queue, and how long it takes there and back:
//! `cargo bench -p saker-forward --bench codec`.
//!
//! 40,000 series, a point each every ten seconds for five minutes, in one segment, definitions included, in records of
//! at most 5,000 points with what the journal adds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use saker_forward::codec::{RecordDecoder, RecordEncoder};
use saker_model::{Point, SeriesId};

use workloads::{Kind, Workload};

#[path = "codec/workloads.rs"]
mod workloads;

const TICKS: usize = 30;
const RECORD_POINTS: usize = 5_000;
const RECORD_HEADER_BYTES: usize = 32;
const PARITY_SHARE: f64 = 1.0 / 64.0;

fn main() {
    println!(
        "{:<16} {:>11} {:>11} {:>13} {:>13} {:>13}",
        "values", "bytes/point", "thereof", "encode", "encode", "decode"
    );
    println!(
        "{:<16} {:>11} {:>11} {:>13} {:>13} {:>13}",
        "", "", "definitions", "first ns/pt", "later ns/pt", "later ns/pt"
    );
    for workload in [Workload::tsbs(), Workload::hosts()].into_iter().chain(KINDS.map(Workload::of)) {
        measure(workload);
    }
}

const KINDS: [Kind; 7] =
    [Kind::TsbsCpu, Kind::ByteCounter, Kind::EventCounter, Kind::Memory, Kind::Decimal, Kind::Ratio, Kind::Constant];

fn measure(mut workload: Workload) {
    let (mut encoder, mut decoder, mut record, mut out) =
        (RecordEncoder::default(), RecordDecoder::default(), Vec::new(), Vec::<Point>::new());
    let (mut first, mut later, mut back) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut bytes, mut first_bytes, mut points) = (0, 0, 0);
    let mut next = 0..;
    for tick in 0..TICKS {
        let given = workload.tick();
        let mut at = 0;
        while at < given.len() {
            let new_segment = tick == 0 && at == 0;
            let chunk = &given[at..given.len().min(at + RECORD_POINTS)];
            let began = Instant::now();
            let series_of = |id: SeriesId| workload.series.get(id.index()).cloned();
            let encoded = encoder.encode(new_segment, black_box(chunk), series_of, &mut record);
            *(if tick == 0 { &mut first } else { &mut later }) += began.elapsed();
            bytes += record.len() + RECORD_HEADER_BYTES;
            first_bytes += if tick == 0 { record.len() } else { 0 };
            let chunk = &chunk[..encoded.taken];
            points += chunk.len();
            at += chunk.len();
            out.clear();
            let began = Instant::now();
            let decoded = decoder.decode(new_segment, black_box(&record), |_| next.next().map(SeriesId), &mut out);
            back += if tick == 0 { Duration::ZERO } else { began.elapsed() };
            assert_eq!(decoded.map(|decoded| decoded.points), Ok(chunk.len()));
            assert!(out == chunk);
        }
    }
    let (size, defined) = (bytes as f64 * (1.0 + PARITY_SHARE) / points as f64, first_bytes as f64 / points as f64);
    let each = |time: Duration, ticks: usize| time.as_nanos() as f64 / (ticks * points / TICKS) as f64;
    println!(
        "{:<16} {size:>11.2} {defined:>11.2} {:>13.1} {:>13.1} {:>13.1}",
        workload.name,
        each(first, 1),
        each(later, TICKS - 1),
        each(back, TICKS - 1),
    );
}
