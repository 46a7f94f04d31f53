//! Points to records.

use std::sync::Arc;

use saker_model::{Point, Series, SeriesId};

use super::bytes::put_number;
use super::column::{ColumnWriter, MAX_NUMBER_BYTES};
use super::definition;
use super::values::{MAX_VALUE_BYTES, ValueState, ValueWriter};
use super::{MAX_DEFINITION_BYTES, MAX_FRONT_BYTES, MAX_RECORD_BYTES, MAX_RECORD_POINTS, MAX_SERIES_BYTES, VERSION};

/// Encodes points for one journal, record by record, and remembers what was said in the segment so far.
#[derive(Default)]
pub struct RecordEncoder {
    /// By series.
    places: Vec<SegmentEntry>,
    /// By place in the segment.
    states: Vec<ValueState>,
    /// Of places in this segment; that of no place is zero.
    segment: u32,
    before: Option<Arc<Series>>,
    series: ColumnWriter,
    times: ColumnWriter,
    /// Of one record: definitions, and of its points their places.
    definitions: Vec<u8>,
    defined: usize,
    points: Vec<u32>,
}

/// Where a series is in a segment.
#[derive(Clone, Copy, Default)]
struct SegmentEntry {
    segment: u32,
    index: u32,
}

/// What became of the points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodeOutcome {
    /// So many of the points that were given have been dealt with. The rest needs another record.
    pub taken: usize,
    /// So many of them are in the record. If none is, there is no need to keep it.
    pub points: u32,
}

impl EncodeOutcome {
    /// Points that are in no record, because nobody knew their series.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.taken - self.points as usize
    }
}

/// So many points are put into a record or left out of it together,
const BLOCK_POINTS: usize = 64;
/// which take at most so much; with them what the record begins with, and the ends of its columns.
const MAX_BLOCK_BYTES: usize =
    BLOCK_POINTS * (MAX_VALUE_BYTES + 2 * MAX_NUMBER_BYTES) + MAX_FRONT_BYTES + 2 * (MAX_NUMBER_BYTES + 10);

/// Some points fit however much was defined.
const _: () = assert!(MAX_DEFINITION_BYTES + MAX_SERIES_BYTES + MAX_BLOCK_BYTES <= MAX_RECORD_BYTES);

/// No place: of a point whose series is not known.
const NOWHERE: u32 = u32::MAX;

impl RecordEncoder {
    /// Makes a record of the first of the points: of five thousand at least, if no more than some two thousand series
    /// are new among them. It has at most [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES).
    ///
    /// `out` is emptied first. `new_segment` says that the record will be the first of its segment; it has to be for
    /// the first one of all, and again after a record that was made but not kept. `series_of` is asked once a segment
    /// for each series that it knows.
    pub fn encode(
        &mut self,
        new_segment: bool,
        points: &[Point],
        series_of: impl FnMut(SeriesId) -> Option<Arc<Series>>,
        out: &mut Vec<u8>,
    ) -> EncodeOutcome {
        if new_segment {
            self.begin_segment();
        }
        self.place(points, series_of);
        let count = self.put_columns(points);
        let taken = self.points.len();
        let placed = || points.iter().zip(&self.points).filter(|(_, place)| **place != NOWHERE);
        let (series, times) = (self.series.finish(), self.times.finish());
        out.clear();
        out.push(VERSION);
        for number in [count, self.defined, self.definitions.len(), series.len(), times.len()] {
            put_number(out, number as u64);
        }
        for part in [&self.definitions, series, times] {
            out.extend_from_slice(part);
        }
        let mut values = ValueWriter::new(out, count);
        for (point, &place) in placed() {
            values.push(&mut self.states[place as usize], point.value);
        }
        values.finish();
        self.series.clear();
        self.times.clear();
        self.definitions.clear();
        self.defined = 0;
        EncodeOutcome { taken, points: count as u32 }
    }

    /// Drops what is known of series whose handles may be given to others, or which are to be defined again.
    pub fn forget(&mut self, ids: &[SeriesId]) {
        for id in ids {
            if let Some(place) = self.places.get_mut(id.index()) {
                *place = SegmentEntry::default();
            }
        }
    }

    /// Drops what is known of all series: each is defined again when it has a point.
    pub fn forget_all(&mut self) {
        self.places.fill(SegmentEntry::default());
    }

    fn begin_segment(&mut self) {
        self.segment += 1;
        // What one segment with many series has needed is not kept for ever.
        self.states.shrink_to(self.states.len());
        self.states.clear();
        self.before = None;
        self.series.reset();
        self.times.reset();
    }

    /// Writes the two columns of as many points as are sure to fit, forgets the others, and answers how many it were.
    /// Whether they fit is asked once a block, not once a point.
    fn put_columns(&mut self, points: &[Point]) -> usize {
        let (mut count, mut taken) = (0, 0);
        for (block, places) in points.chunks(BLOCK_POINTS).zip(self.points.chunks(BLOCK_POINTS)) {
            let so_far = self.definitions.len() + self.series.bytes() + self.times.bytes() + count * MAX_VALUE_BYTES;
            if so_far + MAX_BLOCK_BYTES > MAX_RECORD_BYTES {
                break;
            }
            for (point, &place) in block.iter().zip(places).filter(|(_, place)| **place != NOWHERE) {
                self.series.push(i64::from(place));
                self.times.push(point.timestamp_ms);
                count += 1;
            }
            taken += places.len();
        }
        self.points.truncate(taken);
        count
    }

    /// Finds the places of the points' series, and defines those that are new.
    fn place(&mut self, points: &[Point], mut series_of: impl FnMut(SeriesId) -> Option<Arc<Series>>) {
        self.points.clear();
        for point in points.iter().take(MAX_RECORD_POINTS) {
            let place = match self.places.get(point.series.index()) {
                Some(place) if place.segment == self.segment => place.index,
                _ if self.definitions.len() >= MAX_DEFINITION_BYTES => return,
                _ => match series_of(point.series).filter(|series| definition::is_definable(series)) {
                    Some(series) => self.define(point.series, series),
                    None => NOWHERE,
                },
            };
            self.points.push(place);
        }
    }

    #[cold]
    fn define(&mut self, id: SeriesId, series: Arc<Series>) -> u32 {
        match &self.before {
            Some(before) => definition::put(&mut self.definitions, &series, before),
            None => definition::put(&mut self.definitions, &series, &definition::nothing()),
        }
        self.defined += 1;
        self.before = Some(series);
        let index = self.states.len() as u32;
        self.states.push(ValueState::default());
        if id.index() >= self.places.len() {
            self.places.resize(id.index() + 1, SegmentEntry::default());
        }
        self.places[id.index()] = SegmentEntry { segment: self.segment, index };
        index
    }
}
