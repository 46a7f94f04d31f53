//! What percentiles are told from: the values themselves while there are few, a DDSketch beyond.
//!
//! The sketch (Masson, Rim and Lee, VLDB 2019) counts values in bins whose bounds grow by a factor, so that a percentile
//! is within [`ACCURACY`] of a value that is there. Negative values and zero have bins of their own. Two digests merge
//! into what one over all their values would be.

use std::collections::BTreeMap;

use crate::wire::{Wire, put_signed, put_varint};

/// Values that are kept as they are, in one bucket.
pub(crate) const EXACT_VALUES: usize = 128;
/// By how much of itself a percentile may be wrong.
const ACCURACY: f64 = 0.01;
/// Bins of a sketch: twelve decades with this accuracy. Beyond, the bins of the smallest values are put together.
const BINS_MAX: usize = 1400;

/// The distribution of the values of a bucket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Digest {
    /// All values, sorted.
    Exact(Vec<f64>),
    /// Counts.
    Sketch(Sketch),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sketch {
    zero: u64,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
}

impl Default for Digest {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

fn gamma_ln() -> f64 {
    ((1.0 + ACCURACY) / (1.0 - ACCURACY)).ln()
}

impl Digest {
    pub(crate) fn add(&mut self, value: f64) {
        match self {
            Self::Exact(values) if values.len() < EXACT_VALUES => {
                let place = values.partition_point(|other| *other <= value);
                values.insert(place, value);
            }
            _ => self.sketch().add(value, 1),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        match other {
            Self::Exact(values) => values.iter().for_each(|value| self.add(*value)),
            Self::Sketch(other) => {
                let sketch = self.sketch();
                sketch.zero += other.zero;
                for (mine, theirs) in [(&mut sketch.positive, &other.positive), (&mut sketch.negative, &other.negative)]
                {
                    for (bin, count) in theirs {
                        *mine.entry(*bin).or_default() += count;
                    }
                    collapse(mine);
                }
            }
        }
    }

    fn sketch(&mut self) -> &mut Sketch {
        if let Self::Exact(values) = self {
            let mut sketch = Sketch::default();
            values.iter().for_each(|value| sketch.add(*value, 1));
            *self = Self::Sketch(sketch);
        }
        match self {
            Self::Sketch(sketch) => sketch,
            Self::Exact(_) => unreachable!("it was made a sketch"),
        }
    }

    /// The percentile, from 0 to 100, between the closest ranks as Gnocchi has it; nothing of no values.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        match self {
            Self::Exact(values) => {
                let last = values.len().checked_sub(1)?;
                let rank = percent / 100.0 * last as f64;
                let (low, high) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
                Some(low + (high - low) * rank.fract())
            }
            Self::Sketch(sketch) => sketch.percentile(percent),
        }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Exact(values) => {
                put_varint(out, (values.len() as u64) << 1);
                values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
            }
            Self::Sketch(sketch) => {
                put_varint(out, sketch.zero << 1 | 1);
                for bins in [&sketch.positive, &sketch.negative] {
                    put_varint(out, bins.len() as u64);
                    let mut last = 0;
                    for (bin, count) in bins {
                        put_signed(out, i64::from(*bin) - last);
                        put_varint(out, *count);
                        last = i64::from(*bin);
                    }
                }
            }
        }
    }

    pub(crate) fn read(wire: &mut Wire) -> Option<Self> {
        let head = wire.varint()?;
        if head & 1 == 0 {
            let count = usize::try_from(head >> 1).ok().filter(|count| *count <= EXACT_VALUES)?;
            return (0..count).map(|_| wire.f64()).collect::<Option<_>>().map(Self::Exact);
        }
        let mut sketch = Sketch { zero: head >> 1, ..Sketch::default() };
        for bins in [&mut sketch.positive, &mut sketch.negative] {
            let count = wire.count().filter(|count| *count <= BINS_MAX)?;
            let mut last = 0_i64;
            for _ in 0..count {
                last = last.checked_add(wire.signed()?)?;
                bins.insert(i32::try_from(last).ok()?, wire.varint()?);
            }
        }
        Some(Self::Sketch(sketch))
    }
}

impl Sketch {
    fn add(&mut self, value: f64, count: u64) {
        let bins = match value {
            _ if value.abs() < f64::MIN_POSITIVE => {
                self.zero += count;
                return;
            }
            _ if value > 0.0 => &mut self.positive,
            _ => &mut self.negative,
        };
        let bin = (value.abs().ln() / gamma_ln()).ceil() as i32;
        *bins.entry(bin).or_default() += count;
        collapse(bins);
    }

    fn percentile(&self, percent: f64) -> Option<f64> {
        let count = self.zero + self.positive.values().sum::<u64>() + self.negative.values().sum::<u64>();
        let rank = (percent / 100.0 * count.checked_sub(1)? as f64).round() as u64;
        let middle = |bin: i32| (f64::from(bin) * gamma_ln()).exp() * (1.0 - ACCURACY);
        let negative = self.negative.iter().rev().map(|(bin, count)| (-middle(*bin), *count));
        let positive = self.positive.iter().map(|(bin, count)| (middle(*bin), *count));
        let mut below = 0;
        for (value, count) in negative.chain([(0.0, self.zero)]).chain(positive) {
            below += count;
            if below > rank {
                return Some(value);
            }
        }
        None
    }
}

/// Puts the bins of the smallest values together if there are too many.
fn collapse(bins: &mut BTreeMap<i32, u64>) {
    while bins.len() > BINS_MAX {
        let (_, count) = bins.pop_first().expect("there are many");
        *bins.first_entry().expect("there are many").get_mut() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64]) {
        let mut whole = Digest::default();
        let (mut left, mut right) = (Digest::default(), Digest::default());
        for (place, value) in values.iter().enumerate() {
            whole.add(*value);
            if place % 3 == 0 { left.add(*value) } else { right.add(*value) }
        }
        left.merge(&right);
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut out = Vec::new();
        left.put(&mut out);
        assert_eq!(Digest::read(&mut Wire(&out)).unwrap(), left);
        for percent in [0.0, 1.0, 25.0, 50.0, 95.0, 99.0, 100.0] {
            let exact = sorted[(percent / 100.0 * (sorted.len() - 1) as f64).round() as usize];
            for digest in [&whole, &left] {
                let told = digest.percentile(percent).unwrap();
                let wrong = (told - exact).abs();
                let close = wrong <= 0.0101 * exact.abs() || values.len() <= EXACT_VALUES;
                assert!(close, "{percent} of {}: {told}, not {exact}", values.len());
            }
        }
    }

    #[test]
    fn percentiles_are_within_a_hundredth_also_below_zero() {
        check(&[5.0]);
        check(&(0..100).map(f64::from).collect::<Vec<_>>());
        check(&(0..10_000).map(|value| f64::from(value) * 0.37).collect::<Vec<_>>());
        check(&(-5000..5000).map(|value| f64::from(value).powi(3)).collect::<Vec<_>>());
        check(&(0..1000).map(|value| 1e-300 * f64::from(value)).collect::<Vec<_>>());
    }

    #[test]
    fn few_values_give_what_gnocchi_gives() {
        let mut digest = Digest::default();
        for value in [1.0, 2.0, 3.0, 10.0] {
            digest.add(value);
        }
        assert_eq!(digest.percentile(50.0), Some(2.5));
        assert_eq!(digest.percentile(100.0), Some(10.0));
        assert_eq!(Digest::default().percentile(50.0), None);
    }
}
