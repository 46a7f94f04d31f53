//! The times at which something is evaluated.

/// Evenly spaced times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) start_ms: i64,
    /// Positive, whatever the number of steps.
    pub(super) step_ms: i64,
    pub(super) steps: usize,
}

impl Grid {
    /// One time.
    pub(super) fn at(time_ms: i64) -> Self {
        Self { start_ms: time_ms, step_ms: 1, steps: 1 }
    }

    pub(super) fn time(self, step: usize) -> i64 {
        self.start_ms + step as i64 * self.step_ms
    }

    /// The last time.
    pub(super) fn end_ms(self) -> i64 {
        self.time(self.steps.saturating_sub(1))
    }

    pub(super) fn earlier(self, by_ms: i64) -> Self {
        Self { start_ms: self.start_ms.saturating_sub(by_ms), ..self }
    }

    /// Whether it may be an instant query, where the order of series means something.
    pub(super) fn is_instant(self) -> bool {
        self.steps == 1
    }
}
