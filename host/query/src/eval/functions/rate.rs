//! How counters and gauges change over a window.

use crate::eval::window::Window;

/// What a window's samples say of a change.
pub(in crate::eval) struct Change {
    /// The first value.
    pub(in crate::eval) first: f64,
    /// From the first to the last, with what a counter had before it began anew.
    pub(in crate::eval) change: f64,
    /// One less than there are samples.
    pub(in crate::eval) gaps: f64,
    pub(in crate::eval) first_ms: i64,
    pub(in crate::eval) last_ms: i64,
}

impl Change {
    /// The change over the whole window. Samples seldom lie at its ends, so what was seen is carried on to them: all the way
    /// if they are about as near as the next sample would be, else by half the distance between samples; and a counter is not
    /// carried back beyond zero.
    pub(in crate::eval) fn extrapolated(
        &self,
        (start_ms, end_ms): (i64, i64),
        counter: bool,
        per_second: bool,
    ) -> Option<f64> {
        if self.gaps < 1.0 {
            return None;
        }
        let seconds = |from: i64, to: i64| (to - from) as f64 / 1000.0;
        let sampled = seconds(self.first_ms, self.last_ms);
        let average = sampled / self.gaps;
        // A tenth more than usual still counts as regular.
        let near = |distance: f64| if distance >= average * 1.1 { average / 2.0 } else { distance };
        let mut to_start = near(seconds(start_ms, self.first_ms));
        if counter && self.change > 0.0 && self.first >= 0.0 {
            to_start = to_start.min(sampled * (self.first / self.change));
        }
        let to_end = near(seconds(self.last_ms, end_ms));
        let mut factor = (sampled + to_start + to_end) / sampled;
        if per_second {
            factor /= (end_ms - start_ms) as f64 / 1000.0;
        }
        Some(self.change * factor)
    }
}

/// The change over the whole window.
pub(in crate::eval) fn extrapolated(window: &Window<'_>, counter: bool, per_second: bool) -> Option<f64> {
    let Window { timestamps, values, start_ms, end_ms, .. } = *window;
    let gaps = values.len() - 1;
    let mut change = values[gaps] - values[0];
    if counter {
        change += values.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[0]).sum::<f64>();
    }
    let (first_ms, last_ms) = (timestamps[0], timestamps[gaps]);
    let change = Change { first: values[0], change, gaps: gaps as f64, first_ms, last_ms };
    change.extrapolated((start_ms, end_ms), counter, per_second)
}

/// The change between the last two samples.
pub(in crate::eval) fn of_last_two(window: &Window<'_>, counter: bool) -> Option<f64> {
    let last = window.len().checked_sub(1).filter(|last| *last > 0)?;
    let (before, value) = (window.values[last - 1], window.values[last]);
    // After a reset a counter has begun at zero.
    let change = if counter && value < before { value } else { value - before };
    let seconds = (window.timestamps[last] - window.timestamps[last - 1]) as f64 / 1000.0;
    Some(if counter { change / seconds } else { change })
}

pub(in crate::eval) fn resets(window: &Window<'_>) -> Option<f64> {
    Some(window.values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64)
}

pub(in crate::eval) fn changes(window: &Window<'_>) -> Option<f64> {
    let changed = |pair: &&[f64]| pair[1] != pair[0] && !(pair[0].is_nan() && pair[1].is_nan());
    Some(window.values.windows(2).filter(changed).count() as f64)
}
