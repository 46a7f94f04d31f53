//! How fast records go into a journal and out again: `cargo bench -p saker-journal`.
//!
//! Wall and CPU time per record and per byte, for records of the sizes that the queues make, in a folder of the
//! temporary directory (set `TMPDIR` to measure another disk).

use std::hint::black_box;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use saker_journal::{Journal, JournalConfig, Position, ReadOutcome, real};

/// In all, for each size of record.
const BYTES: usize = 256 << 20;

fn main() {
    println!("{:>9} {:>9} {:>12} {:>10} {:>10}", "record", "sync", "what", "ns/record", "MB/s");
    for (size, sync_every) in [(512, 0), (4 << 10, 0), (4 << 10, 100), (32 << 10, 0), (32 << 10, 100)] {
        measure(size, sync_every);
    }
}

fn measure(size: usize, sync_every: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).expect("a folder");
    let (mut journal, _) = Journal::open(real(dir), JournalConfig::default()).expect("a journal");
    let payload: Vec<u8> = (0..size as u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let records = BYTES / size;
    let began = Instant::now();
    for record in 1..=records {
        journal.append(black_box(&payload), 1).expect("room");
        if sync_every > 0 && record % sync_every == 0 {
            journal.sync().expect("a disk");
        }
    }
    report(size, sync_every, "append", records, began.elapsed());
    let (mut reader, mut bytes, mut read) = (journal.reader(Position::default()), Vec::new(), 0);
    let began = Instant::now();
    while let ReadOutcome::Record { .. } = reader.next(&mut bytes).expect("readable") {
        read += usize::from(black_box(&bytes).len() == size);
    }
    assert_eq!(read, records);
    report(size, sync_every, "read", records, began.elapsed());
}

fn report(size: usize, sync_every: usize, what: &str, records: usize, took: Duration) {
    let each = took.as_nanos() as f64 / records as f64;
    let rate = (size * records) as f64 / took.as_secs_f64() / 1e6;
    println!("{size:>9} {sync_every:>9} {what:>12} {each:>10.0} {rate:>10.0}");
}
