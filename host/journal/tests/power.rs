//! A journal on a simulated disk that loses power, fails and rots: what was said to be safe is there.
//!
//! `SAKER_POWER_CUTS` says how often the power goes; without it, [`CUTS`] times.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;

use fastrand::Rng;
use saker_journal::{
    Journal, JournalConfig, JournalError, Marks, Position, ReadOutcome, SavedMark, SimDisk, SimFault, SimTrouble,
};

/// Enough to find what is forgotten to be synced; ten thousand take some seconds.
const CUTS: u64 = 400;
/// Small, so that many segments are begun and trimmed in each run.
const SEGMENT_BYTES: u64 = 4 << 10;
const STEPS: u64 = 120;

/// A record that can be told from every other one.
fn record(seq: u64) -> (Vec<u8>, u32) {
    let length = [0, 5, 100, 700, 3_000][(seq * 7_919 % 5) as usize];
    let mut payload = seq.to_le_bytes().to_vec();
    payload.resize(8 + length, seq as u8);
    (payload, (seq % 10) as u32)
}

fn position(seq: u64) -> Position {
    Position { seq, items: seq / 10 * 45 + (0..seq % 10).sum::<u64>() }
}

/// What was promised.
#[derive(Clone, Debug, Default)]
struct Promise {
    /// These are on the disk.
    synced: BTreeSet<u64>,
    /// These were appended by the journal that is open, and no sync has failed since.
    pending: BTreeSet<u64>,
    /// These were appended, and survive the death of the process.
    appended: BTreeSet<u64>,
    /// Records before need not be kept.
    done: u64,
}

fn open(disk: &SimDisk) -> Result<(Journal, Marks, Position), JournalError> {
    let marks = Marks::open(&*disk.root())?;
    let mark = match marks.read()? {
        SavedMark::Held(bytes) => Position::from_bytes(&bytes).unwrap(),
        SavedMark::Missing | SavedMark::Damaged => Position::default(),
    };
    let (journal, _) = Journal::open(disk.root(), JournalConfig { segment_bytes: SEGMENT_BYTES, mark })?;
    Ok((journal, marks, mark))
}

/// Uses a journal as a queue does, and goes on after failures as one does. It ends with the power.
fn live(disk: &SimDisk, random: &mut Rng, promise: &mut Promise) {
    let mut opened = open(disk);
    for _ in 0..STEPS {
        let Ok((journal, marks, _)) = &mut opened else {
            opened = open(disk);
            continue;
        };
        match random.u64(..12) {
            0..=6 => {
                let (payload, items) = record(journal.end().seq);
                if let Ok(seq) = journal.append(&payload, items) {
                    promise.appended.insert(seq);
                    promise.pending.insert(seq);
                }
            }
            7 | 8 => match journal.sync() {
                Ok(_) => promise.synced.append(&mut promise.pending),
                Err(_) => promise.pending.clear(),
            },
            9 => journal.protect(),
            10 => {
                // Marks never go beyond what a queue has read, which it does from the journal.
                let done = promise.done + random.u64(..journal.end().seq.max(promise.done) - promise.done + 1);
                promise.done = promise.done.max(done);
                let marked = marks.write(&position(done).to_bytes()).and_then(|()| marks.sync());
                if marked.is_ok() {
                    let _ = journal.trim(done);
                }
            }
            _ if random.u64(..4) == 0 => {
                // An orderly end and another start.
                opened = Err(JournalError::Locked);
                promise.pending.clear();
            }
            _ => journal.roll(),
        }
    }
}

/// Every record of `kept` from `done` on is there, as it was. Answers which are.
fn check(disk: &SimDisk, done: u64, kept: &BTreeSet<u64>, context: &str) -> BTreeSet<u64> {
    let (journal, _, mark) = open(disk).unwrap_or_else(|error| panic!("{context}: does not start: {error:?}"));
    let (mut reader, mut payload, mut found) = (journal.reader(journal.start()), Vec::new(), BTreeSet::new());
    loop {
        match reader.next(&mut payload).unwrap() {
            ReadOutcome::Record { at, items, .. } => {
                assert_eq!((&payload, items), (&record(at.seq).0, record(at.seq).1), "{context}");
                assert!(found.insert(at.seq), "{context}: {} twice", at.seq);
            }
            ReadOutcome::Lost(_) => {}
            ReadOutcome::End => break,
        }
    }
    assert!(mark.seq <= done, "{context}");
    let lost: Vec<u64> = kept.range(done..).filter(|seq| !found.contains(seq)).copied().collect();
    assert!(lost.is_empty(), "{context}: {lost:?} are lost");
    let newest = kept.last().copied().unwrap_or(0);
    assert!(journal.end().seq >= newest, "{context}: new records would be taken for old ones");
    found
}

#[test]
fn nothing_that_was_synced_is_lost_when_the_power_goes_at_any_call() {
    let cuts = std::env::var("SAKER_POWER_CUTS").map_or(CUTS, |cuts| cuts.parse().expect("a number"));
    let (mut done, mut seed, mut records) = (0, 0, 0);
    while done < cuts {
        seed += 1;
        let (mut disk, mut random, mut promise) = (SimDisk::new(seed), Rng::with_seed(seed), Promise::default());
        // The same disk loses power a few times.
        for life in 0..4 {
            disk.fail(SimFault::at(disk.calls() + random.u64(..2 * STEPS), SimTrouble::PowerCut));
            live(&disk, &mut random, &mut promise);
            disk = disk.power_cut();
            let context = format!("seed {seed}, life {life}, {promise:?}");
            let found = check(&disk, promise.done, &promise.synced, &context);
            records += promise.synced.len();
            promise.synced.retain(|seq| found.contains(seq));
            promise.pending.clear();
            done += 1;
        }
    }
    println!("{done} power cuts: {records} records were synced, 0 lost");
}

#[test]
fn nothing_is_called_safe_that_is_not_whichever_call_fails() {
    for trouble in [SimTrouble::Broken, SimTrouble::Full] {
        for calls in [1, 5] {
            for seed in 0..2 {
                let run = |at: Option<u64>| {
                    let (disk, mut promise) = (SimDisk::new(seed), Promise::default());
                    if let Some(at) = at {
                        disk.fail(SimFault { calls, ..SimFault::at(at, trouble) });
                    }
                    live(&disk, &mut Rng::with_seed(seed), &mut promise);
                    (disk, promise)
                };
                let all = run(None).0.calls();
                for at in 0..all + 10 {
                    let (disk, promise) = run(Some(at));
                    let context = format!("seed {seed}, {calls} {trouble:?} from call {at} on, {promise:?}");
                    check(&disk.copy(), promise.done, &promise.appended, &format!("{context}, killed"));
                    check(&disk.power_cut(), promise.done, &promise.synced, &format!("{context}, power"));
                }
            }
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_costs_at_most_one_record_and_it_is_counted() {
    const RECORDS: u64 = 40;
    let disk = SimDisk::new(1);
    for _ in 0..2 {
        let (mut journal, marks, _) = open(&disk).unwrap();
        marks.write(&Position::default().to_bytes()).unwrap();
        for _ in 0..RECORDS / 2 {
            let (payload, items) = record(journal.end().seq);
            journal.append(&payload, items).unwrap();
        }
    }
    let (mut flips, mut lost_in_all) = (0, 0);
    for (path, bytes) in disk.files() {
        for offset in 0..bytes {
            let copy = disk.copy();
            assert!(copy.flip(&path, offset, 1 << (offset % 8)));
            let lost = read_flipped(&copy, RECORDS, &format!("{path}, byte {offset}"));
            flips += 1;
            lost_in_all += lost;
        }
    }
    println!("{flips} bytes flipped, {lost_in_all} records lost");
    assert_eq!(lost_in_all, 0, "all of it has parity");
}

/// Reads all, and answers how many records are lost.
fn read_flipped(disk: &SimDisk, records: u64, context: &str) -> u64 {
    let (journal, ..) = open(disk).unwrap_or_else(|error| panic!("{context}: {error:?}"));
    let (mut reader, mut payload, mut found, mut lost) = (journal.reader(Position::default()), Vec::new(), 0, 0);
    let (mut items_found, mut items_lost) = (0, 0);
    loop {
        match reader.next(&mut payload).unwrap() {
            ReadOutcome::Record { at, items, .. } => {
                assert_eq!((&payload, items), (&record(at.seq).0, record(at.seq).1), "{context}");
                found += 1;
                items_found += u64::from(items);
            }
            ReadOutcome::Lost(loss) => {
                lost += loss.records();
                items_lost += loss.items();
            }
            ReadOutcome::End => break,
        }
    }
    assert!(lost <= 1, "{context}: {lost} records lost");
    assert_eq!((found + lost, items_found + items_lost), (records, position(records).items), "{context}");
    lost
}
