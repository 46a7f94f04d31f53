//! A column of values as bytes: what a series had at the times of an extent.
//!
//! ```text
//! tag u8:   bits 0-2 codec, bit 3 a map of what is absent or stale precedes, bits 4-6 decimals
//! map:      runs until all rows are covered, each varint (length << 2 | 0 a value, 1 absent, 2 stale)
//! codec:    0 nothing · 1 one integer, for all rows · 2 integers, deltas · 3 integers, deltas of deltas
//!           4 one double, for all rows · 5 doubles, each XOR the one before, by planes of bytes
//! ```
//!
//! An integer with `d` decimals stands for the double nearest to `integer / 10^d`; a column is written so only if that
//! gives every value back to the bit. The extent packs what is written here, so it is laid out to pack well.

pub(crate) use saker_model::{STALE_MARKER as STALE, is_stale};

use crate::wire::{Wire, put_signed, put_varint};

/// No value in this row. Never comes from outside: a NaN that is not [`STALE`] is rejected.
pub(crate) const ABSENT: f64 = f64::from_bits(0x7ff8_5ace_0000_0001);

const NOTHING: u8 = 0;
const INTEGER: u8 = 1;
const DELTAS: u8 = 2;
const DELTAS_OF_DELTAS: u8 = 3;
const DOUBLE: u8 = 4;
const PLANES: u8 = 5;
const WITH_MAP: u8 = 8;

/// Powers of ten that values are scaled by. Beyond six decimals a double seldom is what somebody rounded.
const SCALES: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
/// Below this an integer and its neighbours are doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// What encoding needs room for; kept from column to column.
#[derive(Default)]
pub(crate) struct Scratch {
    present: Vec<f64>,
    integers: Vec<i64>,
}

/// Appends a column.
pub(crate) fn put_column(out: &mut Vec<u8>, values: &[f64], scratch: &mut Scratch) {
    let tag_at = out.len();
    out.push(0);
    let mut tag = 0;
    let values = if values.iter().any(|value| value.is_nan()) {
        tag |= WITH_MAP;
        put_map(out, values);
        scratch.present.clear();
        scratch.present.extend(values.iter().filter(|value| !value.is_nan()));
        &scratch.present[..]
    } else {
        values
    };
    tag |= put_values(out, values, &mut scratch.integers);
    out[tag_at] = tag;
}

fn put_values(out: &mut Vec<u8>, values: &[f64], integers: &mut Vec<i64>) -> u8 {
    let Some(first) = values.first() else { return NOTHING };
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        return match scale(&values[..1], integers) {
            Some(decimals) => {
                put_signed(out, integers[0]);
                INTEGER | decimals << 4
            }
            None => {
                out.extend_from_slice(&first.to_le_bytes());
                DOUBLE
            }
        };
    }
    match scale(values, integers) {
        Some(decimals) => put_integers(out, integers) | decimals << 4,
        None => {
            put_planes(out, values);
            PLANES
        }
    }
}

/// The fewest decimals with which all values are integers, which it leaves behind.
pub(crate) fn scale(values: &[f64], integers: &mut Vec<i64>) -> Option<u8> {
    let mut decimals = 0;
    'more: while decimals < SCALES.len() {
        integers.clear();
        for value in values {
            match as_integer(*value, decimals) {
                Some(integer) => integers.push(integer),
                None if decimals == 0 => {
                    // Most columns that hold no integers say with one value how many decimals they have.
                    decimals = (1..SCALES.len()).find(|decimals| as_integer(*value, *decimals).is_some())?;
                    continue 'more;
                }
                None => {
                    decimals += 1;
                    continue 'more;
                }
            }
        }
        return Some(decimals as u8);
    }
    None
}

#[inline]
fn as_integer(value: f64, decimals: usize) -> Option<i64> {
    let scaled = if decimals == 0 { value } else { (value * SCALES[decimals]).round() };
    let integer = scaled as i64;
    let exact = scaled.abs() < EXACT && from_integer(integer, decimals as u8).to_bits() == value.to_bits();
    exact.then_some(integer)
}

#[inline]
pub(crate) fn from_integer(integer: i64, decimals: u8) -> f64 {
    match decimals {
        0 => integer as f64,
        decimals => integer as f64 / SCALES[usize::from(decimals)],
    }
}

/// Appends integers below 2^53 and answers by which codec.
fn put_integers(out: &mut Vec<u8>, integers: &[i64]) -> u8 {
    let (mut deltas, mut bends, mut before) = (0_u64, 0_u64, 0_i64);
    for pair in integers.windows(2) {
        let delta = pair[1] - pair[0];
        deltas += bits(delta);
        bends += bits(delta - before);
        before = delta;
    }
    let bend = bends < deltas;
    let (mut last, mut before) = (integers[0], 0_i64);
    put_signed(out, last);
    for integer in &integers[1..] {
        let delta = integer - last;
        put_signed(out, delta - before);
        last = *integer;
        if bend {
            before = delta;
        }
    }
    if bend { DELTAS_OF_DELTAS } else { DELTAS }
}

fn bits(value: i64) -> u64 {
    u64::from(64 - value.unsigned_abs().leading_zeros())
}

fn put_planes(out: &mut Vec<u8>, values: &[f64]) {
    let start = out.len();
    let count = values.len();
    out.resize(start + 8 * count, 0);
    let planes = &mut out[start..];
    let mut before = 0_u64;
    for (place, value) in values.iter().enumerate() {
        let changed = (value.to_bits() ^ before).to_be_bytes();
        before = value.to_bits();
        for (plane, byte) in changed.iter().enumerate() {
            planes[plane * count + place] = *byte;
        }
    }
}

fn put_map(out: &mut Vec<u8>, values: &[f64]) {
    let kind = |value: f64| u64::from(value.is_nan()) + u64::from(is_stale(value));
    let mut rest = values;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|value| kind(**value) == kind(*first)).count();
        put_varint(out, (run as u64) << 2 | kind(*first));
        rest = &rest[run..];
    }
}

/// Reads a column of so many rows into `values`, which it empties before.
pub(crate) fn read_column(wire: &mut Wire, rows: usize, values: &mut Vec<f64>) -> Option<()> {
    values.clear();
    let tag = wire.u8()?;
    let mut map = Vec::new();
    let mut present = rows;
    if tag & WITH_MAP != 0 {
        let mut covered = 0;
        present = 0;
        while covered < rows {
            let run = wire.varint()?;
            let (length, kind) = (usize::try_from(run >> 2).ok()?, run & 3);
            if length == 0 || length > rows - covered || kind > 2 {
                return None;
            }
            covered += length;
            present += if kind == 0 { length } else { 0 };
            map.push((length, kind));
        }
    }
    read_values(wire, tag, present, values)?;
    if !map.is_empty() {
        spread(values, &map, rows);
    }
    Some(())
}

fn read_values(wire: &mut Wire, tag: u8, count: usize, values: &mut Vec<f64>) -> Option<()> {
    let decimals = tag >> 4;
    if usize::from(decimals) >= SCALES.len() {
        return None;
    }
    match tag & 7 {
        NOTHING if count == 0 => {}
        INTEGER => values.resize(count, from_integer(wire.signed()?, decimals)),
        DOUBLE => values.resize(count, wire.f64()?),
        codec @ (DELTAS | DELTAS_OF_DELTAS) if count <= wire.0.len() => {
            values.reserve(count);
            let (mut last, mut before) = (0_i64, 0_i64);
            for place in 0..count {
                let delta = wire.signed()?.wrapping_add(before);
                last = last.wrapping_add(delta);
                values.push(from_integer(last, decimals));
                // The first number is no delta.
                if codec == DELTAS_OF_DELTAS && place > 0 {
                    before = delta;
                }
            }
        }
        PLANES => {
            let planes = wire.bytes(count.checked_mul(8)?)?;
            let mut before = 0_u64;
            values.extend((0..count).map(|place| {
                let mut bytes = [0; 8];
                for (plane, byte) in bytes.iter_mut().enumerate() {
                    *byte = planes[plane * count + place];
                }
                before ^= u64::from_be_bytes(bytes);
                f64::from_bits(before)
            }));
        }
        _ => return None,
    }
    Some(())
}

fn spread(values: &mut Vec<f64>, map: &[(usize, u64)], rows: usize) {
    let mut from = values.len();
    let mut to = rows;
    values.resize(rows, ABSENT);
    for (length, kind) in map.iter().rev() {
        to -= length;
        match kind {
            0 => {
                from -= length;
                values.copy_within(from..from + length, to);
            }
            1 => values[to..to + length].fill(ABSENT),
            _ => values[to..to + length].fill(STALE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(values: &[f64]) -> usize {
        let mut out = Vec::new();
        put_column(&mut out, values, &mut Scratch::default());
        let (mut wire, mut back) = (Wire(&out), Vec::new());
        read_column(&mut wire, values.len(), &mut back).unwrap();
        assert!(wire.0.is_empty());
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(values));
        out.len()
    }

    #[test]
    fn columns_come_back_to_the_bit() {
        assert_eq!(check(&[5.0; 60]), 2);
        assert_eq!(check(&[12.34; 60]), 3);
        let counter: Vec<f64> = (0..60).map(|tick| f64::from(1_000_000 + tick * 10)).collect();
        assert!(check(&counter) < 70);
        check(&[0.1, 0.25, 99.99, -3.5]);
        check(&[-0.0, 0.0, 1e300, f64::MIN_POSITIVE]);
        check(&[ABSENT, 1.0, 2.0, STALE, ABSENT, ABSENT, 3.0]);
        check(&[ABSENT, ABSENT]);
        check(&[EXACT - 1.0, 1.0 - EXACT, EXACT, 0.0]);
        check(&[]);
    }

    proptest! {
        #[test]
        fn any_column_comes_back(values in prop::collection::vec(prop_oneof![
            any::<i32>().prop_map(f64::from),
            any::<i32>().prop_map(|value| f64::from(value) / 100.0),
            any::<f64>().prop_map(|value| if value.is_nan() { STALE } else { value }),
            Just(ABSENT), Just(STALE), Just(1.0), Just(-0.0),
        ], 0..100)) {
            check(&values);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), rows in 0_usize..3000) {
            let mut values = Vec::new();
            if read_column(&mut Wire(&bytes), rows, &mut values).is_some() {
                prop_assert_eq!(values.len(), rows);
            }
        }
    }
}
