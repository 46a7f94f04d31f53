//! Lines and curves through the samples of a window.

use super::kahan::Kahan;
use crate::eval::window::Window;

/// Slope a second, and height at a time, of the line that fits best.
fn line(window: &Window<'_>, at_ms: i64) -> (f64, f64) {
    let first = window.values[0];
    if window.values.iter().all(|value| *value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let count = window.len() as f64;
    let [mut x_sum, mut y_sum, mut xy_sum, mut xx_sum] = [Kahan::default(); 4];
    for (time, y) in window.timestamps.iter().zip(window.values) {
        let x = (time - at_ms) as f64 / 1000.0;
        x_sum.add(x);
        y_sum.add(*y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    let [x, y, xy, xx] = [x_sum, y_sum, xy_sum, xx_sum].map(|sum| sum.sum + sum.lost);
    let slope = (xy - x * y / count) / (xx - x * x / count);
    (slope, y / count - slope * x / count)
}

pub(in crate::eval) fn deriv(window: &Window<'_>) -> Option<f64> {
    // Near the samples, for the squares of large numbers leave nothing of small ones.
    (window.len() > 1).then(|| line(window, window.timestamps[0]).0)
}

/// The height of the line so many seconds after the step.
pub(in crate::eval) fn predict(window: &Window<'_>, seconds: f64) -> Option<f64> {
    (window.len() > 1).then(|| {
        let (slope, height) = line(window, window.now_ms);
        slope * seconds + height
    })
}

/// Double exponential smoothing: a level and a trend, each a weighted mean of what was and what is.
pub(in crate::eval) fn smoothed(window: &Window<'_>, smoothing: f64, trending: f64) -> Option<f64> {
    let values = window.values;
    if values.len() < 2 {
        return None;
    }
    let (mut before, mut level) = (0.0, values[0]);
    let mut trend = values[1] - values[0];
    for (place, value) in values.iter().enumerate().skip(1) {
        if place > 1 {
            trend = trending * (level - before) + (1.0 - trending) * trend;
        }
        (before, level) = (level, smoothing * value + (1.0 - smoothing) * (level + trend));
    }
    Some(level)
}
