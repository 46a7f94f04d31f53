//! An extent: up to 64 series with their points, packed together.
//!
//! ```text
//! plain:   ids: varint count, varint first, varint gap to the next one - 1 …
//! packed:  mode u8 (0 one column of times for all, 1 one each)
//!          mode 0: times          varint length of each series' part …          the parts: column
//!          mode 1:                varint length of each series' part …          the parts: times, column
//! times:   varint count, signed first, signed deltas of deltas …
//! ```
//!
//! Series that are measured together share their times, which then cost nothing; one that was not there in a row has a
//! bit for it. How it is packed stands in the frame's codec byte.

use crate::column::{ABSENT, Scratch, is_absent, put_column, read_column};
use crate::wire::{Wire, put_signed, put_varint};

/// Series of one extent. Fewer compress worse, more make reading one series dearer.
pub(crate) const EXTENT_SERIES: usize = 64;
/// Rows of one extent: together with the series it bounds what one flipped bit can cost and what is unpacked to read one
/// series.
pub(crate) const EXTENT_ROWS: usize = 720;
/// What an extent may unpack to at the most, whatever a file says: rows of doubles with times of their own, and room.
const UNPACKED_MAX: usize = 4 << 20;
/// As in the prototype that was measured: higher levels cost more than they save.
const LEVEL: i32 = 3;

/// The payload is as it is.
pub(crate) const PLAIN: u8 = 0;
/// The payload is packed by zstd.
pub(crate) const ZSTD: u8 = 1;

const SHARED: u8 = 0;
const OWN: u8 = 1;

/// A point of a series: when, in milliseconds, and what.
pub(crate) type TimedValue = (i64, f64);

/// Makes extents.
pub(crate) struct Encoder {
    zstd: zstd::bulk::Compressor<'static>,
    scratch: Scratch,
    body: Vec<u8>,
    parts: Vec<u8>,
    lengths: Vec<usize>,
    column: Vec<f64>,
    times: Vec<i64>,
    both: Vec<i64>,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self {
            zstd: zstd::bulk::Compressor::new(LEVEL).expect("the level is one of zstd's"),
            scratch: Scratch::default(),
            body: Vec::new(),
            parts: Vec::new(),
            lengths: Vec::new(),
            column: Vec::new(),
            times: Vec::new(),
            both: Vec::new(),
        }
    }

    /// Series that share their times; `column` fills in the values of the n-th. Answers the codec.
    pub(crate) fn shared(
        &mut self,
        out: &mut Vec<u8>,
        times: &[i64],
        count: usize,
        mut column: impl FnMut(usize, &mut Vec<f64>),
    ) -> u8 {
        self.parts.clear();
        self.lengths.clear();
        for place in 0..count {
            let start = self.parts.len();
            self.column.clear();
            column(place, &mut self.column);
            put_column(&mut self.parts, &self.column, &mut self.scratch);
            self.lengths.push(self.parts.len() - start);
        }
        self.body.clear();
        self.body.push(SHARED);
        put_times(&mut self.body, times.iter().copied());
        self.finish(out)
    }

    /// Series with points of their own, which share their times if that is less.
    pub(crate) fn points(&mut self, out: &mut Vec<u8>, series: &[&[TimedValue]]) -> u8 {
        let mut times = std::mem::take(&mut self.times);
        let codec = if self.union(series, &mut times) {
            let cells = |place: usize, column: &mut Vec<f64>| fill(&times, series[place], column);
            self.shared(out, &times, series.len(), cells)
        } else {
            self.own(out, series)
        };
        self.times = times;
        codec
    }

    /// All times of series; false as soon as it is clear that sharing them is not less: a row that is missing somewhere
    /// costs about as much as a time.
    fn union(&mut self, series: &[&[TimedValue]], times: &mut Vec<i64>) -> bool {
        let all: usize = series.iter().map(|points| points.len()).sum();
        times.clear();
        for points in series {
            if !points.iter().map(|point| &point.0).eq(times.iter()) {
                self.both.clear();
                merge_times(times, points, &mut self.both);
                std::mem::swap(times, &mut self.both);
            }
            if times.len() * series.len() > all + all / 2 {
                return false;
            }
        }
        true
    }

    fn own(&mut self, out: &mut Vec<u8>, series: &[&[TimedValue]]) -> u8 {
        self.parts.clear();
        self.lengths.clear();
        for points in series {
            let start = self.parts.len();
            put_times(&mut self.parts, points.iter().map(|point| point.0));
            self.column.clear();
            self.column.extend(points.iter().map(|point| point.1));
            put_column(&mut self.parts, &self.column, &mut self.scratch);
            self.lengths.push(self.parts.len() - start);
        }
        self.body.clear();
        self.body.push(OWN);
        self.finish(out)
    }

    /// Lengths and parts behind what the body begins with, packed.
    fn finish(&mut self, out: &mut Vec<u8>) -> u8 {
        for length in &self.lengths {
            put_varint(&mut self.body, *length as u64);
        }
        self.body.extend_from_slice(&self.parts);
        let body = std::mem::take(&mut self.body);
        let codec = self.pack(out, &body);
        self.body = body;
        codec
    }

    /// Appends bytes, packed if that is less, and answers how.
    pub(crate) fn pack(&mut self, out: &mut Vec<u8>, body: &[u8]) -> u8 {
        let start = out.len();
        out.resize(start + zstd::zstd_safe::compress_bound(body.len()), 0);
        match self.zstd.compress_to_buffer(body, &mut out[start..]) {
            Ok(bytes) if bytes < body.len() => {
                out.truncate(start + bytes);
                ZSTD
            }
            _ => {
                out.truncate(start);
                out.extend_from_slice(body);
                PLAIN
            }
        }
    }
}

/// The times of both, each once; both are sorted.
fn merge_times(times: &[i64], points: &[TimedValue], both: &mut Vec<i64>) {
    let (mut rest, mut from) = (times, points);
    while let (Some(time), Some(point)) = (rest.first(), from.first()) {
        both.push(*time.min(&point.0));
        (rest, from) = (&rest[usize::from(*time <= point.0)..], &from[usize::from(point.0 <= *time)..]);
    }
    both.extend_from_slice(rest);
    both.extend(from.iter().map(|point| point.0));
}

fn fill(times: &[i64], points: &[TimedValue], column: &mut Vec<f64>) {
    let mut points = points.iter().peekable();
    for time in times {
        column.push(points.next_if(|point| point.0 == *time).map_or(ABSENT, |point| point.1));
    }
}

pub(crate) fn put_times(out: &mut Vec<u8>, times: impl ExactSizeIterator<Item = i64>) {
    put_varint(out, times.len() as u64);
    let (mut last, mut before) = (0, 0);
    for (place, time) in times.enumerate() {
        let delta = time - last;
        put_signed(out, delta - before);
        (last, before) = (time, if place == 0 { 0 } else { delta });
    }
}

pub(crate) fn read_times(wire: &mut Wire) -> Option<Vec<i64>> {
    let count = wire.count()?;
    let mut times = Vec::with_capacity(count);
    let (mut last, mut before) = (0_i64, 0_i64);
    for place in 0..count {
        let delta = wire.signed()?.wrapping_add(before);
        last = last.wrapping_add(delta);
        times.push(last);
        before = if place == 0 { 0 } else { delta };
    }
    Some(times)
}

/// Unpacks what [`Encoder::pack`] packed.
pub(crate) fn unpack(codec: u8, bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    match codec {
        PLAIN => Some(bytes.to_vec()),
        ZSTD => {
            let told = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten();
            let size = usize::try_from(told?).ok().filter(|size| *size <= most)?;
            zstd::bulk::decompress(bytes, size).ok()
        }
        _ => None,
    }
}

/// The numbers of the series in an extent: sorted.
pub(crate) fn put_ids(out: &mut Vec<u8>, ids: &[u32]) {
    put_varint(out, ids.len() as u64);
    let mut next = 0;
    for id in ids {
        put_varint(out, u64::from(id - next));
        next = id + 1;
    }
}

pub(crate) fn read_ids(wire: &mut Wire) -> Option<Vec<u32>> {
    let count = wire.count()?;
    let mut next = 0_u64;
    let ids = (0..count).map(|_| {
        let id = next.checked_add(wire.varint()?)?;
        next = id + 1;
        u32::try_from(id).ok()
    });
    ids.collect()
}

/// An extent of points, unpacked.
pub(crate) struct Unpacked {
    body: Vec<u8>,
    /// Where the parts of the series are.
    parts: Vec<std::ops::Range<usize>>,
    /// Of all of them, if they share it.
    times: Option<Vec<i64>>,
}

impl Unpacked {
    pub(crate) fn new(codec: u8, packed: &[u8], count: usize) -> Option<Self> {
        let body = unpack(codec, packed, UNPACKED_MAX)?;
        let mut wire = Wire(&body);
        let times = match wire.u8()? {
            SHARED => Some(read_times(&mut wire)?),
            OWN => None,
            _ => return None,
        };
        let lengths: Vec<usize> = (0..count).map(|_| wire.count()).collect::<Option<_>>()?;
        let mut at = body.len() - wire.0.len();
        let mut parts = Vec::with_capacity(count);
        for length in lengths {
            let end = at.checked_add(length).filter(|end| *end <= body.len())?;
            parts.push(at..end);
            at = end;
        }
        Some(Self { body, parts, times })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + 16 * self.parts.len() + 8 * self.times.as_ref().map_or(0, Vec::len)
    }

    /// Appends the points of the series at that place.
    pub(crate) fn read(&self, place: usize, column: &mut Vec<f64>, points: &mut Vec<TimedValue>) -> Option<()> {
        let mut wire = Wire(&self.body[self.parts.get(place)?.clone()]);
        let own;
        let times = match &self.times {
            Some(times) => times,
            None => {
                own = read_times(&mut wire)?;
                &own
            }
        };
        read_column(&mut wire, times.len(), column)?;
        points.extend(times.iter().copied().zip(column.iter().copied()).filter(|point| !is_absent(point.1)));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(series: &[Vec<TimedValue>]) -> usize {
        let (mut out, mut encoder) = (Vec::new(), Encoder::new());
        let slices: Vec<&[TimedValue]> = series.iter().map(Vec::as_slice).collect();
        let codec = encoder.points(&mut out, &slices);
        let unpacked = Unpacked::new(codec, &out, series.len()).unwrap();
        for (place, expected) in series.iter().enumerate() {
            let mut points = Vec::new();
            unpacked.read(place, &mut Vec::new(), &mut points).unwrap();
            assert_eq!(&points, expected);
        }
        out.len()
    }

    #[test]
    fn points_come_back_whether_they_share_their_times_or_not() {
        let ticks = |count: i64, step: i64, value: f64| -> Vec<TimedValue> {
            (0..count).map(|tick| (1_700_000_000_000 + tick * step, value + tick as f64)).collect()
        };
        let together: Vec<_> = (0..64).map(|series| ticks(60, 1000, f64::from(series))).collect();
        assert!(check(&together) < 64 * 60 / 5);
        check(&[ticks(60, 1000, 0.0), ticks(7, 777, 5.0), ticks(1, 1, 0.1), vec![]]);
        check(&[ticks(60, 1000, 0.0), ticks(59, 1000, 5.0)]);
        check(&[ticks(30, 2000, 0.0), ticks(60, 1000, 5.0), ticks(60, 1000, 7.0)]);
        check(&[]);
    }

    #[test]
    fn ids_come_back() {
        for ids in [vec![], vec![0], vec![0, 1, 2, 3], vec![7, 9, 4_000_000_000]] {
            let mut out = Vec::new();
            put_ids(&mut out, &ids);
            assert_eq!(read_ids(&mut Wire(&out)), Some(ids));
        }
    }
}
