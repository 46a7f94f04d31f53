//! A journal in a process that is killed, and in one that may write no more.
//!
//! This program starts itself as that process. `SAKER_KILLS` says how often it is killed; without it, [`KILLS`] times.
#![allow(clippy::disallowed_methods, reason = "a process has to be started to be killed")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use saker_journal::{Disk, Journal, JournalConfig, JournalError, Marks, Position, ReadOutcome, SavedMark, real};

/// Enough to find a write that is not whole; an hour's run takes thousands.
const KILLS: u64 = 12;
/// Small, so that many segments are begun and trimmed in each run.
const SEGMENT_BYTES: u64 = 2 << 20;
/// The child keeps about so many records behind the mark's.
const KEPT: u64 = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "append-until-killed", folder] => append_until_killed(Path::new(folder)),
        [_, "append-until-full", folder] => append_until_full(Path::new(folder)),
        // Whoever runs tests may want a list of them, or those of another name.
        [_, ref options @ ..] if options.contains(&"--list") => {}
        _ => {
            nothing_that_was_acknowledged_is_lost_when_the_process_is_killed();
            a_process_that_may_write_no_more_keeps_what_it_has();
        }
    }
}

fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    let kills = std::env::var("SAKER_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut torn, mut random) = (0, 0, fastrand::Rng::with_seed(1));
    for _ in 0..kills {
        // Killed while it writes what comes after so many records, wherever that may be.
        let last = acknowledge_and_kill(folder.path(), random.u64(1..=1_000));
        let (journal, recovery) = open(folder.path());
        let end = journal.end().seq;
        assert!(last < end && end <= last + 2, "acknowledged {last}, found {end}");
        check(&journal, mark(folder.path()));
        acknowledged = last + 1;
        torn += u64::from(recovery.torn_bytes > 0);
        assert!(!recovery.damaged_end && recovery.set_aside.is_empty(), "{recovery:?}");
    }
    println!("killed {kills} times: {acknowledged} records acknowledged, 0 lost, {torn} torn ends cut off");
}

/// Lets a child append until it has acknowledged so many records, kills it, and answers the last one of all.
fn acknowledge_and_kill(folder: &Path, count: u64) -> u64 {
    let program = std::env::current_exe().unwrap();
    let mut child =
        Command::new(program).arg("append-until-killed").arg(folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut seq = [0; 8];
    for _ in 0..count {
        output.read_exact(&mut seq).unwrap();
    }
    child.kill().unwrap();
    // What was said before it died counts too.
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();
    child.wait().unwrap();
    u64::from_le_bytes(rest.as_chunks().0.last().copied().unwrap_or(seq))
}

fn append_until_killed(folder: &Path) {
    let (mut journal, _) = open(folder);
    let (marks, mut output) = (Marks::open(&*dir(folder)).unwrap(), std::io::stdout().lock());
    loop {
        let at = journal.end();
        let (payload, items) = record(at.seq);
        let seq = journal.append(&payload, items).unwrap();
        output.write_all(&seq.to_le_bytes()).and_then(|()| output.flush()).unwrap();
        if seq % 700 == 0 && seq > KEPT {
            let done = position(seq - KEPT);
            marks.write(&done.to_bytes()).unwrap();
            journal.trim(done.seq).unwrap();
        }
    }
}

fn a_process_that_may_write_no_more_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    // The shell sets a limit on the size of files; beyond it, the system takes a part of a record, then no more.
    let script = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" append-until-full \"$1\"";
    let program = std::env::current_exe().unwrap();
    let child = Command::new("sh").arg("-c").arg(script).arg(program).arg(folder.path()).output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    print!("{}", String::from_utf8_lossy(&child.stdout));
    let (journal, recovery) = open(folder.path());
    assert_eq!(recovery.torn_bytes, 0);
    check(&journal, journal.start());
}

fn append_until_full(folder: &Path) {
    // Larger than what the system lets it write.
    let config = JournalConfig { segment_bytes: 1 << 30, mark: Position::default() };
    let (mut journal, _) = Journal::open(dir(folder), config).unwrap();
    let (marks, mut rejected, mut dropped) = (Marks::open(&*dir(folder)).unwrap(), 0, 0);
    while rejected < 20 {
        let at = journal.end();
        let (payload, items) = record(at.seq);
        match journal.append(&payload, items) {
            Ok(_) => continue,
            Err(JournalError::NoSpace { .. }) => rejected += 1,
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(journal.end(), at);
        marks.write(&journal.start().to_bytes()).unwrap();
        // On a full disk not even another segment helps; then the oldest go.
        while journal.append(&payload, items).is_err() {
            dropped += 1;
            journal.drop_oldest().unwrap().unwrap();
        }
        assert_eq!(journal.end().seq, at.seq + 1);
        check(&journal, journal.start());
    }
    println!("rejected {rejected} times, {dropped} segments dropped, {} records", journal.end().seq);
}

/// Everything from there on is as it was appended.
fn check(journal: &Journal, from: Position) {
    let (mut reader, mut payload, mut next) = (journal.reader(from), Vec::new(), None);
    loop {
        match reader.next(&mut payload).unwrap() {
            ReadOutcome::Record { at, items, .. } => {
                assert_eq!((at, &payload, items), (position(at.seq), &record(at.seq).0, record(at.seq).1));
                assert!(next.is_none_or(|next| next == at.seq), "{next:?} is missing");
                assert!(next.is_some() || at.seq <= from.seq, "{at:?}, and nothing from {from:?} on");
                next = Some(at.seq + 1);
            }
            ReadOutcome::Lost(loss) => panic!("{loss:?}"),
            ReadOutcome::End => break,
        }
    }
    assert_eq!(next.unwrap_or(from.seq), journal.end().seq);
}

/// A record that can be told from every other one. Some are so large that the system can be caught half way.
fn record(seq: u64) -> (Vec<u8>, u32) {
    let length = if seq % 8 == 7 { 60_000 } else { (seq * 7_919 % 3_000) as usize };
    let mut payload: Vec<u8> = seq.to_le_bytes().to_vec();
    payload.resize(8 + length, seq as u8);
    (payload, (seq % 10) as u32)
}

fn position(seq: u64) -> Position {
    Position { seq, items: seq / 10 * 45 + (0..seq % 10).sum::<u64>() }
}

fn dir(folder: &Path) -> std::sync::Arc<dyn Disk> {
    real(Dir::open_ambient_dir(folder, ambient_authority()).unwrap())
}

fn open(folder: &Path) -> (Journal, saker_journal::Recovery) {
    Journal::open(dir(folder), JournalConfig { segment_bytes: SEGMENT_BYTES, mark: mark(folder) }).unwrap()
}

fn mark(folder: &Path) -> Position {
    match Marks::open(&*dir(folder)).unwrap().read().unwrap() {
        SavedMark::Held(bytes) => Position::from_bytes(&bytes).unwrap(),
        SavedMark::Missing => Position::default(),
        SavedMark::Damaged => panic!("a mark was half written"),
    }
}
