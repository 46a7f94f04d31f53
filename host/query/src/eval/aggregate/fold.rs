//! Aggregations that fold a group's columns into one.

use crate::ast::AggregateOp;
use crate::eval::functions::kahan::{Kahan, Mean};
use crate::eval::series::{ABSENT, StepColumn, is_present};

/// What a step has gathered so far.
trait Gathered: Copy {
    /// Of the first value.
    fn first(value: f64) -> Self;
    fn add(&mut self, value: f64);
    fn result(self) -> f64;
}

pub(super) fn fold(op: AggregateOp, members: &[&StepColumn], steps: usize) -> StepColumn {
    match op {
        AggregateOp::Sum => gather::<KahanSum>(members, steps),
        AggregateOp::Avg => gather::<Mean>(members, steps),
        AggregateOp::Min => gather::<Min>(members, steps),
        AggregateOp::Max => gather::<Max>(members, steps),
        AggregateOp::Count => gather::<Count>(members, steps),
        AggregateOp::Stdvar => gather::<Variance>(members, steps),
        AggregateOp::Stddev => {
            let mut column = gather::<Variance>(members, steps);
            column.iter_mut().filter(|value| is_present(**value)).for_each(|value| *value = value.sqrt());
            column
        }
        _ => gather::<One>(members, steps),
    }
}

fn gather<G: Gathered>(members: &[&StepColumn], steps: usize) -> StepColumn {
    let mut gathered: Vec<Option<G>> = vec![None; steps];
    for member in members {
        for (gathered, value) in gathered.iter_mut().zip(*member).filter(|(_, value)| is_present(**value)) {
            match gathered {
                Some(gathered) => gathered.add(*value),
                None => *gathered = Some(G::first(*value)),
            }
        }
    }
    gathered.into_iter().map(|gathered| gathered.map_or(ABSENT, G::result)).collect()
}

#[derive(Clone, Copy)]
struct KahanSum(Kahan);

impl Gathered for KahanSum {
    fn first(value: f64) -> Self {
        Self(Kahan { sum: value, lost: 0.0 })
    }

    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn result(self) -> f64 {
        self.0.sum + self.0.lost
    }
}

impl Gathered for Mean {
    fn first(value: f64) -> Self {
        let mut mean = Self::default();
        mean.add(value);
        mean
    }

    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn result(self) -> f64 {
        self.value()
    }
}

#[derive(Clone, Copy)]
struct Min(f64);

impl Gathered for Min {
    fn first(value: f64) -> Self {
        Self(value)
    }

    fn add(&mut self, value: f64) {
        if value < self.0 || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn result(self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
struct Max(f64);

impl Gathered for Max {
    fn first(value: f64) -> Self {
        Self(value)
    }

    fn add(&mut self, value: f64) {
        if value > self.0 || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn result(self) -> f64 {
        self.0
    }
}

#[derive(Clone, Copy)]
struct Count(f64);

impl Gathered for Count {
    fn first(_: f64) -> Self {
        Self(1.0)
    }

    fn add(&mut self, _: f64) {
        self.0 += 1.0;
    }

    fn result(self) -> f64 {
        self.0
    }
}

/// Welford's: the squares are taken from the mean so far, so that large values with small differences keep them.
#[derive(Clone, Copy)]
struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Gathered for Variance {
    fn first(value: f64) -> Self {
        Self { count: 1.0, mean: value, squares: if value.is_finite() { 0.0 } else { f64::NAN } }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn result(self) -> f64 {
        self.squares / self.count
    }
}

#[derive(Clone, Copy)]
struct One;

impl Gathered for One {
    fn first(_: f64) -> Self {
        Self
    }

    fn add(&mut self, _: f64) {}

    fn result(self) -> f64 {
        1.0
    }
}
