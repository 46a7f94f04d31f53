//! Records to points.

use saker_model::{Point, Series, SeriesId};

use super::bytes::ByteReader;
use super::column::ColumnReader;
use super::definition;
use super::values::{ValueReader, ValueState};
use super::{MAX_RECORD_POINTS, VERSION};

/// Decodes the records of one journal in order, and remembers what was said in the segment so far.
#[derive(Default)]
pub struct RecordDecoder {
    /// By place in the segment.
    series: Vec<SegmentSeries>,
    states: Vec<ValueState>,
    before: Option<Series>,
    /// Where the two columns are.
    last_series: i64,
    last_time: i64,
    /// A segment was begun, and each of its records so far was decoded.
    in_step: bool,
}

/// What is known of a series in a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SegmentSeries {
    As(SeriesId),
    /// There was no room for it.
    Rejected,
    /// Its handle may mean another by now.
    Forgotten,
}

/// What was in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodedRecord {
    /// Points that were handed out.
    pub points: usize,
    /// Points whose series was not taken.
    pub rejected: usize,
}

/// Why a record cannot be decoded. No more of its segment can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Another version of saker wrote it.
    #[error("the queue was written by another version of saker, in format {0}; this one knows {VERSION}")]
    Version(u8),
    /// It is not what an [`RecordEncoder`](super::RecordEncoder) makes.
    #[error("a record of the queue is no good: its {0} cannot be read")]
    Malformed(&'static str),
    /// A record of the segment before it was passed over or no good.
    #[error("a record of the queue builds on one before that was not read")]
    OutOfStep,
    /// It has points of a series that was [forgotten](super::RecordDecoder::forget). With the segment read again from its
    /// beginning it can be decoded.
    #[error("a record of the queue has points of a series that was forgotten since its segment was begun")]
    Forgotten,
}

impl RecordDecoder {
    /// Appends the points of a record to `out`. `new_segment` says that it is the first of its segment. `intern`
    /// gives each series that is defined in it a handle, or none if there is no room; then its points are counted and
    /// left out.
    ///
    /// # Errors
    /// See [`CodecError`]; `out` is as it was then.
    pub fn decode(
        &mut self,
        new_segment: bool,
        record: &[u8],
        intern: impl FnMut(Series) -> Option<SeriesId>,
        out: &mut Vec<Point>,
    ) -> Result<DecodedRecord, CodecError> {
        if new_segment {
            // Also gives back the memory of a segment with many series.
            *self = Self { in_step: true, ..Self::default() };
        }
        if !std::mem::take(&mut self.in_step) {
            return Err(CodecError::OutOfStep);
        }
        let before = out.len();
        let decoded = self.decode_parts(record, intern, out);
        match decoded {
            Ok(_) => self.in_step = true,
            Err(_) => out.truncate(before),
        }
        decoded
    }

    /// Drops handles that may be given to other series. A record with further points of theirs in the same segment
    /// cannot be decoded.
    pub fn forget(&mut self, ids: &[SeriesId]) {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        for known in &mut self.series {
            if matches!(known, SegmentSeries::As(id) if ids.binary_search(id).is_ok()) {
                *known = SegmentSeries::Forgotten;
            }
        }
    }

    fn decode_parts(
        &mut self,
        record: &[u8],
        intern: impl FnMut(Series) -> Option<SeriesId>,
        out: &mut Vec<Point>,
    ) -> Result<DecodedRecord, CodecError> {
        let parts = RecordParts::of(record)?;
        self.define(parts.defined, parts.definitions, intern)?;
        let mut series = ColumnReader::new(parts.series, self.last_series);
        let mut times = ColumnReader::new(parts.times, self.last_time);
        let mut values = ValueReader::new(parts.values);
        let mut rejected = 0;
        out.reserve(parts.points);
        for _ in 0..parts.points {
            let place = series.next().and_then(|place| usize::try_from(place).ok());
            let place = place.ok_or(CodecError::Malformed("column of series"))?;
            let (Some(state), Some(&known)) = (self.states.get_mut(place), self.series.get(place)) else {
                return Err(CodecError::Malformed("column of series"));
            };
            let timestamp_ms = times.next().ok_or(CodecError::Malformed("column of times"))?;
            let value = values.next(state).ok_or(CodecError::Malformed("values"))?;
            match known {
                SegmentSeries::As(series) => out.push(Point { series, timestamp_ms, value }),
                SegmentSeries::Rejected => rejected += 1,
                SegmentSeries::Forgotten => return Err(CodecError::Forgotten),
            }
        }
        if !(series.is_done() && times.is_done() && values.is_done()) {
            return Err(CodecError::Malformed("end"));
        }
        (self.last_series, self.last_time) = (series.last, times.last);
        Ok(DecodedRecord { points: parts.points - rejected, rejected })
    }

    fn define(
        &mut self,
        count: usize,
        bytes: &[u8],
        mut intern: impl FnMut(Series) -> Option<SeriesId>,
    ) -> Result<(), CodecError> {
        let mut bytes = ByteReader(bytes);
        let mut before = self.before.take().unwrap_or_else(definition::nothing);
        for _ in 0..count {
            let series = definition::get(&mut bytes, &before).ok_or(CodecError::Malformed("definition of a series"))?;
            before = series.clone();
            self.series.push(intern(series).map_or(SegmentSeries::Rejected, SegmentSeries::As));
            self.states.push(ValueState::default());
        }
        self.before = Some(before);
        if bytes.0.is_empty() { Ok(()) } else { Err(CodecError::Malformed("list of definitions")) }
    }
}

/// A record, taken apart.
struct RecordParts<'a> {
    points: usize,
    defined: usize,
    definitions: &'a [u8],
    series: &'a [u8],
    times: &'a [u8],
    values: &'a [u8],
}

impl<'a> RecordParts<'a> {
    fn of(record: &'a [u8]) -> Result<Self, CodecError> {
        let mut bytes = ByteReader(record);
        match bytes.byte() {
            Some(VERSION) => {}
            Some(version) => return Err(CodecError::Version(version)),
            None => return Err(CodecError::Malformed("version")),
        }
        Self::of_rest(bytes).ok_or(CodecError::Malformed("list of parts"))
    }

    fn of_rest(mut bytes: ByteReader<'a>) -> Option<Self> {
        let points = bytes.length(MAX_RECORD_POINTS)?;
        let most = bytes.0.len();
        let [defined, definitions, series, times] =
            [bytes.length(most)?, bytes.length(most)?, bytes.length(most)?, bytes.length(most)?];
        let [definitions, series, times] = [bytes.take(definitions)?, bytes.take(series)?, bytes.take(times)?];
        Some(Self { points, defined, definitions, series, times, values: bytes.0 })
    }
}
