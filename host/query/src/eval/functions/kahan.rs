//! Sums that do not lose what is small: Kahan's, in Neumaier's form, as Prometheus has it, so that results agree to the
//! last digit.

/// A sum and what rounding took from it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::eval) struct Kahan {
    pub(in crate::eval) sum: f64,
    pub(in crate::eval) lost: f64,
}

impl Kahan {
    pub(in crate::eval) fn plus(self, value: f64) -> Self {
        let sum = self.sum + value;
        let lost = if sum.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.lost + ((self.sum - sum) + value)
        } else {
            self.lost + ((value - sum) + self.sum)
        };
        Self { sum, lost }
    }

    pub(in crate::eval) fn add(&mut self, value: f64) {
        *self = self.plus(value);
    }

    pub(in crate::eval) fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }
}

/// A mean: of the sum as long as that is finite, then kept up to date value by value.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::eval) struct Mean {
    count: f64,
    /// The sum, or the mean.
    total: Kahan,
    incremental: bool,
}

impl Mean {
    pub(in crate::eval) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.total = Kahan { sum: value, lost: 0.0 };
            return;
        }
        if !self.incremental {
            let total = self.total.plus(value);
            if !total.sum.is_infinite() {
                self.total = total;
                return;
            }
            self.incremental = true;
            let before = self.count - 1.0;
            self.total = Kahan { sum: self.total.sum / before, lost: self.total.lost / before };
        }
        let share = (self.count - 1.0) / self.count;
        let kept = Kahan { sum: share * self.total.sum, lost: share * self.total.lost };
        self.total = kept.plus(value / self.count);
    }

    pub(in crate::eval) fn value(self) -> f64 {
        if self.incremental {
            self.total.sum + self.total.lost
        } else {
            self.total.sum / self.count + self.total.lost / self.count
        }
    }
}
