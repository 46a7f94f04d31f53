//! The order of an instant vector.

use std::cmp::Ordering;

use super::natural;
use crate::eval::series::StepSeries;

/// By the value of the only step; NaN last either way.
pub(in crate::eval) fn by_value(series: &mut [StepSeries], descending: bool) {
    series.sort_by(|a, b| {
        let (a, b) = (a.values[0], b.values[0]);
        let order = a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
        if descending && !a.is_nan() && !b.is_nan() { order.reverse() } else { order }
    });
}

/// By some labels' values in natural order, then by all labels.
pub(in crate::eval) fn by_label(series: &mut [StepSeries], labels: &[String], descending: bool) {
    series.sort_by(|a, b| {
        let differ = labels.iter().map(|label| natural::compare(a.labels.get(label), b.labels.get(label)));
        let order =
            differ.into_iter().find(|order| *order != Ordering::Equal).unwrap_or_else(|| a.labels.cmp(&b.labels));
        if descending { order.reverse() } else { order }
    });
}
