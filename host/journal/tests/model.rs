//! A journal does what a list of records does, whatever happens to its folder in between.
//!
//! Random sequences of appends, rolls, trims, drops, deaths with a record half written, and flipped bits run against a
//! journal and against [`Model`], which knows for every record in which file and at which offset it is. After each
//! step a reader must find exactly the records that the model has, and account for every one that is lost.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use proptest::prelude::*;
use saker_journal::{Journal, JournalConfig, Position, ReadOutcome, real};

const SEGMENT_BYTES: u64 = 600;
/// Two copies of it.
const SEGMENT_HEADER_BYTES: u64 = 72;
const RECORD_HEADER_BYTES: u64 = 32;
/// So many records in a row can be told from parity.
const LANES: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Append {
        bytes: usize,
        items: u32,
    },
    Roll,
    Sync,
    /// Of all records, so many thousandths are done with.
    Trim(u64),
    DropOldest,
    /// The process ends and begins again, with so many bytes of a record behind the last one.
    Restart {
        torn_bytes: usize,
    },
    /// While it is away, a bit flips: in which segment and where, in thousandths.
    Flip {
        segment: u64,
        place: u64,
    },
    /// While it is away, a segment's file goes away.
    Remove {
        segment: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => (0..200_usize, 0..5_000_u32).prop_map(|(bytes, items)| Step::Append { bytes, items }),
        2 => Just(Step::Roll),
        1 => Just(Step::Sync),
        2 => (0..1_000_u64).prop_map(Step::Trim),
        1 => Just(Step::DropOldest),
        3 => (0..100_usize).prop_map(|torn_bytes| Step::Restart { torn_bytes }),
        2 => (0..1_000_u64, 0..1_000_u64).prop_map(|(segment, place)| Step::Flip { segment, place }),
        1 => (0..1_000_u64).prop_map(|segment| Step::Remove { segment }),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Default)]
struct Model {
    segments: Vec<Segment>,
    /// Every record that was appended, with its weight, unless it was let go of, or cut off as a torn one.
    records: BTreeMap<u64, (Vec<u8>, u32)>,
    end: Position,
    writing: bool,
    /// Tells one record from the next.
    appended: u64,
}

struct Segment {
    first: Position,
    offsets: Vec<Range<u64>>,
    bad: Vec<bool>,
    /// So many of them count; others were lost at its end.
    len: usize,
    /// Either copy.
    bad_header: [bool; 2],
}

impl Segment {
    fn name(&self) -> String {
        format!("{:020}.seg", self.first.seq)
    }

    fn bytes(&self) -> u64 {
        self.offsets[..self.len].last().map_or(SEGMENT_HEADER_BYTES, |last| last.end)
    }

    /// Whether a record can be read: if it is good, or the only bad one of its group.
    fn is_readable(&self, place: usize) -> bool {
        let lane = |other: &usize| (self.first.seq as usize + other) % LANES;
        let group = (0..self.bad.len()).filter(|other| lane(other) == lane(&place));
        !self.bad[place] || group.filter(|other| self.bad[*other]).count() == 1
    }

    /// The numbers of the records that can be read.
    fn readable(&self) -> impl Iterator<Item = u64> {
        (0..self.len).filter(|place| self.is_readable(*place)).map(|place| self.first.seq + place as u64)
    }

    fn has_header(&self) -> bool {
        self.bad_header != [true; 2]
    }
}

impl Model {
    fn append(&mut self, bytes: usize, items: u32) -> Vec<u8> {
        if !self.writing {
            self.segments.push(Segment {
                first: self.end,
                offsets: vec![],
                bad: vec![],
                len: 0,
                bad_header: [false; 2],
            });
        }
        let segment = self.segments.last_mut().unwrap();
        let start = segment.bytes();
        segment.offsets.push(start..start + RECORD_HEADER_BYTES + bytes as u64);
        segment.bad.push(false);
        segment.len += 1;
        self.writing = segment.bytes() < SEGMENT_BYTES;
        self.appended += 1;
        let payload: Vec<u8> = (0..bytes as u64).map(|place| (self.appended * 31 + place * 7) as u8).collect();
        self.records.insert(self.end.seq, (payload.clone(), items));
        self.end = self.end.after(items);
        payload
    }

    fn end_of(&self, segment: usize) -> u64 {
        self.segments.get(segment + 1).map_or(self.end, |next| next.first).seq
    }

    fn let_go_of_oldest(&mut self) {
        self.records = self.records.split_off(&self.end_of(0));
        self.segments.remove(0);
    }

    fn trim(&mut self, before: u64) {
        while self.segments.len() > usize::from(self.writing) && self.end_of(0) <= before {
            self.let_go_of_oldest();
        }
    }

    /// The place before a record, by the weights of those that are known.
    fn position(&self, seq: u64) -> Position {
        let behind: u64 = self.records.range(seq..).map(|(_, (_, items))| u64::from(*items)).sum();
        Position { seq, items: self.end.items - behind }
    }

    /// What a restart makes of the folder.
    fn restart(&mut self, mark: Position) {
        self.writing = false;
        let mut end = None;
        // The newest file tells where the journal ends; from one without a header only good records do.
        while let Some(newest) = self.segments.last_mut() {
            let good = newest.bad[..newest.len].iter().rposition(|bad| !bad).map(|last| last + 1);
            let behind = good.map(|good| newest.first.seq + good as u64);
            end = end.max(behind);
            if !newest.has_header() {
                self.segments.pop();
                continue;
            }
            // What follows the last good one, and cannot be told, is a torn tail.
            let mut last = good.unwrap_or(0);
            while last < newest.len && newest.is_readable(last) {
                last += 1;
            }
            end = end.max(Some(newest.first.seq + last as u64));
            newest.len = last;
            if !newest.bad[..last].contains(&true) {
                newest.offsets.truncate(last);
                newest.bad.truncate(last);
            }
            end = end.max(Some(newest.first.seq));
            if newest.len == 0 {
                self.segments.pop();
            }
            break;
        }
        self.segments.retain(Segment::has_header);
        // What is behind the end is as if it had never been, unless it was done with.
        let end = self.position(end.unwrap_or(0).min(self.end.seq));
        self.records.split_off(&end.seq);
        self.end = Position { seq: end.seq.max(mark.seq), items: end.items.max(mark.items) };
    }

    /// The numbers that a reader from the oldest segment on finds, and those that it finds lost.
    fn expected(&self, from: u64) -> (Vec<u64>, Vec<u64>) {
        let readable: Vec<u64> = self.segments.iter().flat_map(Segment::readable).collect();
        let lost = (from..self.end.seq).filter(|seq| !readable.contains(seq)).collect();
        (readable, lost)
    }
}

struct Bench {
    folder: tempfile::TempDir,
    journal: Option<Journal>,
    model: Model,
    mark: Position,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            folder: tempfile::tempdir().unwrap(),
            journal: None,
            model: Model::default(),
            mark: Position::default(),
        };
        bench.open();
        bench
    }

    fn open(&mut self) {
        let dir = Dir::open_ambient_dir(self.folder.path(), ambient_authority()).unwrap();
        let config = JournalConfig { segment_bytes: SEGMENT_BYTES, mark: self.mark };
        self.journal = Some(Journal::open(real(dir), config).unwrap().0);
    }

    fn restart(&mut self, away: impl FnOnce(&mut Self)) {
        self.journal = None;
        away(self);
        self.open();
        self.model.restart(self.mark);
    }

    fn file(&self, name: &str) -> File {
        File::options().read(true).write(true).open(self.folder.path().join(name)).unwrap()
    }

    fn run(&mut self, step: &Step) {
        let journal = self.journal.as_mut().unwrap();
        match *step {
            Step::Append { bytes, items } => {
                assert_eq!(journal.begins_segment(), !self.model.writing);
                let seq = self.model.end.seq;
                let payload = self.model.append(bytes, items);
                assert_eq!(journal.append(&payload, items).unwrap(), seq);
            }
            Step::Roll => {
                journal.roll();
                self.model.writing = false;
            }
            Step::Sync => assert_eq!(journal.sync().unwrap(), self.model.end),
            Step::Trim(part) => {
                let start = journal.start().seq.max(self.mark.seq);
                let seq = start + (self.model.end.seq - start) * part / 1_000;
                self.mark = self.mark.max(self.model.position(seq));
                journal.trim(seq).unwrap();
                self.model.trim(seq);
            }
            Step::DropOldest => {
                let dropped = journal.drop_oldest().unwrap();
                let oldest = (self.model.segments.len() > usize::from(self.model.writing)).then(|| {
                    let to = self.model.position(self.model.end_of(0));
                    self.model.let_go_of_oldest();
                    to
                });
                assert_eq!(dropped.map(|dropped| dropped.end), oldest);
                self.mark = self.mark.max(oldest.unwrap_or_default());
            }
            Step::Restart { torn_bytes } => self.restart(|bench| {
                if let Some(newest) = bench.model.segments.last() {
                    let file = bench.file(&newest.name());
                    file.write_all_at(&vec![0x5a; torn_bytes], file.metadata().unwrap().len()).unwrap();
                }
            }),
            Step::Flip { segment, place } => self.restart(|bench| bench.flip(segment, place)),
            Step::Remove { segment } => self.restart(|bench| {
                // Not the newest one: without it nobody knows that there was more.
                let count = bench.model.segments.len();
                if count > 1 {
                    let removed = bench.model.segments.remove(((count as u64 - 1) * segment / 1_000) as usize);
                    std::fs::remove_file(bench.folder.path().join(removed.name())).unwrap();
                }
            }),
        }
    }

    fn flip(&mut self, segment: u64, place: u64) {
        let count = self.model.segments.len() as u64;
        if count == 0 {
            return;
        }
        let name = self.model.segments[(count * segment / 1_000) as usize].name();
        let segment = &mut self.model.segments[(count * segment / 1_000) as usize];
        let offset = segment.bytes() * place / 1_000;
        match segment.offsets[..segment.len].iter().position(|record| record.contains(&offset)) {
            // A second flip could mend the first.
            Some(record) if segment.bad[record] => return,
            None if segment.bad_header[offset as usize / 36] => return,
            Some(record) => segment.bad[record] = true,
            None => segment.bad_header[offset as usize / 36] = true,
        }
        let (file, mut byte) = (self.file(&name), [0]);
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 1 << (place % 8)], offset).unwrap();
    }

    fn check(&self) {
        let journal = self.journal.as_ref().unwrap();
        assert_eq!(journal.end(), self.model.end);
        let start = self.model.segments.first().map_or(self.model.end, |oldest| oldest.first);
        assert_eq!(journal.start(), start);
        // Parity comes on top.
        assert!(journal.bytes() >= self.model.segments.iter().map(Segment::bytes).sum());
        for from in [start, self.mark] {
            self.check_reader(from);
        }
    }

    fn check_reader(&self, from: Position) {
        let mut reader = self.journal.as_ref().unwrap().reader(from);
        let (mut found, mut lost, mut bytes, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
        loop {
            match reader.next(&mut bytes).unwrap() {
                ReadOutcome::Record { at, items, first_of_segment } => {
                    assert_eq!(self.model.records[&at.seq], (bytes.clone(), items));
                    assert_eq!(self.model.segments.iter().any(|segment| segment.first == at), first_of_segment);
                    assert!(last < Some(at.seq), "in order");
                    found.push(at.seq);
                    last = Some(at.seq);
                }
                ReadOutcome::Lost(loss) => {
                    assert!(last < Some(loss.from.seq) && loss.from.seq >= from.seq, "in order");
                    lost.extend(loss.from.seq..loss.to.seq);
                    last = Some(loss.to.seq - 1);
                    let known = (loss.from.seq..loss.to.seq).all(|seq| self.model.records.contains_key(&seq));
                    let items = |seq| self.model.position(seq).items;
                    assert!(!known || loss.items() == items(loss.to.seq) - items(loss.from.seq), "{loss:?}");
                }
                ReadOutcome::End => break,
            }
        }
        let (expected, expected_lost) = self.model.expected(from.seq);
        // A reader begins with the segment that holds its position.
        let first = self.model.segments.iter().rposition(|segment| segment.first.seq <= from.seq);
        let first = first.map_or(0, |place| self.model.segments[place].first.seq);
        let at_end = from.seq == self.model.end.seq && !self.model.writing;
        let expected: Vec<u64> = expected.into_iter().filter(|seq| *seq >= first && !at_end).collect();
        assert_eq!((found, lost), (expected, expected_lost));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_is_a_list_of_records_whatever_happens_to_its_folder(steps in steps()) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.run(step);
            bench.check();
        }
    }
}
