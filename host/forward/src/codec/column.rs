//! Columns of numbers that mostly go on as before, as runs of one step.

use super::bytes::{ByteReader, put_number, zigzag};

/// The most bytes that a number takes: its step, and that it comes once.
pub(super) const MAX_NUMBER_BYTES: usize = 10 + 1;

/// Writes a column.
#[derive(Default)]
pub(super) struct ColumnWriter {
    bytes: Vec<u8>,
    last: i64,
    step: i64,
    count: u64,
}

impl ColumnWriter {
    /// Begins a segment.
    pub(super) fn reset(&mut self) {
        self.last = 0;
    }

    pub(super) fn push(&mut self, number: i64) {
        let step = number.wrapping_sub(self.last);
        self.last = number;
        if step != self.step {
            self.end_run();
            self.step = step;
        }
        self.count += 1;
    }

    fn end_run(&mut self) {
        if self.count > 0 {
            put_number(&mut self.bytes, zigzag(self.step));
            put_number(&mut self.bytes, self.count);
            self.count = 0;
        }
    }

    /// What it has written; the run that goes on comes on top.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Ends a record's part of the column.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.end_run();
        &self.bytes
    }

    /// Begins the next record's.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// Reads a column, number after number.
pub(super) struct ColumnReader<'a> {
    bytes: ByteReader<'a>,
    pub(super) last: i64,
    step: i64,
    left: u64,
}

impl<'a> ColumnReader<'a> {
    pub(super) fn new(bytes: &'a [u8], last: i64) -> Self {
        Self { bytes: ByteReader(bytes), last, step: 0, left: 0 }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<i64> {
        if self.left == 0 {
            self.step = self.bytes.signed()?;
            self.left = self.bytes.number().filter(|count| *count > 0)?;
        }
        self.left -= 1;
        self.last = self.last.wrapping_add(self.step);
        Some(self.last)
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0 && self.bytes.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(records: &[&[i64]], bytes: &[usize]) {
        let (mut writer, mut last, mut sizes) = (ColumnWriter::default(), 0, Vec::new());
        for record in records {
            writer.clear();
            record.iter().for_each(|number| writer.push(*number));
            let bytes = writer.finish();
            sizes.push(bytes.len());
            let mut reader = ColumnReader::new(bytes, last);
            for number in *record {
                assert_eq!(reader.next(), Some(*number));
            }
            assert!(reader.is_done() && reader.next().is_none());
            last = reader.last;
        }
        assert_eq!(sizes, bytes);
    }

    #[test]
    fn numbers_that_go_on_as_before_cost_two_bytes_for_all() {
        check(&[&[1, 2, 3, 4], &[5, 6], &[6, 6, 6]], &[2, 2, 2]);
        check(&[&[1_700_000_000_000; 50], &[1_700_000_000_000; 50], &[1_700_000_010_000; 50]], &[9, 2, 6]);
    }

    #[test]
    fn any_numbers_come_back() {
        check(&[&[i64::MAX, i64::MIN, 0, -1, i64::MIN, i64::MAX]], &[39]);
        check(&[&[], &[0], &[]], &[0, 2, 0]);
    }

    #[test]
    fn a_run_of_nothing_is_rejected() {
        assert_eq!(ColumnReader::new(&[2, 0], 0).next(), None);
    }
}
