//! Opening a journal: what a dying process left half written is cut off, what cannot be read is put aside.

use std::fs::{File, TryLockError};
use std::io;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use crate::error::JournalError;
use crate::format::{
    HEADER_BYTES, MAX_PAYLOAD_BYTES, RECORD_BYTES, RecordHeader, SegmentHeader, parse_segment_name, read_exact_at,
    read_record, segment_name,
};
use crate::journal::remove;
use crate::position::Position;
use crate::shared::State;

const LOCK_NAME: &str = "lock";
const ASIDE_SUFFIX: &str = ".damaged";

/// How far behind damage at the end of the journal good records are looked for. More than the largest record, and
/// than a segment of the default size.
const SEARCH_BYTES: u64 = 64 << 20;
/// How many bytes are checksummed in that search, so that a file made to look like many records cannot hold it up.
const SEARCH_HASHED_BYTES: usize = 256 << 20;

/// What was found when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Cut off the end: a record that was being written when the process or the machine died.
    pub torn_bytes: u64,
    /// Whether there are good records behind damage in the newest segment. A reader will say what is lost.
    pub damaged_end: bool,
    /// Files with a segment's name and no segment in them, set aside now. A reader will say what is lost.
    pub set_aside: Vec<SetAside>,
}

/// A damaged file that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// What it is called now.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Takes the lock, which ends with the file.
pub(crate) fn lock(dir: &Dir) -> Result<File, JournalError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = dir.open_with(LOCK_NAME, &options).map_err(JournalError::of("open", LOCK_NAME))?.into_std();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked),
        Err(TryLockError::Error(error)) => Err(JournalError::of("lock", LOCK_NAME)(error)),
    }
}

/// Finds out what there is, and leaves a folder that only holds segments which end where the next one begins.
pub(crate) fn recover(dir: &Dir, mark: Position) -> Result<(State, Recovery), JournalError> {
    let mut files = Vec::new();
    // Newest first: from the newest one with a header on, nobody else tells where the journal ends.
    let mut newest = true;
    for first_seq in list(dir)?.into_iter().rev() {
        let name = segment_name(first_seq);
        let found = look_at(dir, &name, first_seq, newest).map_err(JournalError::of("recover", &name))?;
        newest &= found.header.is_none();
        files.push((name, found));
    }
    let (mut state, mut recovery, mut end) = (State::default(), Recovery::default(), Position::default());
    for (name, found) in files.into_iter().rev() {
        // A segment that claims to begin before the end of those before it is none of this journal.
        let header = found.header.filter(|header| header.first.items >= end.items);
        end = end.later(found.end).later(header.map_or(end, |header| header.first));
        recovery.torn_bytes += found.torn_bytes;
        recovery.damaged_end |= found.damaged_end;
        match header {
            _ if found.bytes == 0 => remove(dir, &name).map_err(JournalError::of("remove", &name))?,
            Some(header) => state.push(header, found.bytes),
            None => {
                let name = set_aside(dir, &name).map_err(JournalError::of("set aside", &name))?;
                recovery.set_aside.push(SetAside { name, bytes: found.bytes });
            }
        }
    }
    state.end = end.later(mark);
    Ok((state, recovery))
}

/// The numbers of the first records of the files that look like segments, in order.
fn list(dir: &Dir) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    for entry in dir.entries().map_err(JournalError::of("list", "."))? {
        let name = entry.map_err(JournalError::of("list", "."))?.file_name();
        numbers.extend(name.to_str().and_then(parse_segment_name));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a file with a segment's name holds.
#[derive(Default)]
struct Found {
    header: Option<SegmentHeader>,
    /// Behind the last good record, if it was looked for.
    end: Position,
    /// What is worth keeping.
    bytes: u64,
    torn_bytes: u64,
    damaged_end: bool,
}

fn look_at(dir: &Dir, name: &str, first_seq: u64, newest: bool) -> io::Result<Found> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let file = dir.open_with(name, &options)?.into_std();
    let bytes = file.metadata()?.len();
    let mut header = [0; HEADER_BYTES as usize];
    let readable = bytes >= HEADER_BYTES && read_exact_at(&file, &mut header, 0)?;
    let header = SegmentHeader::parse(&header).filter(|header| readable && header.first.seq == first_seq);
    match header {
        Some(header) if newest => find_end(&file, header, bytes),
        Some(_) => Ok(Found { header, bytes, ..Found::default() }),
        // A segment that was just being made.
        None if bytes <= HEADER_BYTES => Ok(Found { torn_bytes: bytes, ..Found::default() }),
        None => {
            let end = if newest { search(&file, HEADER_BYTES, bytes, first_seq)? } else { None };
            Ok(Found { end: end.unwrap_or_default(), bytes, ..Found::default() })
        }
    }
}

/// Finds the end of the newest segment, and cuts off what is no record.
fn find_end(file: &File, header: SegmentHeader, bytes: u64) -> io::Result<Found> {
    let (mut end, mut offset, mut payload) = (header.first, HEADER_BYTES, Vec::new());
    while let Some(record) = read_record(file, offset, bytes, end, &mut payload)? {
        (end, offset) = (end.after(record.items), offset + record.bytes);
    }
    let header = Some(header);
    if let Some(behind) = search(file, offset, bytes, end.seq)? {
        return Ok(Found { header, end: end.later(behind), bytes, damaged_end: true, ..Found::default() });
    }
    let torn_bytes = bytes - offset;
    if offset == HEADER_BYTES {
        // Without a record it is no use.
        return Ok(Found { header, end, torn_bytes, ..Found::default() });
    }
    if torn_bytes > 0 {
        file.set_len(offset)?;
        file.sync_data()?;
    }
    Ok(Found { header, end, bytes: offset, torn_bytes, ..Found::default() })
}

/// Looks for good records from that offset on, with that number or a higher one; answers where the last of them ends.
/// Only if the answer is none, what is there can be cut off: where it could not look everywhere, it answers zero.
fn search(file: &File, offset: u64, bytes: u64, from_seq: u64) -> io::Result<Option<Position>> {
    let mut rest = vec![0; bytes.saturating_sub(offset).min(SEARCH_BYTES) as usize];
    let mut complete = read_exact_at(file, &mut rest, offset)? && rest.len() as u64 + offset >= bytes;
    // No more records than that can have been in so few bytes.
    let seqs = from_seq..=from_seq + bytes / RECORD_BYTES;
    let (mut place, mut hashed, mut end) = (0, 0, None);
    while let Some((header, behind)) = rest.get(place..).and_then(|rest| rest.split_first_chunk()) {
        place += 1;
        let Some(header) = RecordHeader::parse(header).filter(|header| seqs.contains(&(header.end.seq - 1))) else {
            continue;
        };
        let Some(payload) = behind.get(..header.payload_bytes) else { continue };
        hashed += payload.len();
        if hashed > SEARCH_HASHED_BYTES {
            complete = false;
            break;
        }
        if header.fits(payload) {
            end = Some(header.end);
            place += header.record_bytes() as usize - 1;
        }
    }
    Ok(end.or((!complete).then(Position::default)))
}

/// Renames a segment's file so that it is none any more, and answers its new name.
pub(crate) fn set_aside(dir: &Dir, name: &str) -> io::Result<String> {
    let mut aside = format!("{name}{ASIDE_SUFFIX}");
    // Of two damaged files by one name both are kept. Nobody else makes such names: the folder is locked.
    let mut number = 1_u32;
    while dir.symlink_metadata(&aside).is_ok() {
        number += 1;
        aside = format!("{name}.{number}{ASIDE_SUFFIX}");
    }
    match dir.rename(name, dir, &aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(aside),
    }
}

pub(crate) fn list_set_aside(dir: &Dir) -> Result<Vec<SetAside>, JournalError> {
    let list = || {
        let mut list = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(name) = name.to_str().filter(|name| name.ends_with(ASIDE_SUFFIX)) {
                list.push(SetAside { name: name.to_owned(), bytes: entry.metadata()?.len() });
            }
        }
        list.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(list)
    };
    list().map_err(JournalError::of("list", "."))
}

/// A record as large as can be is found behind the damage.
const _: () = assert!(SEARCH_BYTES > 2 * MAX_PAYLOAD_BYTES as u64);
