//! Extents of buckets: as small as what the columns of a bucket have in common allows.
//!
//! ```text
//! plain:    ids, as in an extent of points
//! packed:   varint length of each series' part …   the parts
//! part:     tag u8 (bit 0 integers, bit 1 increase, bit 2 squares, bit 3 digests, bits 4-6 decimals)
//!           starts: times   counts   first time - start   last time - start
//!           integers:  last; then against it max - last, last - min, first - last before, sum - count × last
//!           doubles:   last, max, min, first, sum
//!           increase:  integers: against last - last before; doubles: as it is
//!           squares    digests
//! ```
//!
//! A column of numbers is `tag u8, signed…`: one for all, each, or deltas. Where all values are integers of the same
//! decimals, differences are small and mostly zero: a bucket of an idle series costs next to nothing.

use crate::bucket::Bucket;
use crate::column::{Scratch, from_integer, put_column, read_column, scale};
use crate::extent::{Encoder, put_times, read_times, unpack};
use crate::sketch::Digest;
use crate::wire::{Wire, put_signed, put_varint};

/// Buckets of one series in one extent.
pub(crate) const EXTENT_BUCKETS: usize = 720;
/// What an extent may unpack to, whatever a file says: all its buckets with digests of many bins.
const UNPACKED_MAX: usize = 256 << 20;

const INTEGERS: u8 = 1;
const INCREASE: u8 = 2;
const SQUARES: u8 = 4;
const DIGESTS: u8 = 8;

/// Appends the parts of series, packed, and answers the codec.
pub(crate) fn put_buckets(out: &mut Vec<u8>, encoder: &mut Encoder, series: &[&[Bucket]]) -> u8 {
    let (mut body, mut parts, mut scratch) = (Vec::new(), Vec::new(), Scratch::default());
    for buckets in series {
        let start = parts.len();
        put_part(&mut parts, buckets, &mut scratch);
        put_varint(&mut body, (parts.len() - start) as u64);
    }
    body.extend_from_slice(&parts);
    encoder.pack(out, &body)
}

fn put_part(out: &mut Vec<u8>, buckets: &[Bucket], scratch: &mut Scratch) {
    let every = |has: fn(&Bucket) -> bool| !buckets.is_empty() && buckets.iter().all(has);
    let integers = Integers::of(buckets);
    let mut tag = 0;
    tag |= if every(|bucket| bucket.increase.is_some()) { INCREASE } else { 0 };
    tag |= if every(|bucket| bucket.squares.is_some()) { SQUARES } else { 0 };
    tag |= if every(|bucket| bucket.digest.is_some()) { DIGESTS } else { 0 };
    tag |= integers.as_ref().map_or(0, |integers| INTEGERS | integers.decimals << 4);
    out.push(tag);
    put_times(out, buckets.iter().map(|bucket| bucket.start_ms));
    put_numbers(out, buckets.iter().map(|bucket| bucket.count as i64));
    put_numbers(out, buckets.iter().map(|bucket| bucket.first_ms - bucket.start_ms));
    put_numbers(out, buckets.iter().map(|bucket| bucket.last_ms - bucket.start_ms));
    match &integers {
        Some(integers) => integers.put(out, buckets),
        None => {
            let doubles: [fn(&Bucket) -> f64; 5] = [|b| b.last, |b| b.max, |b| b.min, |b| b.first, |b| b.sum];
            doubles.iter().for_each(|double| put_doubles(out, buckets, double, scratch));
        }
    }
    if tag & INCREASE != 0 && integers.is_none() {
        put_doubles(out, buckets, |bucket| bucket.increase.unwrap_or_default(), scratch);
    }
    if tag & SQUARES != 0 {
        put_doubles(out, buckets, |bucket| bucket.squares.unwrap_or_default(), scratch);
    }
    if tag & DIGESTS != 0 {
        buckets.iter().filter_map(|bucket| bucket.digest.as_ref()).for_each(|digest| digest.put(out));
    }
}

fn put_doubles(out: &mut Vec<u8>, buckets: &[Bucket], value: impl Fn(&Bucket) -> f64, scratch: &mut Scratch) {
    let values: Vec<f64> = buckets.iter().map(value).collect();
    put_column(out, &values, scratch);
}

/// The columns of buckets as integers.
struct Integers {
    decimals: u8,
    last: Vec<i64>,
    max: Vec<i64>,
    min: Vec<i64>,
    first: Vec<i64>,
    sum: Vec<i64>,
    increase: Vec<i64>,
}

impl Integers {
    fn of(buckets: &[Bucket]) -> Option<Self> {
        let values: Vec<f64> = buckets.iter().flat_map(|b| [b.last, b.max, b.min, b.first]).collect();
        let mut integers = Vec::new();
        let decimals = scale(&values, &mut integers)?;
        let column = |place: usize| integers.iter().skip(place).step_by(4).copied().collect();
        let (last, max, min, first) = (column(0), column(1), column(2), column(3));
        let sum = buckets.iter().map(|bucket| total(bucket.sum, decimals)).collect::<Option<_>>()?;
        let increase = buckets.iter().map(|bucket| total(bucket.increase.unwrap_or_default(), decimals));
        Some(Self { decimals, last, max, min, first, sum, increase: increase.collect::<Option<_>>()? })
    }

    fn put(&self, out: &mut Vec<u8>, buckets: &[Bucket]) {
        let last = &self.last;
        let before = |place: usize| if place == 0 { self.first[0] } else { last[place - 1] };
        let places = || 0..last.len();
        put_numbers(out, last.iter().copied());
        put_numbers(out, places().map(|place| self.max[place] - last[place]));
        put_numbers(out, places().map(|place| last[place] - self.min[place]));
        put_numbers(out, places().map(|place| self.first[place] - if place == 0 { last[0] } else { last[place - 1] }));
        let sums =
            places().map(|place| self.sum[place].wrapping_sub(last[place].wrapping_mul(buckets[place].count as i64)));
        put_numbers(out, sums);
        if buckets.first().is_some_and(|bucket| bucket.increase.is_some()) {
            put_numbers(out, places().map(|place| self.increase[place] - (last[place] - before(place))));
        }
    }
}

/// A sum of values that have so many decimals, as an integer. Of decimals the sum of doubles is off by its roundings; this
/// is what they would add up to without.
fn total(sum: f64, decimals: u8) -> Option<i64> {
    /// Below it an integer and its neighbours are doubles.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    const ROUNDINGS: f64 = 1e-9;
    let scaled = (sum * 10_f64.powi(i32::from(decimals))).round();
    let integer = scaled as i64;
    let told = from_integer(integer, decimals);
    let close = if decimals == 0 {
        told.to_bits() == sum.to_bits()
    } else {
        (told - sum).abs() <= ROUNDINGS * sum.abs().max(ROUNDINGS)
    };
    (scaled.abs() < EXACT && close).then_some(integer)
}

const ONE: u8 = 0;
const EACH: u8 = 1;
const DELTAS: u8 = 2;

fn put_numbers(out: &mut Vec<u8>, numbers: impl ExactSizeIterator<Item = i64> + Clone) {
    let mut rest = numbers.clone();
    let first = rest.next().unwrap_or_default();
    if rest.all(|number| number == first) {
        out.push(ONE);
        return put_signed(out, first);
    }
    let size = |number: i64| u64::from(64 - number.unsigned_abs().leading_zeros());
    let (mut each, mut deltas, mut last) = (0, 0, 0_i64);
    for number in numbers.clone() {
        each += size(number);
        deltas += size(number.wrapping_sub(last));
        last = number;
    }
    let by_delta = deltas < each;
    out.push(if by_delta { DELTAS } else { EACH });
    let mut last = 0_i64;
    for number in numbers {
        put_signed(out, if by_delta { number.wrapping_sub(last) } else { number });
        last = number;
    }
}

fn read_numbers(wire: &mut Wire, count: usize) -> Option<Vec<i64>> {
    match wire.u8()? {
        ONE => Some(vec![wire.signed()?; count]),
        EACH => (0..count).map(|_| wire.signed()).collect(),
        DELTAS => {
            let mut last = 0_i64;
            let number = |_| {
                last = last.wrapping_add(wire.signed()?);
                Some(last)
            };
            (0..count).map(number).collect()
        }
        _ => None,
    }
}

/// The buckets of the series at a place of an extent of so many.
pub(crate) fn read_buckets(codec: u8, packed: &[u8], count: usize, position: usize) -> Option<Vec<Bucket>> {
    let body = unpack(codec, packed, UNPACKED_MAX)?;
    let mut wire = Wire(&body);
    let lengths: Vec<usize> = (0..count).map(|_| wire.count()).collect::<Option<_>>()?;
    let skipped = lengths.get(..position)?.iter().try_fold(0_usize, |sum, length| sum.checked_add(*length))?;
    wire.bytes(skipped)?;
    let part = wire.bytes(*lengths.get(position)?)?;
    read_part(&mut Wire(part))
}

fn read_part(wire: &mut Wire) -> Option<Vec<Bucket>> {
    let tag = wire.u8()?;
    let starts = read_times(wire)?;
    let count = starts.len();
    let counts = read_numbers(wire, count)?;
    let (firsts, lasts) = (read_numbers(wire, count)?, read_numbers(wire, count)?);
    let columns = if tag & INTEGERS != 0 {
        read_integers(wire, count, &counts, tag)?
    } else {
        let mut columns = (0..5).map(|_| read_doubles(wire, count)).collect::<Option<Vec<_>>>()?;
        if tag & INCREASE != 0 {
            columns.push(read_doubles(wire, count)?);
        }
        columns
    };
    let squares = if tag & SQUARES != 0 { Some(read_doubles(wire, count)?) } else { None };
    let mut buckets = Vec::with_capacity(count);
    for place in 0..count {
        let start_ms = starts[place];
        buckets.push(Bucket {
            start_ms,
            count: u64::try_from(counts[place]).ok()?,
            sum: columns[4][place],
            min: columns[2][place],
            max: columns[1][place],
            first: columns[3][place],
            last: columns[0][place],
            first_ms: start_ms.wrapping_add(firsts[place]),
            last_ms: start_ms.wrapping_add(lasts[place]),
            increase: columns.get(5).map(|column| column[place]),
            squares: squares.as_ref().map(|column| column[place]),
            digest: if tag & DIGESTS != 0 { Some(Digest::read(wire)?) } else { None },
        });
    }
    Some(buckets)
}

fn read_doubles(wire: &mut Wire, count: usize) -> Option<Vec<f64>> {
    let mut values = Vec::new();
    read_column(wire, count, &mut values)?;
    Some(values)
}

fn read_integers(wire: &mut Wire, count: usize, counts: &[i64], tag: u8) -> Option<Vec<Vec<f64>>> {
    let decimals = (tag >> 4) & 7;
    if decimals > 6 {
        return None;
    }
    let mut columns = (0..5).map(|_| read_numbers(wire, count)).collect::<Option<Vec<_>>>()?;
    if tag & INCREASE != 0 {
        columns.push(read_numbers(wire, count)?);
    }
    let last = columns[0].clone();
    for place in 0..count {
        let now = last[place];
        columns[1][place] = columns[1][place].wrapping_add(now);
        columns[2][place] = now.wrapping_sub(columns[2][place]);
        let before = if place == 0 { now } else { last[place - 1] };
        columns[3][place] = columns[3][place].wrapping_add(before);
        columns[4][place] = columns[4][place].wrapping_add(now.wrapping_mul(counts[place]));
        let before = if place == 0 { columns[3][0] } else { last[place - 1] };
        if let Some(increase) = columns.get_mut(5) {
            increase[place] = increase[place].wrapping_add(now.wrapping_sub(before));
        }
    }
    let doubles = |column: Vec<i64>| column.into_iter().map(|number| from_integer(number, decimals)).collect();
    Some(columns.into_iter().map(doubles).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::{Accumulator, BucketExtras};
    use proptest::prelude::*;

    fn check(points: &[(i64, f64)], extras: BucketExtras) -> usize {
        let mut accumulator = Accumulator::new(60_000, extras, Some(3.0));
        points.iter().for_each(|point| accumulator.point(*point));
        let buckets = accumulator.finish();
        let mut out = Vec::new();
        let codec = put_buckets(&mut out, &mut Encoder::new(), &[&[], &buckets, &buckets[..1]]);
        let close = |told: f64, expected: f64| (told - expected).abs() <= 1e-9 * expected.abs();
        for (position, expected) in [(1, &buckets[..]), (2, &buckets[..1])] {
            for (mut bucket, expected) in read_buckets(codec, &out, 3, position).unwrap().into_iter().zip(expected) {
                assert!(close(bucket.sum, expected.sum), "{bucket:?} {expected:?}");
                let increases = bucket.increase.zip(expected.increase);
                assert!(increases.is_none_or(|(told, expected)| close(told, expected)));
                (bucket.sum, bucket.increase) = (expected.sum, expected.increase);
                assert_eq!(&bucket, expected);
            }
        }
        assert_eq!(read_buckets(codec, &out, 3, 0).unwrap(), []);
        out.len()
    }

    #[test]
    fn buckets_of_a_counter_cost_little() {
        let points: Vec<_> = (0..3600).map(|tick| (tick * 1000, (tick * 17) as f64)).collect();
        let extras = BucketExtras { increase: true, ..BucketExtras::default() };
        assert!(check(&points, extras) < 150, "{}", check(&points, extras));
    }

    proptest! {
        #[test]
        fn any_buckets_come_back(
            points in prop::collection::vec((0_i64..1_000_000, prop_oneof![
                any::<i32>().prop_map(f64::from),
                any::<f64>().prop_filter("finite", |value| value.is_finite() && value.abs() < 1e100),
                any::<i16>().prop_map(|value| f64::from(value) / 100.0),
            ]), 1..200),
            increase: bool, squares: bool, digest: bool,
        ) {
            let mut points = points;
            points.sort_by_key(|point| point.0);
            check(&points, BucketExtras { increase, squares, digest });
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_buckets(0, &bytes, 2, 1);
        }
    }
}
