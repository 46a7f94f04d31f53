//! Values as differences to the value before in their series, in one to ten bytes, bit for bit.
//!
//! A value that is a decimal of few places is the whole number `value * 10^scale`; the difference of two of them is
//! small. Which scale a series has is known to both sides, and changes when a value needs another. All else is the
//! bits of the two values laid over each other, without the zero bytes at either end.
//!
//! ```text
//! 00..=7f            a difference of 7 bits, zigzag
//! 80..=bf  1 byte    of 14 bits, the upper 6 in the first byte
//! c0..=df  2 bytes   of 21 bits, the upper 5 in the first byte, then little-endian
//! e0..=e5  3..=8     of so many bytes, little-endian
//! e6       number    as many values and two more are as they were
//! e7                 the value is as it was
//! e8..=ef  1..=8     the bits that differ, so many lower bytes of them
//! f0..=f7            the scale is now 0..=7; a difference follows
//! f8  u8   bytes     the bits that differ, without zero bytes below (upper half of the u8); so many (lower half)
//! ```

use super::bytes::{ByteReader, put_number, unzigzag, zigzag};

const POWERS: [f64; 8] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
const SCALES: u8 = POWERS.len() as u8;
/// Of a series whose values are no decimals of few places.
const NO_SCALE: u8 = u8::MAX;
/// How many values of such a series pass before a scale is looked for again: eight divisions.
const RETRY_AFTER: u8 = 16;
/// A difference of more bits than this, of a series with places, may be smaller with fewer places.
const LARGE_BITS: u32 = 21;

/// The most bytes that a value takes.
pub(super) const MAX_VALUE_BYTES: usize = 10;

/// What is known of a series in both directions: its last value, and the scale.
#[derive(Clone, Copy, Default)]
pub(super) struct ValueState {
    bits: u64,
    scale: u8,
    /// Of the encoder only: values since a scale was looked for.
    since: u8,
}

impl ValueState {
    fn value(self) -> f64 {
        f64::from_bits(self.bits)
    }
}

/// The whole number nearest to that value in that scale, or the nearest that there is. What counts is that it is the
/// same everywhere.
#[inline]
fn scaled(value: f64, scale: u8) -> i64 {
    if scale == 0 {
        return value as i64;
    }
    let scaled = value * POWERS[scale as usize];
    (scaled + 0.5_f64.copysign(scaled)) as i64
}

/// The value that a whole number stands for: the double that is nearest to the decimal.
#[inline]
fn unscaled(number: i64, scale: u8) -> f64 {
    if scale == 0 { number as f64 } else { number as f64 / POWERS[scale as usize] }
}

/// The whole number, if the value comes back from it.
#[inline]
fn exactly(value: f64, scale: u8) -> Option<i64> {
    let number = scaled(value, scale);
    (unscaled(number, scale).to_bits() == value.to_bits()).then_some(number)
}

/// Writes the values of one record.
pub(super) struct ValueWriter<'a> {
    out: &'a mut Vec<u8>,
    place: usize,
    unchanged: u64,
}

impl<'a> ValueWriter<'a> {
    /// Appends to `out` at most so many values.
    pub(super) fn new(out: &'a mut Vec<u8>, values: usize) -> Self {
        let place = out.len();
        // All bytes at once and the rest cut off later: a store is cheaper than a push. Eight more for the last one.
        out.resize(place + values * MAX_VALUE_BYTES + 8 + MAX_VALUE_BYTES, 0);
        Self { out, place, unchanged: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, state: &mut ValueState, value: f64) {
        if value.to_bits() == state.bits {
            self.unchanged += 1;
            return;
        }
        if self.unchanged > 0 {
            self.end_run();
        }
        let number = if state.scale < SCALES { exactly(value, state.scale) } else { None };
        let difference = number.map(|number| zigzag(number.wrapping_sub(scaled(state.value(), state.scale))));
        match difference {
            Some(difference) if difference >> LARGE_BITS == 0 || state.scale == 0 => self.put_difference(difference),
            _ => self.push_with_other_scale(state, value),
        }
        state.bits = value.to_bits();
    }

    #[cold]
    fn push_with_other_scale(&mut self, state: &mut ValueState, value: f64) {
        state.since = state.since.saturating_add(1);
        if state.scale != NO_SCALE || state.since >= RETRY_AFTER {
            state.since = 0;
            if let Some((scale, number)) = (0..SCALES).find_map(|scale| Some((scale, exactly(value, scale)?))) {
                if scale != state.scale {
                    self.put_byte(0xf0 + scale);
                    state.scale = scale;
                }
                self.put_difference(zigzag(number.wrapping_sub(scaled(state.value(), scale))));
                return;
            }
        }
        state.scale = NO_SCALE;
        self.put_bits(state.bits ^ value.to_bits());
    }

    #[inline]
    fn put_difference(&mut self, difference: u64) {
        if difference < 1 << 7 {
            self.put_byte(difference as u8);
        } else if difference < 1 << 14 {
            self.put_byte(0x80 | (difference >> 8) as u8);
            self.put_byte(difference as u8);
        } else if difference < 1 << 21 {
            self.put_byte(0xc0 | (difference >> 16) as u8);
            self.put_little_endian(difference & 0xffff, 2);
        } else {
            let bytes = bytes_of(difference).max(3);
            self.put_byte(0xe0 - 3 + bytes as u8);
            self.put_little_endian(difference, bytes);
        }
    }

    /// Bits of which at least one is set.
    fn put_bits(&mut self, bits: u64) {
        let below = bits.trailing_zeros() as usize / 8;
        let bytes = bytes_of(bits);
        // Two are the price of leaving out what is below.
        if below < 2 {
            self.put_byte(0xe8 - 1 + bytes as u8);
            self.put_little_endian(bits, bytes);
        } else {
            self.put_byte(0xf8);
            self.put_byte((below << 4 | (bytes - below)) as u8);
            self.put_little_endian(bits >> (8 * below), bytes - below);
        }
    }

    fn end_run(&mut self) {
        let unchanged = std::mem::take(&mut self.unchanged);
        if unchanged == 1 {
            self.put_byte(0xe7);
        } else {
            self.put_byte(0xe6);
            let mut number = Vec::with_capacity(4);
            put_number(&mut number, unchanged - 2);
            number.iter().for_each(|byte| self.put_byte(*byte));
        }
    }

    #[inline]
    fn put_byte(&mut self, byte: u8) {
        self.out[self.place] = byte;
        self.place += 1;
    }

    #[inline]
    fn put_little_endian(&mut self, number: u64, bytes: usize) {
        self.out[self.place..self.place + 8].copy_from_slice(&number.to_le_bytes());
        self.place += bytes;
    }

    /// Ends the record.
    pub(super) fn finish(mut self) {
        if self.unchanged > 0 {
            self.end_run();
        }
        self.out.truncate(self.place);
    }
}

fn bytes_of(number: u64) -> usize {
    (71 - number.leading_zeros() as usize) / 8
}

/// Reads the values of one record.
pub(super) struct ValueReader<'a> {
    bytes: ByteReader<'a>,
    unchanged: u64,
}

impl<'a> ValueReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: ByteReader(bytes), unchanged: 0 }
    }

    #[inline]
    pub(super) fn next(&mut self, state: &mut ValueState) -> Option<f64> {
        if self.unchanged > 0 {
            self.unchanged -= 1;
            return Some(state.value());
        }
        let code = self.bytes.byte()?;
        match code {
            0..=0xe5 => state.apply(self.difference(code)?),
            _ => self.next_of_others(code, state),
        }
    }

    #[inline]
    fn difference(&mut self, code: u8) -> Option<u64> {
        match code {
            0..=0x7f => Some(u64::from(code)),
            0x80..=0xbf => Some(u64::from(code & 0x3f) << 8 | u64::from(self.bytes.byte()?)),
            0xc0..=0xdf => Some(u64::from(code & 0x1f) << 16 | self.bytes.little_endian(2)?),
            0xe0..=0xe5 => self.bytes.little_endian(usize::from(code - 0xe0) + 3),
            _ => None,
        }
    }

    fn next_of_others(&mut self, code: u8, state: &mut ValueState) -> Option<f64> {
        match code {
            0xe6 => self.unchanged = self.bytes.number()?.checked_add(1)?,
            0xe7 => {}
            0xe8..=0xef => state.change(self.bytes.little_endian(usize::from(code - 0xe8) + 1)?),
            0xf0..=0xf7 => {
                state.scale = code - 0xf0;
                let code = self.bytes.byte()?;
                return state.apply(self.difference(code)?);
            }
            0xf8 => {
                let (below, bytes) = self.bytes.byte().map(|both| (both >> 4, both & 0xf))?;
                if bytes == 0 || below + bytes > 8 {
                    return None;
                }
                state.change(self.bytes.little_endian(usize::from(bytes))? << (8 * below));
            }
            _ => return None,
        }
        Some(state.value())
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.unchanged == 0 && self.bytes.0.is_empty()
    }
}

impl ValueState {
    #[inline]
    fn apply(&mut self, difference: u64) -> Option<f64> {
        if self.scale >= SCALES {
            return None;
        }
        let value = unscaled(scaled(self.value(), self.scale).wrapping_add(unzigzag(difference)), self.scale);
        self.bits = value.to_bits();
        Some(value)
    }

    fn change(&mut self, bits: u64) {
        self.bits ^= bits;
        self.scale = NO_SCALE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes values of one series, checks that they come back bit for bit, and answers how many bytes they took.
    fn check(values: &[f64]) -> usize {
        let (mut out, mut state) = (vec![1, 2], ValueState::default());
        let mut writer = ValueWriter::new(&mut out, values.len());
        values.iter().for_each(|value| writer.push(&mut state, *value));
        writer.finish();
        let (mut reader, mut state) = (ValueReader::new(&out[2..]), ValueState::default());
        for value in values {
            let read = reader.next(&mut state).map(f64::to_bits);
            assert_eq!(read, Some(value.to_bits()), "{value:?} of {values:?}");
        }
        assert!(reader.is_done() && reader.next(&mut state).is_none());
        assert_eq!(out[..2], [1, 2]);
        out.len() - 2
    }

    #[test]
    fn small_changes_of_whole_numbers_take_a_byte() {
        assert_eq!(check(&[50.0, 52.0, 49.0, 0.0, 60.0, -3.0]), 6);
        assert_eq!(check(&[1e9, 1e9 + 63.0, 1e9 - 1.0]), 5 + 2);
    }

    #[test]
    fn counters_take_what_their_growth_takes() {
        let grown = |growth: u64| check(&[0, 1, 2].map(|step| (1_000_000_000_000 + step * growth) as f64)) - 7;
        assert_eq!([1, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576].map(grown), [2, 2, 4, 4, 6, 6, 8]);
    }

    #[test]
    fn decimals_take_what_their_places_take() {
        assert_eq!(check(&[0.52, 0.55, 0.49, 0.5, 1.0]), 2 + 4);
        assert_eq!(check(&[12.345_678, 12.345_679, 12.345_6, 13.0]), 1 + 5 + 1 + 2 + 3);
    }

    #[test]
    fn values_that_stay_take_next_to_nothing() {
        assert_eq!(check(&[0.0; 1_000]), 3);
        assert_eq!(check(&[7.0, 7.0]), 2);
        assert_eq!(check(&[[f64::NAN; 100], [0.1 + 0.2; 100]].concat()), 4 + 2 + 9 + 2);
    }

    #[test]
    fn every_kind_of_double_comes_back() {
        let awkward = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            0.1 + 0.2,
            1.0 / 3.0,
            100.0 / 3.0,
            1e15 + 0.3,
            1e16,
            1e17,
            9.007_199_254_740_993e15,
            i64::MAX as f64,
            i64::MIN as f64,
            1.8e19,
            1e300,
            -1e300,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            -f64::NAN,
            f64::from_bits(0x7ff0_0000_0000_0001),
            1e-7,
            1.5e-7,
            0.000_000_1,
            123_456_789.123_456_7,
            f64::EPSILON,
        ];
        for first in awkward {
            for second in awkward {
                check(&[first, second]);
                check(&[0.5, first, first, second, 0.25, second]);
            }
        }
    }

    #[test]
    fn no_value_takes_more_than_ten_bytes() {
        for bits in (0..64).flat_map(|low| (low..64).map(move |high| 1_u64 << low | 1 << high)) {
            for before in [0.0, 0.1, 1e9, f64::NAN] {
                let both = check(&[before, f64::from_bits(bits)]);
                assert!(both - check(&[before]) <= MAX_VALUE_BYTES, "{before} {bits:x}");
            }
        }
    }

    #[test]
    fn a_series_that_had_no_scale_finds_one_again() {
        let values: Vec<f64> = [0.1 + 0.2].into_iter().chain((0..100).map(|step| f64::from(step % 60))).collect();
        assert!(check(&values) < 9 + 16 * 9 + 90, "{}", check(&values));
    }

    #[test]
    fn codes_that_stand_for_nothing_are_rejected() {
        let rejected = |bytes: &[u8]| ValueReader::new(bytes).next(&mut ValueState::default()).is_none();
        for code in 0xf9..=0xff {
            assert!(rejected(&[code, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        }
        for rest in [[0xf8, 0x10], [0xf8, 0x27], [0xf8, 0x8f], [0xf0, 0xf0], [0xf0, 0xe7]] {
            assert!(rejected(&[&rest[..], &[0; 20]].concat()), "{rest:x?}");
        }
        // A difference in a series that has no scale.
        let (mut reader, mut state) = (ValueReader::new(&[0xe8, 1, 2]), ValueState::default());
        assert!(reader.next(&mut state).is_some() && reader.next(&mut state).is_none());
    }
}
