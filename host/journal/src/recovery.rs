//! Opening a journal: what a dying process left half written is cut off, what cannot be read is put aside.

use std::io;

use crate::disk::{Disk, DiskFile, OpenMode, read_exact_at, write_all_at};
use crate::error::JournalError;
use crate::format::{
    HEADER_BYTES, RECORD_BYTES, RecordHeader, RecordKind, SegmentHeader, parse_segment_name, segment_name,
};
use crate::journal::remove;
use crate::parity::{ParityLanes, recall};
use crate::position::Position;
use crate::shared::SegmentList;
use crate::walk::{SegmentPiece, SegmentWalk};

const LOCK_NAME: &str = "lock";
const ASIDE_SUFFIX: &str = ".damaged";

/// So much of a segment is looked at: none is larger, but for the record that fills it.
pub(crate) const MAX_SEGMENT_BYTES: u64 = 64 << 20;
/// A bad block costs what is read with it.
const CHUNK_BYTES: usize = 4096;

/// What was found when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Behind the last record: what was being written when the process or the machine died. It is cut off, unless there
    /// is damage before it.
    pub torn_bytes: u64,
    /// The weight of the records among it whose fixed part survives.
    pub torn_items: u64,
    /// The bytes among it that belong to no such record.
    pub unknown_bytes: u64,
    /// Whether there are good records behind damage in the newest segment. A reader will say what is lost.
    pub damaged_end: bool,
    /// Files with a segment's name and no segment in them, set aside now. A reader will say what is lost.
    pub set_aside: Vec<DamagedFile>,
}

/// A damaged file that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// What it is called now.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Takes the lock, which ends with the file.
pub(crate) fn lock(disk: &dyn Disk) -> Result<Box<dyn DiskFile>, JournalError> {
    let file = disk.open(LOCK_NAME, OpenMode::Create).map_err(JournalError::of("open", LOCK_NAME))?;
    match file.try_lock().map_err(JournalError::of("lock", LOCK_NAME))? {
        true => Ok(file),
        false => Err(JournalError::Locked),
    }
}

/// Finds out what there is, and leaves a folder that only holds segments which end where the next one begins.
pub(crate) fn recover(disk: &dyn Disk, mark: Position) -> Result<(SegmentList, Recovery), JournalError> {
    let mut files = Vec::new();
    // Newest first: from the newest one with a header on, nobody else tells where the journal ends.
    let mut newest = true;
    for first_seq in list(disk)?.into_iter().rev() {
        let name = segment_name(first_seq);
        let found = look_at(disk, &name, first_seq, newest).map_err(JournalError::of("recover", &name))?;
        newest &= found.header.is_none();
        files.push((name, found));
    }
    let (mut state, mut recovery, mut end) = (SegmentList::default(), Recovery::default(), Position::default());
    for (name, found) in files.into_iter().rev() {
        // A segment that claims to begin before the end of those before it is none of this journal.
        let header = found.header.filter(|header| header.first.items >= end.items);
        end = end.later(found.end).later(header.map_or(end, |header| header.first));
        recovery.torn_bytes += found.torn_bytes;
        recovery.torn_items += found.torn_items;
        recovery.unknown_bytes += found.unknown_bytes;
        recovery.damaged_end |= found.damaged_end;
        match header {
            _ if found.bytes == 0 => remove(disk, &name).map_err(JournalError::of("remove", &name))?,
            Some(header) => state.push(header, found.bytes),
            None => {
                let name = set_aside(disk, &name).map_err(JournalError::of("set aside", &name))?;
                recovery.set_aside.push(DamagedFile { name, bytes: found.bytes });
            }
        }
    }
    state.end = end.later(mark);
    Ok((state, recovery))
}

/// The numbers of the first records of the files that look like segments, in order.
fn list(disk: &dyn Disk) -> Result<Vec<u64>, JournalError> {
    let entries = disk.list().map_err(JournalError::of("list", "."))?;
    let mut numbers: Vec<u64> =
        entries.iter().filter(|entry| !entry.is_folder).filter_map(|entry| parse_segment_name(&entry.name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a file with a segment's name holds.
#[derive(Default)]
struct SegmentFile {
    header: Option<SegmentHeader>,
    /// Behind the last record, if it was looked for.
    end: Position,
    /// What is worth keeping.
    bytes: u64,
    torn_bytes: u64,
    torn_items: u64,
    unknown_bytes: u64,
    damaged_end: bool,
}

fn look_at(disk: &dyn Disk, name: &str, first_seq: u64, newest: bool) -> io::Result<SegmentFile> {
    let file = disk.open(name, OpenMode::Existing)?;
    let bytes = file.size()?;
    let mut head = vec![0; bytes.min(HEADER_BYTES) as usize];
    if !read_exact_at(&*file, &mut head, 0)? {
        return Err(io::Error::other("its beginning cannot be read"));
    }
    let header = SegmentHeader::parse(&head).filter(|header| header.first.seq == first_seq);
    match header {
        Some(header) if newest => find_end(&*file, header, bytes),
        Some(_) => Ok(SegmentFile { header, bytes, ..SegmentFile::default() }),
        None if bytes <= HEADER_BYTES && SegmentHeader::is_unfinished(&head) => {
            Ok(SegmentFile { torn_bytes: bytes, unknown_bytes: bytes, ..SegmentFile::default() })
        }
        None if !newest => Ok(SegmentFile { bytes, ..SegmentFile::default() }),
        None => {
            let FileImage { bytes: image, .. } = read_image(&*file, bytes)?;
            let ends = SegmentWalk::new(&image).filter_map(|piece| match piece {
                // No more records than that can have been in so few bytes.
                SegmentPiece::Good(header, _) if header.seq.wrapping_sub(first_seq) <= bytes => {
                    (header.kind == RecordKind::Data).then(|| header.end())
                }
                _ => None,
            });
            Ok(SegmentFile { end: ends.last().unwrap_or_default(), bytes, ..SegmentFile::default() })
        }
    }
}

/// A file, with zeros for what the disk does not give back.
pub(crate) struct FileImage {
    pub(crate) bytes: Vec<u8>,
    /// Behind the last part that it did not.
    unreadable_to: usize,
}

pub(crate) fn read_image(file: &dyn DiskFile, bytes: u64) -> io::Result<FileImage> {
    let mut image = FileImage { bytes: vec![0; bytes.min(MAX_SEGMENT_BYTES) as usize], unreadable_to: 0 };
    if !read_exact_at(file, &mut image.bytes, 0)? {
        for (place, chunk) in image.bytes.chunks_mut(CHUNK_BYTES).enumerate() {
            if !read_exact_at(file, chunk, (place * CHUNK_BYTES) as u64)? {
                chunk.fill(0);
                image.unreadable_to = place * CHUNK_BYTES + chunk.len();
            }
        }
    }
    Ok(image)
}

/// The end of the newest segment, as far as it is found.
struct SegmentEnd<'a> {
    image: &'a [u8],
    /// Behind the last record that there is,
    at: Position,
    /// and where that is in the file.
    offset: usize,
    lanes: ParityLanes,
    /// Records behind there whose payload is not as it was written.
    torn: Vec<RecordHeader>,
    damaged: bool,
}

/// Finds the end of the newest segment, cuts off what is no record, and covers what has no parity.
fn find_end(file: &dyn DiskFile, header: SegmentHeader, bytes: u64) -> io::Result<SegmentFile> {
    let FileImage { bytes: image, unreadable_to } = read_image(file, bytes)?;
    let (offset, lanes) = (HEADER_BYTES as usize, ParityLanes::default());
    let mut end = SegmentEnd { image: &image, at: header.first, offset, lanes, torn: Vec::new(), damaged: false };
    for piece in SegmentWalk::new(&image) {
        end.take(piece);
    }
    let header = Some(header);
    if bytes > MAX_SEGMENT_BYTES || unreadable_to > end.offset {
        // More than we write, or the disk does not tell what is there, and may another time: nothing is cut off, and no
        // number is given again that a record behind may have.
        let records = (bytes - end.offset as u64) / RECORD_BYTES;
        let end = Position { seq: end.at.seq + records, items: end.at.items };
        return Ok(SegmentFile { header, end, bytes, damaged_end: true, ..SegmentFile::default() });
    }
    let (torn_items, key_cache_bytes) = end.torn();
    let torn_bytes = bytes.saturating_sub(end.offset as u64);
    let unknown_bytes = torn_bytes - key_cache_bytes.min(torn_bytes);
    let mut found =
        SegmentFile { header, end: end.at, torn_bytes, torn_items, unknown_bytes, ..SegmentFile::default() };
    found.damaged_end = end.damaged;
    if end.offset as u64 == HEADER_BYTES {
        // Without a record it is no use.
        return Ok(found);
    }
    if end.damaged {
        // What is behind the end may be the parity of what is damaged.
        return Ok(SegmentFile { bytes, ..found });
    }
    if torn_bytes > 0 {
        file.set_size(end.offset as u64)?;
    }
    let mut parity = Vec::new();
    end.lanes.put_all(&mut parity);
    // Without room for it there is none.
    let covered = parity.is_empty() || write_all_at(file, &parity, end.offset as u64).is_ok();
    if !covered {
        file.set_size(end.offset as u64)?;
    }
    if torn_bytes > 0 || !parity.is_empty() {
        file.sync()?;
    }
    found.bytes = end.offset as u64 + if covered { parity.len() as u64 } else { 0 };
    Ok(found)
}

impl SegmentEnd<'_> {
    fn take(&mut self, piece: SegmentPiece) {
        match piece {
            SegmentPiece::Good(header, range) if header.kind == RecordKind::Parity => {
                // Of a record that is damaged, or of those that are there; else it is an old one that was written over.
                let mut kept = range.start == self.offset;
                while header.through >= self.at.seq
                    && let Some(record) = recall(self.image, self.at.seq)
                    && let Some(record) = RecordHeader::first_of(&record).filter(|record| record.is_at(self.at))
                {
                    (self.damaged, kept, self.at) = (true, true, record.end());
                }
                if kept {
                    self.offset = range.end;
                    self.lanes.covered(&header);
                }
            }
            SegmentPiece::Good(header, range) if self.is_behind(&header) => {
                self.damaged |= header.start() != self.at;
                // As many as there are lanes blind all of them.
                let missing = (self.at.seq..header.seq).take(crate::parity::LANES);
                missing.for_each(|seq| self.lanes.skip(seq));
                self.lanes.add(header.seq, &self.image[range.clone()]);
                self.torn.clear();
                (self.at, self.offset) = (header.end(), range.end);
            }
            SegmentPiece::Damaged(header) => self.torn.push(header),
            SegmentPiece::Good(..) | SegmentPiece::Gap => {}
        }
    }

    /// Whether a record may be one of this segment's behind the end. No more than that can have been in so few bytes.
    fn is_behind(&self, header: &RecordHeader) -> bool {
        let missing = header.seq.checked_sub(self.at.seq);
        missing.is_some_and(|missing| missing <= self.image.len() as u64) && header.start().items >= self.at.items
    }

    /// The weight of the torn records that follow the end, and their bytes.
    fn torn(&self) -> (u64, u64) {
        let (mut at, mut bytes) = (self.at, 0);
        for header in &self.torn {
            if header.is_at(at) {
                at = header.end();
                bytes += header.record_bytes();
            }
        }
        (at.items - self.at.items, bytes)
    }
}

/// Renames a file so that it is none of ours any more, and answers its new name.
pub(crate) fn set_aside(disk: &dyn Disk, name: &str) -> io::Result<String> {
    let names: Vec<String> = disk.list()?.into_iter().map(|entry| entry.name).collect();
    let mut aside = format!("{name}{ASIDE_SUFFIX}");
    // Of two damaged files by one name both are kept. Nobody else makes such names: the folder is locked.
    let mut number = 1_u32;
    while names.contains(&aside) {
        number += 1;
        aside = format!("{name}.{number}{ASIDE_SUFFIX}");
    }
    match disk.rename(name, &aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(aside),
    }
}

pub(crate) fn list_set_aside(disk: &dyn Disk) -> Result<Vec<DamagedFile>, JournalError> {
    let entries = disk.list().map_err(JournalError::of("list", "."))?;
    let mut list: Vec<DamagedFile> = entries
        .into_iter()
        .filter(|entry| entry.name.ends_with(ASIDE_SUFFIX))
        .map(|entry| DamagedFile { name: entry.name, bytes: entry.bytes })
        .collect();
    list.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(list)
}
