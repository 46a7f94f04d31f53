//! The quantile of a set of values.

use std::cmp::Ordering;

/// The quantile, between two values if it must be. Sorts the values; NaN is the smallest of all.
pub(in crate::eval) fn quantile(quantile: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || quantile.is_nan() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| nan_first(*a, *b));
    let last = values.len() - 1;
    let rank = quantile * last as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    let (lower, upper) = (values[lower as usize], values[(lower as usize + 1).min(last)]);
    lower * (1.0 - weight) + upper * weight
}

/// By size, and NaN before all.
pub(in crate::eval) fn nan_first(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}
