//! How far values lie from others, in spreads that outliers do not move.

/// A shift of so many spreads is worth a word. With it a thousand series of plain noise list none in most hours.
pub(super) const SCORE_MIN: f64 = 4.0;
/// Values that a window needs: the median of fewer is chance,
const NOW_MIN: usize = 3;
/// and values that it is compared with.
const BEFORE_MIN: usize = 12;
/// A standard deviation of a normal distribution, in median absolute deviations,
const MAD: f64 = 1.4826;
/// and in mean ones, for where more than half of the values are the same.
const MEAN_AD: f64 = 1.2533;
/// Below this share of a value nobody calls it a change.
const SHARE_MIN: f64 = 0.02;
/// Where a stretch of the time before has been as far off, that is this many spreads: it is usual, then.
const SEEN_BEFORE: f64 = 2.0;

/// How a window differs from what was before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shift {
    pub(super) score: f64,
    pub(super) now: f64,
    pub(super) before: f64,
    pub(super) spread: f64,
}

impl Shift {
    /// Nothing if there are too few values. Both are put into another order: those of `before` only in the end.
    pub(super) fn between(now: &mut [f64], before: &mut [f64]) -> Option<Self> {
        if now.len() < NOW_MIN || before.len() < BEFORE_MIN {
            return None;
        }
        // Medians of stretches as long as the window: how far it wanders by itself.
        let mut stretch = Vec::with_capacity(now.len());
        let mut wanders: Vec<f64> = before
            .chunks_exact(now.len())
            .map(|values| {
                stretch.clear();
                stretch.extend_from_slice(values);
                median(&mut stretch)
            })
            .collect();
        let (now_at, before_at) = (median(now), median(before));
        let mut off: Vec<f64> = before.iter().map(|value| (value - before_at).abs()).collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        let around = match median(&mut off) * MAD {
            0.0 => mean * MEAN_AD,
            spread => spread,
        };
        wanders.iter_mut().for_each(|value| *value = (*value - before_at).abs());
        let furthest = wanders.iter().copied().fold(0.0, f64::max);
        let wandering = if wanders.is_empty() { 0.0 } else { median(&mut wanders) * MAD };
        // A median of few values is off by chance more than one of many.
        let chance = (1.5 / (now.len() as f64).sqrt()).max(0.5);
        let least = SHARE_MIN * now_at.abs().max(before_at.abs());
        let spread = (around * chance).max(wandering).max(furthest / SEEN_BEFORE).max(least);
        let score = if spread > 0.0 { (now_at - before_at).abs() / spread } else { 0.0 };
        Some(Self { score, now: now_at, before: before_at, spread: around.max(wandering) })
    }
}

/// The middle of values that are all finite; there is at least one.
fn median(values: &mut [f64]) -> f64 {
    let (count, middle) = (values.len(), values.len() / 2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if count.is_multiple_of(2) {
        return below.iter().copied().fold(f64::NEG_INFINITY, f64::max).midpoint(upper);
    }
    upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_of_any_order() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [7.0]), 7.0);
    }

    #[test]
    fn outliers_move_nothing_and_a_level_does() {
        let mut before: Vec<f64> = (0..360).map(|n| 10.0 + f64::from(n % 7) / 10.0).collect();
        before[100] = 1e12;
        let score = |now: &mut [f64]| Shift::between(now, &mut before.clone()).unwrap().score;
        assert!(score(&mut [10.1, 10.3, 1e12, 10.2, 10.4, 10.3]) < SCORE_MIN);
        assert!(score(&mut [14.1, 14.3, 14.2, 14.2, 14.4, 14.3]) > 5.0);
    }

    #[test]
    fn what_was_constant_and_is_not_any_more_stands_out_unless_it_is_a_trifle() {
        let score = |now: f64, before: f64| Shift::between(&mut [now; 30], &mut [before; 360]).unwrap().score;
        assert!(score(0.5, 0.0) > 10.0 && score(0.0, 3.0) > 10.0);
        assert!(score(1003.0, 1000.0) < SCORE_MIN);
        assert_eq!(score(5.0, 5.0), 0.0);
    }

    #[test]
    fn too_few_values_say_nothing() {
        assert_eq!(Shift::between(&mut [1.0; 2], &mut [1.0; 360]), None);
        assert_eq!(Shift::between(&mut [1.0; 60], &mut [1.0; 5]), None);
    }
}
