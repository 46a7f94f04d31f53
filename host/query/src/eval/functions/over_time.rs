//! Aggregations over a window.

use super::kahan::{Kahan, Mean};
use super::quantile;
use crate::eval::window::Window;

pub(in crate::eval) fn sum(window: &Window<'_>) -> Option<f64> {
    let mut sum = Kahan::default();
    window.values.iter().for_each(|value| sum.add(*value));
    Some(sum.total())
}

pub(in crate::eval) fn avg(window: &Window<'_>) -> Option<f64> {
    let mut mean = Mean::default();
    window.values.iter().for_each(|value| mean.add(*value));
    Some(mean.value())
}

pub(in crate::eval) fn count(window: &Window<'_>) -> Option<f64> {
    Some(window.len() as f64)
}

/// The value that beats all before it; a NaN is beaten by anything.
fn best(window: &Window<'_>, beats: impl Fn(f64, f64) -> bool) -> Option<(i64, f64)> {
    let mut samples = window.timestamps.iter().copied().zip(window.values.iter().copied());
    let first = samples.next()?;
    Some(samples.fold(first, |best, sample| if beats(sample.1, best.1) || best.1.is_nan() { sample } else { best }))
}

pub(in crate::eval) fn min(window: &Window<'_>) -> Option<f64> {
    best(window, |value, best| value < best).map(|(_, value)| value)
}

pub(in crate::eval) fn max(window: &Window<'_>) -> Option<f64> {
    best(window, |value, best| value > best).map(|(_, value)| value)
}

/// Of several the last.
pub(in crate::eval) fn time_of_min(window: &Window<'_>) -> Option<f64> {
    seconds(best(window, |value, best| value <= best).map(|(time, _)| time).as_ref())
}

/// Of several the last.
pub(in crate::eval) fn time_of_max(window: &Window<'_>) -> Option<f64> {
    seconds(best(window, |value, best| value >= best).map(|(time, _)| time).as_ref())
}

pub(in crate::eval) fn seconds(time_ms: Option<&i64>) -> Option<f64> {
    time_ms.map(|time_ms| *time_ms as f64 / 1000.0)
}

pub(in crate::eval) fn variance(window: &Window<'_>) -> Option<f64> {
    let mut count = 0.0;
    let (mut mean, mut squares) = (Kahan::default(), Kahan::default());
    for value in window.values {
        count += 1.0;
        let delta = value - (mean.sum + mean.lost);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.sum + mean.lost)));
    }
    Some((squares.sum + squares.lost) / count)
}

pub(in crate::eval) fn quantile(window: &Window<'_>, wanted: f64) -> f64 {
    quantile::quantile(wanted, &mut window.values.to_vec())
}

/// The median of the distances from the median.
pub(in crate::eval) fn mad(window: &Window<'_>) -> Option<f64> {
    let mut values = window.values.to_vec();
    if values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let median = quantile::quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    Some(quantile::quantile(0.5, &mut values))
}
