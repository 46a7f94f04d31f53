//! What a destination has taken of a call that failed half-way, so that offering the same points again stores none twice.
//!
//! For backends whose destination takes points one by one, or in parts: commands in a row, a request for each partition.
//! It lives in the instance, and helps for as long.

use crate::point::Point;

/// The points of a call, and which of them the destination has taken.
#[derive(Debug, Default)]
pub struct Progress {
    points: Vec<Point>,
    taken: Vec<bool>,
}

impl Progress {
    /// Begins a call. If its points are what is left of a call that failed, all of them or those that were not
    /// rejected, then what was taken then counts as taken.
    pub fn begin(&mut self, points: Vec<Point>) {
        self.taken = self.remembered(&points).unwrap_or_else(|| vec![false; points.len()]);
        self.points = points;
    }

    /// What was taken of these points, if they all stood in the call before, in this order.
    fn remembered(&self, points: &[Point]) -> Option<Vec<bool>> {
        let mut before = self.points.iter().zip(&self.taken);
        let is_same = |a: &Point, b: &Point| {
            (a.series, a.timestamp_ms, a.value.to_bits()) == (b.series, b.timestamp_ms, b.value.to_bits())
        };
        points.iter().map(|point| before.find(|(other, _)| is_same(other, point)).map(|(_, taken)| *taken)).collect()
    }

    /// All points of the call.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The points that are still to be sent, with their places in the call.
    pub fn left(&self) -> impl Iterator<Item = (usize, Point)> {
        self.points
            .iter()
            .zip(&self.taken)
            .enumerate()
            .filter_map(|(place, (point, taken))| (!taken).then_some((place, *point)))
    }

    /// Notes that the destination has taken the point at this place of the call.
    pub fn take(&mut self, place: usize) {
        self.taken[place] = true;
    }

    /// Forgets the call: it went well, or handles stand for other series from now on.
    pub fn clear(&mut self) {
        self.points.clear();
        self.taken.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        values.iter().map(|value| Point { series: 1, timestamp_ms: 5, value: *value }).collect()
    }

    fn left(progress: &Progress) -> Vec<usize> {
        progress.left().map(|(place, _)| place).collect()
    }

    fn half_done() -> Progress {
        let mut progress = Progress::default();
        progress.begin(points(&[1.0, 2.0, 3.0, 2.0]));
        assert_eq!(left(&progress), [0, 1, 2, 3]);
        progress.take(0);
        progress.take(3);
        assert_eq!(left(&progress), [1, 2]);
        progress
    }

    #[test]
    fn the_same_points_again_are_sent_only_where_they_are_missing() {
        let mut progress = half_done();
        progress.begin(points(&[1.0, 2.0, 3.0, 2.0]));
        assert_eq!(left(&progress), [1, 2]);
        progress.take(1);
        progress.begin(points(&[1.0, 2.0, 3.0, 2.0]));
        assert_eq!(left(&progress), [2]);
    }

    #[test]
    fn without_the_points_that_were_rejected_the_rest_is_still_known() {
        let mut progress = half_done();
        progress.begin(points(&[1.0, 3.0, 2.0]));
        assert_eq!(left(&progress), [1]);
    }

    #[test]
    fn other_points_are_all_to_be_sent() {
        for other in [vec![9.0], vec![1.0, 9.0], vec![2.0, 1.0], vec![1.0, 2.0, 3.0, 2.0, 1.0], vec![-0.0]] {
            let mut progress = half_done();
            progress.begin(points(&other));
            assert_eq!(left(&progress).len(), other.len(), "{other:?}");
        }
        let mut progress = half_done();
        progress.clear();
        progress.begin(points(&[1.0, 2.0]));
        assert_eq!(left(&progress), [0, 1]);
    }
}
