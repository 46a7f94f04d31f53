//! A line of small bars.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// So many bars of values over time: each is the largest of its share of the time; a blank where there is none.
pub(super) fn sparkline(points: &[(f64, f64)], start: f64, end: f64, columns: usize) -> String {
    let mut bars: Vec<Option<f64>> = vec![None; columns];
    let span = (end - start).max(f64::MIN_POSITIVE);
    for (time, value) in points.iter().filter(|(_, value)| value.is_finite()) {
        let place = (((time - start) / span) * columns as f64).max(0.0) as usize;
        if let Some(bar) = bars.get_mut(place.min(columns.saturating_sub(1))) {
            *bar = Some(bar.map_or(*value, |bar| bar.max(*value)));
        }
    }
    let (low, high) = bars
        .iter()
        .flatten()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    let top = BARS.len() as f64 - 1.0;
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        Some(_) if high <= low => BARS[0],
        // Halves, since the whole difference may be more than a number can hold.
        Some(value) => BARS[((value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) * top).round() as usize],
    };
    bars.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_the_largest_value_of_their_time() {
        let points: Vec<(f64, f64)> = (0..8).map(|at| (f64::from(at), f64::from(at))).collect();
        assert_eq!(sparkline(&points, 0.0, 8.0, 8), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&points, 0.0, 8.0, 4), "▁▃▆█");
        assert_eq!(sparkline(&[(0.0, 5.0), (3.0, 5.0)], 0.0, 3.0, 4), "▁  ▁");
        assert_eq!(sparkline(&[(0.0, f64::NAN), (1.0, f64::INFINITY)], 0.0, 1.0, 2), "  ");
        assert_eq!(sparkline(&[(0.0, f64::MIN), (1.0, f64::MAX)], 0.0, 1.0, 2), "▁█");
        assert_eq!(sparkline(&[], 0.0, 0.0, 0), "");
        assert_eq!(sparkline(&[(7.0, 1.0)], 7.0, 7.0, 3), "▁  ");
    }
}
