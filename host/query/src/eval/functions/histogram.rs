//! Classic histograms: series with a label `le`, each the count of what is at most so large.

use std::collections::HashMap;

use crate::eval::series::{ABSENT, StepColumn, StepSeries, is_present};
use crate::labels::Labels;

/// The label that holds a bucket's upper bound.
pub(in crate::eval) const BOUND: &str = "le";

/// Buckets that differ from the ones before by less than this differ by rounding.
const SMALL_DELTA: f64 = 1e-12;

/// A histogram: its labels without the bound, and its buckets from small to large.
pub(in crate::eval) struct Histogram {
    pub(in crate::eval) labels: Labels,
    pub(in crate::eval) buckets: Vec<(f64, StepColumn)>,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::eval) struct HistogramBucket {
    bound: f64,
    count: f64,
}

/// What had to be done to make counts grow from bucket to bucket.
#[derive(Clone, Copy, Debug)]
pub(in crate::eval) struct Forced {
    pub(in crate::eval) least: f64,
    pub(in crate::eval) most: f64,
    pub(in crate::eval) difference: f64,
}

/// Series as histograms, and the labels of those that are no buckets.
pub(in crate::eval) fn collect(series: Vec<StepSeries>) -> (Vec<Histogram>, Vec<Labels>) {
    let mut histograms: Vec<Histogram> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut strange = Vec::new();
    for StepSeries { labels, values } in series {
        let Some(bound) = crate::float::parse(labels.get(BOUND)) else {
            strange.push(labels);
            continue;
        };
        let labels = labels.filtered(|name| name != BOUND);
        let place = *places.entry(labels.clone()).or_insert(histograms.len());
        if place == histograms.len() {
            histograms.push(Histogram { labels, buckets: Vec::new() });
        }
        histograms[place].buckets.push((bound, values));
    }
    for histogram in &mut histograms {
        histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    (histograms, strange)
}

impl Histogram {
    /// The buckets at a step; two with the same bound are one.
    fn at(&self, step: usize, buckets: &mut Vec<HistogramBucket>) {
        buckets.clear();
        for (bound, counts) in &self.buckets {
            let count = counts[step];
            match buckets.last_mut() {
                _ if !is_present(count) => {}
                Some(last) if last.bound == *bound => last.count += count,
                _ => buckets.push(HistogramBucket { bound: *bound, count }),
            }
        }
    }

    /// What a function makes of the buckets of each step.
    pub(in crate::eval) fn column(&self, mut of: impl FnMut(usize, &mut [HistogramBucket]) -> f64) -> StepColumn {
        let steps = self.buckets.first().map_or(0, |(_, counts)| counts.len());
        let mut buckets = Vec::with_capacity(self.buckets.len());
        (0..steps)
            .map(|step| {
                self.at(step, &mut buckets);
                if buckets.is_empty() { ABSENT } else { of(step, &mut buckets) }
            })
            .collect()
    }
}

/// The quantile of a histogram: values are taken to lie evenly in their bucket.
pub(in crate::eval) fn quantile(wanted: f64, buckets: &mut [HistogramBucket]) -> (f64, Option<Forced>) {
    if wanted.is_nan() {
        return (f64::NAN, None);
    }
    if wanted < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if wanted > 1.0 {
        return (f64::INFINITY, None);
    }
    let last = buckets.len() - 1;
    if buckets[last].bound != f64::INFINITY {
        return (f64::NAN, None);
    }
    let forced = force_monotonic(buckets);
    let all = buckets[last].count;
    if last == 0 || all == 0.0 || all.is_nan() {
        return (f64::NAN, forced);
    }
    let mut rank = wanted * all;
    let place = buckets[..last].partition_point(|bucket| bucket.count < rank);
    let value = if place == last {
        buckets[last - 1].bound
    } else if place == 0 && buckets[0].bound <= 0.0 {
        buckets[0].bound
    } else {
        let HistogramBucket { bound: end, mut count } = buckets[place];
        let mut start = 0.0;
        if place > 0 {
            let before = buckets[place - 1];
            start = before.bound;
            count -= before.count;
            rank -= before.count;
        }
        start + (end - start) * (rank / count)
    };
    (value, forced)
}

fn force_monotonic(buckets: &mut [HistogramBucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if count == before {
            continue;
        }
        if nearly_equal(before, count) {
            bucket.count = before;
        } else if count < before {
            bucket.count = before;
            let seen = forced.get_or_insert(Forced { least: bucket.bound, most: bucket.bound, difference: 0.0 });
            seen.most = seen.most.max(bucket.bound);
            seen.difference = seen.difference.max(before - count);
        } else {
            before = count;
        }
    }
    forced
}

fn nearly_equal(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < SMALL_DELTA * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < SMALL_DELTA
}

/// The share of a histogram's values that lie between two bounds.
pub(in crate::eval) fn fraction(lower: f64, upper: f64, buckets: &[HistogramBucket]) -> f64 {
    let last = buckets.len() - 1;
    let all = buckets[last].count;
    if buckets[last].bound != f64::INFINITY || all == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets).min(all) - rank_of(lower, buckets).min(all)) / all
}

/// How many values are at most so large.
fn rank_of(value: f64, buckets: &[HistogramBucket]) -> f64 {
    let mut start = if buckets[0].bound <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut rank = 0.0;
    for HistogramBucket { bound, count } in buckets {
        if start >= value {
            return rank;
        }
        if *bound > value {
            // Nothing is known of how values lie in a bucket without a start.
            return if start == f64::NEG_INFINITY {
                *count
            } else {
                rank + (count - rank) * (value - start) / (bound - start)
            };
        }
        rank = *count;
        start = *bound;
    }
    rank
}
