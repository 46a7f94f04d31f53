//! The journal against a folder: order, bounds, full disks, damage, and what is left after a death.

use std::fs::File;
use std::os::unix::fs::FileExt;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::*;
use crate::disk::real;
use crate::format::RECORD_BYTES;
use crate::reader::{Loss, LossCause, ReadOutcome};
use faults::Faults;

mod faults;

/// A journal in a folder of its own, with segments of four records.
struct Bench {
    folder: tempfile::TempDir,
}

const SEGMENT_BYTES: u64 = 450;

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> (Journal, Recovery) {
        self.open_at(Position::default())
    }

    fn open_at(&self, mark: Position) -> (Journal, Recovery) {
        Journal::open(self.dir(), JournalConfig { segment_bytes: SEGMENT_BYTES, mark }).unwrap()
    }

    fn dir(&self) -> Arc<dyn Disk> {
        faults::disk(real(Dir::open_ambient_dir(self.folder.path(), ambient_authority()).unwrap()))
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn file(&self, name: &str) -> File {
        File::options().read(true).write(true).open(self.folder.path().join(name)).unwrap()
    }

    /// Changes one bit of a file.
    fn flip(&self, name: &str, offset: u64) {
        let (file, mut byte) = (self.file(name), [0]);
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
    }
}

/// The record with that number, and a weight. Four of them fill a segment.
fn payload(seq: u64) -> (Vec<u8>, u32) {
    (vec![seq as u8; 76 + (seq % 4) as usize], (seq % 7) as u32)
}

fn append(journal: &mut Journal, count: u64) {
    for _ in 0..count {
        let seq = journal.end().seq;
        let (bytes, items) = payload(seq);
        assert_eq!(journal.append(&bytes, items).unwrap(), seq);
    }
}

/// Before the record with that number, if no record was ever missing.
fn position(seq: u64) -> Position {
    Position { seq, items: (0..seq).map(|seq| u64::from(payload(seq).1)).sum() }
}

/// Everything that a reader finds until the end; records are checked, and answered as their numbers.
fn read_all(reader: &mut JournalReader) -> (Vec<u64>, Vec<Loss>) {
    let (mut seqs, mut losses, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match reader.next(&mut bytes).unwrap() {
            ReadOutcome::Record { at, items, .. } => {
                assert_eq!((bytes.clone(), items), payload(at.seq), "record {}", at.seq);
                assert_eq!(at, position(at.seq));
                seqs.push(at.seq);
            }
            ReadOutcome::Lost(loss) => losses.push(loss),
            ReadOutcome::End => return (seqs, losses),
        }
    }
}

fn loss(seqs: std::ops::Range<u64>, cause: LossCause) -> Loss {
    Loss { from: position(seqs.start), to: position(seqs.end), cause }
}

fn damaged(first_seq: u64) -> LossCause {
    LossCause::Damaged { name: segment_name(first_seq) }
}

#[test]
fn what_was_appended_is_read_in_order_while_more_is_appended() {
    let bench = Bench::new();
    let (mut journal, recovery) = bench.open();
    assert_eq!(recovery, Recovery::default());
    let mut reader = journal.reader(Position::default());
    assert_eq!(reader.next(&mut Vec::new()).unwrap(), ReadOutcome::End);
    for round in 0..5 {
        append(&mut journal, 3);
        assert_eq!(read_all(&mut reader), ((round * 3..round * 3 + 3).collect(), vec![]));
    }
    assert_eq!(journal.end(), position(15));
    assert_eq!(journal.segments().len(), 4);
    assert_eq!(journal.segments().iter().map(SegmentInfo::items).sum::<u64>(), journal.end().items);
}

#[test]
fn the_first_record_of_each_segment_is_announced_to_writer_and_reader() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    let mut announced = Vec::new();
    for seq in 0..20 {
        announced.push(journal.begins_segment());
        append(&mut journal, 1);
        if seq == 5 {
            journal.roll();
        }
    }
    let (mut reader, mut found, mut bytes) = (journal.reader(Position::default()), Vec::new(), Vec::new());
    while let ReadOutcome::Record { first_of_segment, .. } = reader.next(&mut bytes).unwrap() {
        found.push(first_of_segment);
    }
    assert_eq!(announced, found);
    assert_eq!(found.iter().filter(|first| **first).count(), journal.segments().len());
    assert!(found[0] && !found[1] && found[6]);
}

#[test]
fn what_was_appended_is_there_after_a_restart_and_a_new_segment_begins() {
    let bench = Bench::new();
    append(&mut bench.open().0, 6);
    let (mut journal, recovery) = bench.open();
    assert_eq!((recovery, journal.end()), (Recovery::default(), position(6)));
    assert!(journal.begins_segment());
    append(&mut journal, 3);
    assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..9).collect(), vec![]));
    assert_eq!(journal.segments().last().unwrap().first, position(6));
}

#[test]
fn only_one_can_have_it_open() {
    let bench = Bench::new();
    let (journal, _) = bench.open();
    let error = Journal::open(bench.dir(), JournalConfig::default()).err().unwrap();
    assert!(matches!(error, JournalError::Locked), "{error}");
    drop(journal);
    bench.open();
}

#[test]
fn files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    append(&mut bench.open().0, 1);
    for name in bench.files() {
        assert_eq!(bench.file(&name).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_reader_begins_with_the_segment_of_its_position() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 14);
    for segment in journal.segments() {
        for seq in segment.first.seq..segment.end.seq {
            let (seqs, losses) = read_all(&mut journal.reader(position(seq)));
            assert_eq!((seqs, losses), ((segment.first.seq..14).collect(), vec![]));
        }
    }
    // At the end: the segment that is being written still has to be read from its beginning.
    let first = journal.segments().last().unwrap().first.seq;
    let mut reader = journal.reader(journal.end());
    assert_eq!(read_all(&mut reader), ((first..14).collect(), vec![]));
    append(&mut journal, 1);
    assert_eq!(read_all(&mut reader), (vec![14], vec![]));
    // One that is finished does not.
    journal.roll();
    let mut reader = journal.reader(journal.end());
    append(&mut journal, 1);
    assert_eq!(read_all(&mut reader), (vec![15], vec![]));
}

#[test]
fn trimming_removes_what_is_done_and_never_what_is_being_written() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 14);
    let segments = journal.segments();
    let second = segments[1];
    journal.trim(second.end.seq - 1).unwrap();
    assert_eq!(journal.start(), second.first);
    let bytes = journal.bytes();
    journal.trim(second.end.seq).unwrap();
    assert_eq!((journal.start(), journal.bytes()), (second.end, bytes - second.bytes));
    assert_eq!(bench.files()[0], segment_name(second.end.seq));
    assert_eq!(read_all(&mut journal.reader(second.end)), ((second.end.seq..14).collect(), vec![]));
    journal.trim(u64::MAX).unwrap();
    assert_eq!(journal.segments().len(), 1);
    append(&mut journal, 1);
    assert_eq!(read_all(&mut journal.reader(position(14))).0.last(), Some(&14));
}

#[test]
fn a_dropped_segment_is_told_to_who_drops_and_to_who_reads() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 10);
    let mut reader = journal.reader(Position::default());
    reader.next(&mut Vec::new()).unwrap();
    let dropped = journal.drop_oldest().unwrap().unwrap();
    assert_eq!((dropped.first.seq, dropped.items()), (0, position(dropped.end.seq).items));
    assert_eq!(reader.next(&mut Vec::new()).unwrap(), ReadOutcome::Lost(loss(1..dropped.end.seq, LossCause::Dropped)));
    assert_eq!(read_all(&mut reader), ((dropped.end.seq..10).collect(), vec![]));
    // A reader that begins now hears of it too.
    let (_, losses) = read_all(&mut journal.reader(position(2)));
    assert_eq!(losses, [loss(2..dropped.end.seq, LossCause::Dropped)]);
}

#[test]
fn a_dropped_segment_takes_no_room_even_while_a_reader_is_in_it() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 4);
    let mut reader = journal.reader(Position::default());
    reader.next(&mut Vec::new()).unwrap();
    let held = bench.file(&segment_name(0));
    assert!(held.metadata().unwrap().len() > 0);
    journal.drop_oldest().unwrap().unwrap();
    assert_eq!(held.metadata().unwrap().len(), 0);
    assert_eq!(read_all(&mut reader), (vec![], vec![loss(1..4, LossCause::Dropped)]));
}

#[test]
fn even_the_segment_that_is_being_written_can_be_dropped_after_a_roll() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 2);
    let mut reader = journal.reader(Position::default());
    assert_eq!(journal.drop_oldest().unwrap(), None);
    journal.roll();
    assert_eq!(journal.drop_oldest().unwrap().unwrap().end, position(2));
    assert_eq!((journal.drop_oldest().unwrap(), journal.bytes()), (None, 0));
    assert_eq!(read_all(&mut reader), (vec![], vec![loss(0..2, LossCause::Dropped)]));
    append(&mut journal, 2);
    assert_eq!(read_all(&mut reader), (vec![2, 3], vec![]));
}

#[test]
fn a_record_that_a_dying_process_left_half_written_is_cut_off() {
    let (bytes, items) = payload(5);
    let mut torn = Vec::new();
    write_record(&mut torn, position(5), items, &bytes);
    for length in 1..torn.len() {
        let bench = Bench::new();
        append(&mut bench.open().0, 5);
        let newest = bench.files().into_iter().rev().nth(1).unwrap();
        let file = bench.file(&newest);
        file.write_all_at(&torn[..length], file.metadata().unwrap().len()).unwrap();
        let (mut journal, recovery) = bench.open();
        let known = length as u64 >= RECORD_BYTES;
        let (torn_items, unknown_bytes) = if known { (u64::from(items), 0) } else { (0, length as u64) };
        let torn_bytes = length as u64;
        assert_eq!(recovery, Recovery { torn_bytes, torn_items, unknown_bytes, ..Recovery::default() });
        append(&mut journal, 1);
        assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..6).collect(), vec![]));
    }
}

#[test]
fn a_segment_that_a_dying_process_had_just_begun_is_removed() {
    let header = SegmentHeader { first: position(5), created_ms: 0 }.to_bytes();
    for length in 0..=header.len() {
        let bench = Bench::new();
        append(&mut bench.open().0, 5);
        std::fs::write(bench.folder.path().join(segment_name(5)), &header[..length]).unwrap();
        let (mut journal, recovery) = bench.open();
        assert_eq!((journal.end(), recovery.set_aside.len()), (position(5), 0), "{length} bytes");
        append(&mut journal, 1);
        assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..6).collect(), vec![]));
    }
}

#[test]
fn zeros_at_the_end_are_cut_off_as_a_crash_of_the_machine_leaves_them() {
    let bench = Bench::new();
    append(&mut bench.open().0, 6);
    let newest = bench.files().into_iter().rev().nth(1).unwrap();
    let file = bench.file(&newest);
    file.set_len(file.metadata().unwrap().len() + 5_000).unwrap();
    let (journal, recovery) = bench.open();
    assert_eq!(recovery, Recovery { torn_bytes: 5_000, unknown_bytes: 5_000, ..Recovery::default() });
    assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..6).collect(), vec![]));
}

/// Where the record with that number is, in the segment that begins with another.
fn offset_of(first_seq: u64, seq: u64) -> u64 {
    HEADER_BYTES + (first_seq..seq).map(|seq| RECORD_BYTES + payload(seq).0.len() as u64).sum::<u64>()
}

#[test]
fn a_damaged_record_is_told_from_the_others_and_so_are_two_in_a_row() {
    let bench = Bench::new();
    append(&mut bench.open().0, 14);
    for seq in [5, 6] {
        // One in its payload, one in its fixed part.
        bench.flip(&segment_name(4), offset_of(4, seq) + if seq == 5 { RECORD_BYTES + 30 } else { 9 });
        let (journal, _) = bench.open();
        assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..14).collect(), vec![]));
        assert!(journal.segments().iter().all(|segment| !segment.damaged));
    }
}

#[test]
fn what_parity_does_not_tell_is_lost_and_nothing_else() {
    let bench = Bench::new();
    append(&mut bench.open().0, 14);
    // Both of one group, one of them in its fixed part.
    bench.flip(&segment_name(4), offset_of(4, 4) + 9);
    bench.flip(&segment_name(4), offset_of(4, 6) + RECORD_BYTES + 30);
    let (mut journal, _) = bench.open();
    let mut reader = journal.reader(Position::default());
    let (seqs, losses) = read_all(&mut reader);
    assert_eq!(losses, [loss(4..5, damaged(4)), loss(6..7, damaged(4))]);
    assert_eq!(seqs, (0..14).filter(|seq| ![4, 6].contains(seq)).collect::<Vec<_>>());
    // A reader that begins again finds the same, and hears nothing of what is before its position.
    assert_eq!(read_all(&mut journal.reader(Position::default())), (seqs, losses));
    assert_eq!(read_all(&mut journal.reader(position(5))).1, [loss(6..7, damaged(4))]);
    assert_eq!(read_all(&mut journal.reader(position(7))).1, []);
    // The file stays in the list until it is done with, and in the folder for ever.
    assert!(journal.segments()[1].damaged && journal.set_aside().unwrap().is_empty());
    let bytes = journal.segments()[1].bytes;
    journal.trim(u64::MAX).unwrap();
    let name = format!("{}.damaged", segment_name(4));
    assert_eq!(journal.set_aside().unwrap(), [DamagedFile { name: name.clone(), bytes }]);
    assert_eq!(bench.files(), [name, "lock".to_owned()]);
}

#[test]
fn of_three_damaged_in_a_row_the_one_that_is_alone_in_its_group_is_told() {
    // In the middle of what there is, and at the end of a segment.
    for (first, expected) in [(4, [4, 6]), (5, [5, 7])] {
        let bench = Bench::new();
        append(&mut bench.open().0, 14);
        (first..first + 3).for_each(|seq| bench.flip(&segment_name(4), offset_of(4, seq) + 9));
        let (journal, _) = bench.open();
        let (seqs, losses) = read_all(&mut journal.reader(Position::default()));
        assert_eq!(losses, expected.map(|seq| loss(seq..seq + 1, damaged(4))));
        assert_eq!(seqs, (0..14).filter(|seq| !expected.contains(seq)).collect::<Vec<_>>());
        // What builds on a lost first record is not taken for the beginning of a segment.
        let (mut reader, mut bytes, mut begun) = (journal.reader(Position::default()), Vec::new(), Vec::new());
        loop {
            match reader.next(&mut bytes).unwrap() {
                ReadOutcome::Record { at, first_of_segment, .. } if first_of_segment => begun.push(at.seq),
                ReadOutcome::End => break,
                _ => {}
            }
        }
        assert_eq!(begun, [0, 4, 8, 12].into_iter().filter(|seq| !expected.contains(seq)).collect::<Vec<_>>());
    }
}

#[test]
fn damage_at_the_end_is_no_torn_record_if_good_ones_follow() {
    for seq in 4..8 {
        let bench = Bench::new();
        append(&mut bench.open().0, 8);
        bench.flip(&segment_name(4), offset_of(4, seq) + 40);
        let (mut journal, recovery) = bench.open();
        assert_eq!(recovery, Recovery { damaged_end: true, ..Recovery::default() }, "record {seq}");
        assert_eq!(journal.end(), position(8));
        append(&mut journal, 2);
        assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..10).collect(), vec![]));
    }
}

#[test]
fn parity_is_there_also_after_the_death_of_the_process_and_not_twice() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 2);
    let bare = std::fs::read(bench.folder.path().join(segment_name(0))).unwrap();
    journal.protect();
    let protected = std::fs::read(bench.folder.path().join(segment_name(0))).unwrap();
    assert!(protected.len() > bare.len());
    append(&mut journal, 1);
    journal.protect();
    journal.protect();
    drop(journal);
    let whole = std::fs::read(bench.folder.path().join(segment_name(0))).unwrap();
    let longest = RECORD_BYTES as usize + payload(2).0.len();
    assert_eq!(whole.len() - longest, protected.len() + 2, "the parity of the longest of a group, once");
    // As a process that is killed leaves it.
    std::fs::write(bench.folder.path().join(segment_name(0)), &bare).unwrap();
    drop(bench.open());
    assert_eq!(std::fs::read(bench.folder.path().join(segment_name(0))).unwrap(), protected);
}

#[test]
fn damage_to_both_copies_of_a_header_loses_the_segment_and_nothing_else() {
    for (place, lost) in [(0, 0..4), (1, 4..8), (2, 8..12)] {
        let bench = Bench::new();
        append(&mut bench.open().0, 12);
        let name = segment_name(lost.start);
        bench.flip(&name, 20);
        let (journal, recovery) = bench.open();
        assert_eq!((recovery, journal.end()), (Recovery::default(), position(12)));
        drop(journal);
        bench.flip(&name, 60);
        let (mut journal, recovery) = bench.open();
        assert_eq!(recovery.set_aside.iter().map(|aside| &*aside.name).collect::<Vec<_>>(), [name + ".damaged"]);
        assert_eq!(journal.end(), position(12), "segment {place}");
        append(&mut journal, 2);
        let (seqs, losses) = read_all(&mut journal.reader(Position::default()));
        assert_eq!(seqs, (0..14).filter(|seq| !lost.contains(seq)).collect::<Vec<_>>());
        assert_eq!(losses, [loss(lost, LossCause::Missing)]);
    }
}

#[test]
fn a_file_of_another_version_or_kind_is_set_aside() {
    for other in [&b"skjrnl01 and so on"[..], b"skjrnl99", b"x", &[b"skjrnl01", &[3; 5000][..]].concat()] {
        let bench = Bench::new();
        append(&mut bench.open().0, 2);
        std::fs::write(bench.folder.path().join(segment_name(2)), other).unwrap();
        let (journal, recovery) = bench.open();
        let aside = DamagedFile { name: format!("{}.damaged", segment_name(2)), bytes: other.len() as u64 };
        assert_eq!(recovery.set_aside, std::slice::from_ref(&aside));
        assert_eq!(std::fs::read(bench.folder.path().join(aside.name)).unwrap(), other);
        assert_eq!(journal.end(), position(2));
    }
}

#[test]
fn a_file_that_somebody_removed_is_a_loss() {
    let bench = Bench::new();
    append(&mut bench.open().0, 12);
    let (mut journal, _) = bench.open();
    std::fs::remove_file(bench.folder.path().join(segment_name(4))).unwrap();
    let found = (vec![0, 1, 2, 3, 8, 9, 10, 11], vec![loss(4..8, LossCause::Missing)]);
    assert_eq!(read_all(&mut journal.reader(Position::default())), found);
    journal.trim(8).unwrap();
    assert_eq!(journal.start(), position(8));
    assert_eq!(bench.files(), [segment_name(8), "lock".to_owned()]);
    drop(journal);
    // The same if it happened while nobody was there; without the first one, the position says how much it was.
    std::fs::remove_file(bench.folder.path().join(segment_name(8))).unwrap();
    append(&mut bench.open_at(position(12)).0, 1);
    let (journal, _) = bench.open_at(position(10));
    assert_eq!(read_all(&mut journal.reader(position(10))), (vec![12], vec![loss(10..12, LossCause::Missing)]));
}

#[test]
fn a_file_that_is_cut_short_loses_what_is_cut_off() {
    let bench = Bench::new();
    append(&mut bench.open().0, 12);
    let (journal, _) = bench.open();
    let first_two = offset_of(4, 6);
    for length in [first_two + 9, first_two] {
        bench.file(&segment_name(4)).set_len(length).unwrap();
        let (seqs, losses) = read_all(&mut journal.reader(Position::default()));
        assert_eq!((seqs, losses), (vec![0, 1, 2, 3, 4, 5, 8, 9, 10, 11], vec![loss(6..8, damaged(4))]));
    }
    drop(journal);
    let (journal, _) = bench.open();
    assert_eq!(read_all(&mut journal.reader(Position::default())).1, [loss(6..8, LossCause::Missing)]);
}

#[test]
fn damage_in_the_segment_that_is_being_written_ends_it() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 2);
    bench.flip(&segment_name(0), HEADER_BYTES + 40);
    let mut reader = journal.reader(Position::default());
    assert_eq!(read_all(&mut reader), (vec![1], vec![loss(0..1, damaged(0))]));
    // The writer had been told that this one builds on those before, so it goes there.
    assert!(!journal.begins_segment());
    append(&mut journal, 1);
    assert_eq!(read_all(&mut reader), (vec![2], vec![]));
    assert!(journal.begins_segment());
    append(&mut journal, 1);
    assert_eq!(read_all(&mut reader), (vec![3], vec![]));
    // Now that it is finished, its parity tells what was lost.
    assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..4).collect(), vec![]));
}

#[test]
fn a_full_disk_keeps_nothing_of_a_record_and_everything_before_it() {
    let (bytes, _) = payload(2);
    for room in 0..RECORD_BYTES as usize + bytes.len() {
        let bench = Bench::new();
        let (mut journal, _) = bench.open();
        append(&mut journal, 2);
        faults::set(Faults { room: Some(room), ..Faults::default() });
        let error = journal.append(&bytes, 2).unwrap_err();
        assert!(matches!(error, JournalError::NoSpace { doing: "append to", .. }), "{error}");
        assert_eq!((journal.end(), journal.begins_segment()), (position(2), true));
        assert_eq!(bench.file(&segment_name(0)).metadata().unwrap().len(), journal.bytes());
        // Not even a segment can be begun now; nothing of it stays.
        let error = journal.append(&bytes, 2).unwrap_err();
        assert!(matches!(error, JournalError::NoSpace { .. }), "{error}");
        assert_eq!(bench.files(), [&segment_name(0), "lock"]);
        faults::set(Faults::default());
        append(&mut journal, 2);
        assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..4).collect(), vec![]));
        drop(journal);
        let (journal, recovery) = bench.open();
        assert_eq!((recovery, journal.end()), (Recovery::default(), position(4)));
    }
}

#[test]
fn a_segment_begun_on_a_full_disk_is_used_when_there_is_room() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    for _ in 0..100 {
        faults::set(Faults { room: Some(HEADER_BYTES as usize + 20), ..Faults::default() });
        assert!(journal.append(&payload(0).0, 0).is_err());
        assert!(journal.begins_segment());
    }
    faults::set(Faults::default());
    assert_eq!(bench.files(), [&segment_name(0), "lock"]);
    append(&mut journal, 1);
    assert_eq!(read_all(&mut journal.reader(Position::default())), (vec![0], vec![]));
}

#[test]
fn a_part_of_a_record_that_cannot_even_be_cut_off_is_never_read() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 2);
    faults::set(Faults { room: Some(60), set_len_fails: true, ..Faults::default() });
    assert!(journal.append(&payload(2).0, 2).is_err());
    faults::set(Faults::default());
    append(&mut journal, 3);
    assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..5).collect(), vec![]));
    drop(journal);
    let (journal, recovery) = bench.open();
    assert_eq!(recovery, Recovery::default());
    assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..5).collect(), vec![]));
}

#[test]
fn a_record_that_is_too_large_is_rejected_and_the_journal_goes_on() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 1);
    let error = journal.append(&vec![0; MAX_PAYLOAD_BYTES + 1], 1).unwrap_err();
    assert!(matches!(error, JournalError::TooLarge { .. }), "{error}");
    assert!(journal.begins_segment());
    append(&mut journal, 1);
    let large = vec![7; MAX_PAYLOAD_BYTES];
    journal.append(&large, 1).unwrap();
    let (mut reader, mut bytes) = (journal.reader(position(2)), Vec::new());
    while !matches!(reader.next(&mut bytes).unwrap(), ReadOutcome::Record { at: Position { seq: 2, .. }, .. }) {}
    assert!(bytes == large);
}

#[test]
fn after_a_failed_sync_a_new_segment_begins() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 2);
    assert_eq!(journal.sync().unwrap(), position(2));
    faults::set(Faults { sync_fails: true, ..Faults::default() });
    assert!(journal.sync().is_err());
    faults::set(Faults::default());
    assert!(journal.begins_segment());
    append(&mut journal, 2);
    assert_eq!(journal.segments().len(), 2);
    assert_eq!(journal.sync().unwrap(), position(4));
    assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..4).collect(), vec![]));
}

#[test]
fn a_segment_without_a_record_is_made_anew_after_a_failed_sync() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    faults::set(Faults { room: Some(HEADER_BYTES as usize), sync_fails: true, ..Faults::default() });
    assert!(journal.append(&payload(0).0, 0).is_err() && journal.sync().is_err());
    faults::set(Faults::default());
    let mut reader = journal.reader(Position::default());
    assert_eq!(read_all(&mut reader), (vec![], vec![]));
    append(&mut journal, 2);
    assert_eq!(journal.segments().len(), 1);
    // Even for a reader that was in the old file.
    assert_eq!(read_all(&mut reader), (vec![0, 1], vec![]));
    assert_eq!(read_all(&mut journal.reader(Position::default())), (vec![0, 1], vec![]));
}

#[test]
fn a_sync_that_failed_unseen_is_told_to_the_next_who_waits() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 4 * MAX_UNSYNCED as u64);
    faults::set(Faults { sync_fails: true, ..Faults::default() });
    assert!(journal.append(&payload(journal.end().seq).0, 0).is_err());
    faults::set(Faults::default());
    assert!(journal.sync().is_err(), "a file of which it is not known whether it got to the disk was forgotten");
    append(&mut journal, 1);
    assert_eq!(journal.sync().unwrap(), journal.end());
}

#[test]
fn readers_account_for_every_record_that_is_appended_and_dropped() {
    const RECORDS: u64 = 5_000;
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    let follow = |mut reader: JournalReader| {
        let (mut at, mut read, mut bytes) = (Position::default(), 0, Vec::new());
        while at.seq < RECORDS {
            match reader.next(&mut bytes).unwrap() {
                ReadOutcome::Record { at: found, items, .. } => {
                    assert_eq!((found, (bytes.clone(), items)), (at, payload(at.seq)));
                    (at, read) = (at.after(items), read + 1);
                }
                ReadOutcome::Lost(loss) => {
                    assert_eq!((loss.from, loss.cause), (at, LossCause::Dropped));
                    at = loss.to;
                }
                ReadOutcome::End => std::thread::yield_now(),
            }
        }
        (at.items, read)
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| journal.reader(Position::default())).collect();
        let readers: Vec<_> = readers.into_iter().map(|reader| scope.spawn(move || follow(reader))).collect();
        for seq in 0..RECORDS {
            append(&mut journal, 1);
            if journal.segments().len() > 20 {
                journal.drop_oldest().unwrap().unwrap();
            }
            if seq % 1_000 == 0 {
                journal.trim(seq / 2).unwrap();
            }
        }
        for reader in readers {
            let (items, read) = reader.join().unwrap();
            assert_eq!(items, journal.end().items);
            assert!(read > 0);
        }
    });
}

#[test]
fn however_many_segments_are_finished_few_stay_open() {
    let bench = Bench::new();
    let (mut journal, _) = bench.open();
    append(&mut journal, 200);
    assert!(journal.unsynced.len() <= MAX_UNSYNCED);
    assert_eq!(read_all(&mut journal.reader(Position::default())).0.len(), 200);
}

#[test]
fn new_records_come_after_the_mark_even_if_the_files_are_gone() {
    let bench = Bench::new();
    append(&mut bench.open().0, 4);
    let mark = Position { seq: 40, items: 1_000 };
    let (mut journal, _) = bench.open_at(mark);
    assert_eq!(journal.end(), mark);
    assert_eq!(journal.append(b"new", 3).unwrap(), 40);
    let mut reader = journal.reader(mark);
    let record = ReadOutcome::Record { at: mark, items: 3, first_of_segment: true };
    assert_eq!(reader.next(&mut Vec::new()).unwrap(), record);
    let mut reader = journal.reader(position(4));
    let gap = Loss { from: position(4), to: mark, cause: LossCause::Missing };
    let mut bytes = Vec::new();
    for seq in 0..4 {
        assert!(matches!(reader.next(&mut bytes).unwrap(), ReadOutcome::Record { at, .. } if at == position(seq)));
    }
    assert_eq!(reader.next(&mut bytes).unwrap(), ReadOutcome::Lost(gap));
}

#[test]
fn a_file_that_claims_to_be_a_huge_record_costs_no_memory() {
    let bench = Bench::new();
    append(&mut bench.open().0, 12);
    let file = bench.file(&segment_name(4));
    for length in [u32::MAX, MAX_PAYLOAD_BYTES as u32 + 1, MAX_PAYLOAD_BYTES as u32] {
        file.write_all_at(&length.to_le_bytes(), HEADER_BYTES + 8).unwrap();
        let (journal, _) = bench.open();
        let (mut reader, mut bytes) = (journal.reader(position(4)), Vec::new());
        assert!(matches!(reader.next(&mut bytes).unwrap(), ReadOutcome::Record { at: Position { seq: 4, .. }, .. }));
        assert!(bytes.capacity() < 1_000);
    }
}

#[test]
fn a_segment_of_another_journal_is_set_aside() {
    let bench = Bench::new();
    append(&mut bench.open().0, 8);
    let header = SegmentHeader { first: Position { seq: 50, items: 0 }, created_ms: 0 };
    let mut bytes = Vec::new();
    write_record(&mut bytes, header.first, 1, b"not ours");
    std::fs::write(bench.folder.path().join(segment_name(50)), [&header.to_bytes()[..], &bytes].concat()).unwrap();
    let (mut journal, recovery) = bench.open();
    assert_eq!(recovery.set_aside[0].name, format!("{}.damaged", segment_name(50)));
    assert_eq!(journal.append(b"new", 0).unwrap(), 51);
    assert_eq!(journal.start(), position(0));
}

#[test]
fn segments_that_overlap_give_each_record_once() {
    let bench = Bench::new();
    append(&mut bench.open().0, 4);
    let header = SegmentHeader { first: position(2), created_ms: 0 };
    let (mut bytes, (payload, items)) = (Vec::new(), payload(2));
    write_record(&mut bytes, header.first, items, &payload);
    std::fs::write(bench.folder.path().join(segment_name(2)), [&header.to_bytes()[..], &bytes].concat()).unwrap();
    let (journal, _) = bench.open();
    assert_eq!(read_all(&mut journal.reader(Position::default())), (vec![0, 1, 2], vec![]));
}

#[test]
fn strange_files_are_left_alone() {
    let bench = Bench::new();
    for name in ["notes.txt", "00000000000000000000.seg.damaged", "1.seg"] {
        std::fs::write(bench.folder.path().join(name), b"mine").unwrap();
    }
    let (mut journal, recovery) = bench.open();
    assert_eq!(recovery, Recovery::default());
    append(&mut journal, 9);
    bench.flip(&segment_name(0), HEADER_BYTES + 3);
    bench.flip(&segment_name(0), offset_of(0, 2));
    read_all(&mut journal.reader(Position::default()));
    journal.trim(4).unwrap();
    let names: Vec<_> = journal.set_aside().unwrap().into_iter().map(|aside| aside.name).collect();
    assert_eq!(names, ["00000000000000000000.seg.2.damaged", "00000000000000000000.seg.damaged"]);
    for name in ["notes.txt", "00000000000000000000.seg.damaged", "1.seg"] {
        assert_eq!(std::fs::read(bench.folder.path().join(name)).unwrap(), b"mine");
    }
}

#[test]
fn parity_in_the_middle_of_a_segment_that_is_damaged_costs_nothing() {
    let bench = Bench::new();
    let config = JournalConfig { segment_bytes: 1 << 20, mark: Position::default() };
    let (mut journal, _) = Journal::open(bench.dir(), config).unwrap();
    append(&mut journal, 600);
    drop(journal);
    let bytes = std::fs::read(bench.folder.path().join(segment_name(0))).unwrap();
    let parity = |piece| match piece {
        crate::walk::SegmentPiece::Good(header, range) if header.kind == crate::format::RecordKind::Parity => {
            Some(range.start)
        }
        _ => None,
    };
    let places: Vec<usize> = crate::walk::SegmentWalk::new(&bytes).filter_map(parity).collect();
    assert!(places.len() > 6, "{places:?}");
    // In its fixed part, in its payload, and a record of the same group besides.
    for (place, record) in [(9, None), (40, None), (9, Some(500))] {
        std::fs::write(bench.folder.path().join(segment_name(0)), &bytes).unwrap();
        bench.flip(&segment_name(0), (places[0] + place) as u64);
        if let Some(seq) = record {
            let found = crate::walk::SegmentWalk::new(&bytes).find_map(|piece| match piece {
                crate::walk::SegmentPiece::Good(header, range) if header.seq == seq => Some(range.start),
                _ => None,
            });
            bench.flip(&segment_name(0), found.unwrap() as u64 + 50);
        }
        let (journal, _) = Journal::open(bench.dir(), config).unwrap();
        assert_eq!(read_all(&mut journal.reader(Position::default())), ((0..600).collect(), vec![]));
    }
}
