//! The store's journal: what heads hold, until it is sealed and synced.
//!
//! ```text
//! series:   1, then each: varint slot, name
//! group:    2, varint group, text source, varint interval, varint first column, varint slot of each column …
//! row:      3, varint group, u8 whether it stands for itself, signed time, varint first column, varint columns,
//!           a bit for each column that differs from the row before, then for each of those a value
//! points:   4, then each: signed slot - the one before, signed time - the one before, value
//! delete:   5, varint generation, signed before, text key …
//! covered:  6, varint sides' record, then each: text source, varint interval, varint record
//! value:    varint with low bit 0: difference of integers, zigzag; or u8 with low bit 1: bytes << 4, and the XOR's low bytes
//! ```
//!
//! What a segment names is named again in the next one, so each can be read without those before. Slots are places in
//! the process's memory and mean nothing beyond. A *covered* record says what was sealed and synced: records below need
//! not be done again. To do them again is no harm: for each point the last acknowledged wins.

use saker_journal::{Journal, JournalError};

use crate::key::StoredAttributes;
use crate::names::{NameReader, NameWriter};
use crate::wire::{Wire, put_signed, put_text, put_varint, zigzag};

/// A segment is finished with so many bytes beside its names: small enough that little is read at a start.
const SEGMENT_BYTES: u64 = 8 << 20;
/// And after this time, so that what is sealed can go.
const SEGMENT_MS: i64 = 30 * 60_000;
/// Records are cut before this; one may be larger by a name or a value.
const RECORD_BYTES: usize = 40 << 10;

/// The kinds of records.
pub(crate) const SERIES: u8 = 1;
pub(crate) const GROUP: u8 = 2;
pub(crate) const ROW: u8 = 3;
pub(crate) const POINTS: u8 = 4;
pub(crate) const DELETE: u8 = 5;
pub(crate) const COVERED: u8 = 6;

/// A journal whose segments each begin with what they name.
pub(crate) struct Wal {
    pub(crate) journal: Journal,
    /// Changes with each segment: what was named in another one is named again.
    epoch: u32,
    bytes: u64,
    named_bytes: u64,
    began_ms: Option<i64>,
    buffer: Vec<u8>,
}

impl Wal {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, epoch: 1, bytes: 0, named_bytes: 0, began_ms: None, buffer: Vec::new() }
    }

    /// Finishes the segment if it is large or old enough. Between what belongs together only.
    pub(crate) fn turn(&mut self, now_ms: i64) {
        let began_ms = *self.began_ms.get_or_insert(now_ms);
        let old = now_ms.saturating_sub(began_ms).abs() >= SEGMENT_MS && self.bytes > 0;
        // As much again as names take: they would be most of it otherwise.
        if self.bytes >= SEGMENT_BYTES + 4 * self.named_bytes || old {
            self.journal.roll();
        }
        if self.journal.begins_segment() && self.bytes > 0 {
            self.begin(Some(now_ms));
        }
    }

    fn begin(&mut self, now_ms: Option<i64>) {
        self.epoch += 1;
        (self.bytes, self.named_bytes, self.began_ms) = (0, 0, now_ms);
    }

    /// What is named by then is named in the segment that the next record goes to.
    pub(crate) fn epoch(&mut self) -> u32 {
        if self.journal.begins_segment() && self.bytes > 0 {
            self.begin(None);
        }
        self.epoch
    }

    /// The segment that the last record went to.
    pub(crate) fn epoch_of_last(&self) -> u32 {
        self.epoch
    }

    fn append(&mut self, record: &[u8], items: u32, names: bool) -> Result<u64, JournalError> {
        // Whoever built on what the segment before named finds the epoch changed.
        self.epoch();
        match self.journal.append(record, items) {
            Ok(seq) => {
                self.bytes += record.len() as u64;
                self.named_bytes += if names { record.len() as u64 } else { 0 };
                Ok(seq)
            }
            Err(error) => {
                // The next record begins a segment.
                self.begin(None);
                Err(error)
            }
        }
    }

    /// Names series by their slots.
    pub(crate) fn series<'a>(
        &mut self,
        series: impl Iterator<Item = (u32, &'a str, StoredAttributes)>,
    ) -> Result<(), JournalError> {
        let mut record = std::mem::take(&mut self.buffer);
        record.clear();
        let mut writer = NameWriter::default();
        let mut result = Ok(());
        for (slot, key, attributes) in series {
            if record.is_empty() {
                record.push(SERIES);
                writer = NameWriter::default();
            }
            put_varint(&mut record, u64::from(slot));
            writer.put(&mut record, key, attributes);
            if record.len() >= RECORD_BYTES {
                result = self.append(&record, 0, true).map(drop);
                record.clear();
                if result.is_err() {
                    break;
                }
            }
        }
        if result.is_ok() && !record.is_empty() {
            result = self.append(&record, 0, true).map(drop);
        }
        self.buffer = record;
        result
    }

    /// Names the columns of a group from `first` on.
    pub(crate) fn group(
        &mut self,
        group: u32,
        source: &str,
        interval_ms: u32,
        first: usize,
        slots: &[u32],
    ) -> Result<(), JournalError> {
        const SLOTS: usize = 8192;
        let mut first = first;
        let mut rest = slots;
        loop {
            let (now, later) = rest.split_at(rest.len().min(SLOTS));
            let mut record = vec![GROUP];
            put_varint(&mut record, u64::from(group));
            put_text(&mut record, source.as_bytes());
            put_varint(&mut record, u64::from(interval_ms));
            put_varint(&mut record, first as u64);
            now.iter().for_each(|slot| put_varint(&mut record, u64::from(*slot)));
            self.append(&record, 0, true)?;
            (first, rest) = (first + now.len(), later);
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// A row of a group, against the row before unless that is `None`. Answers the number of its first record.
    pub(crate) fn row(
        &mut self,
        group: u32,
        time_ms: i64,
        values: &[f64],
        before: Option<&[f64]>,
    ) -> Result<u64, JournalError> {
        /// So that no record is beyond what the journal takes, at ten bytes a value.
        const COLUMNS: usize = 4096;
        let mut record = std::mem::take(&mut self.buffer);
        let mut first_seq = Ok(None);
        let mut column = 0;
        while column < values.len() || matches!(first_seq, Ok(None)) {
            let end = values.len().min(column + COLUMNS);
            record.clear();
            record.push(ROW);
            put_varint(&mut record, u64::from(group));
            record.push(u8::from(before.is_none()));
            put_signed(&mut record, time_ms);
            put_varint(&mut record, column as u64);
            put_varint(&mut record, (end - column) as u64);
            let before = before.map(|before| before.get(column..end.min(before.len())).unwrap_or_default());
            let items = put_cells(&mut record, &values[column..end], before.unwrap_or_default());
            match self.append(&record, items, false) {
                Ok(seq) => first_seq = Ok(first_seq.expect("no record has failed").or(Some(seq))),
                Err(error) => {
                    first_seq = Err(error);
                    break;
                }
            }
            column = end;
        }
        self.buffer = record;
        first_seq.map(|seq| seq.expect("there is a record for each row"))
    }

    /// Points of any series.
    pub(crate) fn points(&mut self, points: &[(u32, i64, f64)]) -> Result<u64, JournalError> {
        /// So that no record is beyond what the journal takes, at 25 bytes a point.
        const POINTS_MAX: usize = 2048;
        let mut record = std::mem::take(&mut self.buffer);
        let mut first_seq = Ok(None);
        for chunk in points.chunks(POINTS_MAX) {
            record.clear();
            record.push(POINTS);
            let (mut last_slot, mut last_ms) = (0, 0);
            for (slot, time_ms, value) in chunk {
                put_signed(&mut record, i64::from(*slot) - last_slot);
                put_signed(&mut record, time_ms - last_ms);
                put_value(&mut record, *value, 0.0);
                (last_slot, last_ms) = (i64::from(*slot), *time_ms);
            }
            match self.append(&record, chunk.len() as u32, false) {
                Ok(seq) => first_seq = first_seq.map(|first: Option<u64>| first.or(Some(seq))),
                Err(error) => {
                    first_seq = Err(error);
                    break;
                }
            }
        }
        self.buffer = record;
        first_seq.map(|seq| seq.unwrap_or_else(|| self.journal.end().seq))
    }

    /// That series were deleted, of all times before one.
    pub(crate) fn delete<'a>(
        &mut self,
        generation: u64,
        before_ms: i64,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<(), JournalError> {
        let head = |record: &mut Vec<u8>| {
            record.clear();
            record.push(DELETE);
            put_varint(record, generation);
            put_signed(record, before_ms);
        };
        let mut record = Vec::new();
        for key in keys {
            if record.is_empty() {
                head(&mut record);
            }
            put_text(&mut record, key.as_bytes());
            if record.len() >= RECORD_BYTES {
                self.append(&record, 0, false)?;
                record.clear();
            }
        }
        if !record.is_empty() {
            self.append(&record, 0, false)?;
        }
        Ok(())
    }

    /// That what was appended before these records is sealed and synced.
    pub(crate) fn covered<'a>(
        &mut self,
        sides: u64,
        groups: impl Iterator<Item = (&'a str, u32, u64)>,
    ) -> Result<(), JournalError> {
        let mut record = vec![COVERED];
        put_varint(&mut record, sides);
        for (source, interval_ms, seq) in groups {
            put_text(&mut record, source.as_bytes());
            put_varint(&mut record, u64::from(interval_ms));
            put_varint(&mut record, seq);
            if record.len() >= RECORD_BYTES {
                self.append(&record, 0, false)?;
                record.clear();
                record.push(COVERED);
                put_varint(&mut record, sides);
            }
        }
        self.append(&record, 0, false).map(drop)
    }
}

/// Which cells differ, and their values; answers how many cells there are.
fn put_cells(out: &mut Vec<u8>, values: &[f64], before: &[f64]) -> u32 {
    let bits_at = out.len();
    out.resize(bits_at + values.len().div_ceil(8), 0);
    for (place, value) in values.iter().enumerate() {
        let before = before.get(place).copied().unwrap_or_default();
        if value.to_bits() != before.to_bits() {
            out[bits_at + place / 8] |= 1 << (place % 8);
            put_value(out, *value, before);
        }
    }
    values.len() as u32
}

#[inline]
fn put_value(out: &mut Vec<u8>, value: f64, before: f64) {
    let (now, then) = (value as i64, before as i64);
    let is_integer = now as f64 == value && then as f64 == before && now.unsigned_abs() < 1 << 53;
    let difference = now.wrapping_sub(then);
    if is_integer && value.to_bits() != (-0.0_f64).to_bits() && difference.unsigned_abs() < 1 << 53 {
        put_varint(out, zigzag(difference) << 1);
    } else {
        let changed = (value.to_bits() ^ before.to_bits()).to_le_bytes();
        let bytes = changed.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        out.push((bytes as u8) << 4 | 1);
        out.extend_from_slice(&changed[..bytes]);
    }
}

fn read_value(wire: &mut Wire, before: f64) -> Option<f64> {
    if wire.0.first()? & 1 == 0 {
        let difference = wire.varint()? >> 1;
        let difference = (difference >> 1) as i64 ^ -((difference & 1) as i64);
        return Some((before as i64).wrapping_add(difference) as f64);
    }
    let count = usize::from(wire.u8()? >> 4);
    let mut changed = [0; 8];
    changed.get_mut(..count)?.copy_from_slice(wire.bytes(count)?);
    Some(f64::from_bits(before.to_bits() ^ u64::from_le_bytes(changed)))
}

/// A record, read.
pub(crate) enum WalRecord<'a> {
    Series(SeriesRecord<'a>),
    Group { group: u32, source: &'a str, interval_ms: u32, first: usize, slots: Vec<u32> },
    Row { group: u32, alone: bool, time_ms: i64, first: usize, columns: usize, cells: Wire<'a> },
    Points(Vec<(u32, i64, f64)>),
    Delete { generation: u64, before_ms: i64, keys: Vec<&'a str> },
    Covered { sides: u64, groups: Vec<(&'a str, u32, u64)> },
}

/// Names of series by their slots.
pub(crate) struct SeriesRecord<'a>(Wire<'a>);

impl SeriesRecord<'_> {
    pub(crate) fn read(mut self, mut each: impl FnMut(u32, &str, StoredAttributes)) -> Option<()> {
        let mut reader = NameReader::default();
        while !self.0.0.is_empty() {
            let slot = u32::try_from(self.0.varint()?).ok()?;
            let (key, attributes) = reader.read(&mut self.0)?;
            each(slot, key, attributes);
        }
        Some(())
    }
}

/// Reads a record; nothing if it is none of ours.
pub(crate) fn read_record(bytes: &[u8]) -> Option<WalRecord<'_>> {
    let mut wire = Wire(bytes);
    let narrow = |number: u64| u32::try_from(number).ok();
    match wire.u8()? {
        SERIES => Some(WalRecord::Series(SeriesRecord(wire))),
        GROUP => {
            let group = narrow(wire.varint()?)?;
            let source = std::str::from_utf8(wire.text()?).ok()?;
            let interval_ms = narrow(wire.varint()?)?;
            let first = usize::try_from(wire.varint()?).ok()?;
            let mut slots = Vec::new();
            while !wire.0.is_empty() {
                slots.push(narrow(wire.varint()?)?);
            }
            Some(WalRecord::Group { group, source, interval_ms, first, slots })
        }
        ROW => {
            let group = narrow(wire.varint()?)?;
            let alone = wire.u8()? == 1;
            let time_ms = wire.signed()?;
            let first = usize::try_from(wire.varint()?).ok()?;
            let columns = usize::try_from(wire.varint()?).ok()?;
            Some(WalRecord::Row { group, alone, time_ms, first, columns, cells: wire })
        }
        POINTS => {
            let (mut points, mut slot, mut time_ms) = (Vec::new(), 0_i64, 0_i64);
            while !wire.0.is_empty() {
                slot = slot.checked_add(wire.signed()?)?;
                time_ms = time_ms.checked_add(wire.signed()?)?;
                points.push((u32::try_from(slot).ok()?, time_ms, read_value(&mut wire, 0.0)?));
            }
            Some(WalRecord::Points(points))
        }
        DELETE => {
            let (generation, before_ms) = (wire.varint()?, wire.signed()?);
            let mut keys = Vec::new();
            while !wire.0.is_empty() {
                keys.push(std::str::from_utf8(wire.text()?).ok()?);
            }
            Some(WalRecord::Delete { generation, before_ms, keys })
        }
        COVERED => {
            let sides = wire.varint()?;
            let mut groups = Vec::new();
            while !wire.0.is_empty() {
                let source = std::str::from_utf8(wire.text()?).ok()?;
                groups.push((source, narrow(wire.varint()?)?, wire.varint()?));
            }
            Some(WalRecord::Covered { sides, groups })
        }
        _ => None,
    }
}

/// Reads the cells of a row over those of the row before.
pub(crate) fn read_cells(mut wire: Wire, values: &mut [f64]) -> Option<()> {
    let bits = wire.bytes(values.len().div_ceil(8))?;
    for (place, value) in values.iter_mut().enumerate() {
        if bits[place / 8] & (1 << (place % 8)) != 0 {
            *value = read_value(&mut wire, *value)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{ABSENT, STALE};

    #[test]
    fn values_come_back_to_the_bit() {
        let values = [0.0, -0.0, 1.0, -1.0, 0.1, 1e300, 9e15, -9e15, 1e18, ABSENT, STALE, 123_456.0, 99.99];
        for before in values {
            for value in values {
                let mut out = Vec::new();
                put_value(&mut out, value, before);
                let back = read_value(&mut Wire(&out), before).unwrap();
                assert_eq!(back.to_bits(), value.to_bits(), "{value} after {before}");
            }
        }
    }

    #[test]
    fn rows_come_back_over_the_row_before() {
        let (before, after) = ([1.0, 2.0, 3.5, ABSENT], [1.0, 5.0, 3.25, 7.0, 8.0]);
        let mut out = Vec::new();
        put_cells(&mut out, &after, &before);
        let mut values = [1.0, 2.0, 3.5, ABSENT, 0.0];
        read_cells(Wire(&out), &mut values).unwrap();
        assert_eq!(values, after);
    }
}
