//! A range over streaming samples: a window slides from step to step, and what lies before it is forgotten.

use saker_pipeline::reader::ReadBudget;

use super::coarse::{Coarse, Strictness};
use super::grid::Grid;
use super::part::{Part, PartFn, Parts, Told};
use super::series::{ABSENT, StepColumn, is_present};

/// The samples of a range at one step. The range is open on the left: a sample at its very start is not in it.
pub(super) struct Window<'a> {
    pub(super) timestamps: &'a [i64],
    pub(super) values: &'a [f64],
    /// Before the first sample.
    pub(super) start_ms: i64,
    /// At or after the last sample.
    pub(super) end_ms: i64,
    /// The time of the step, which `@` and `offset` do not move.
    pub(super) now_ms: i64,
}

impl Window<'_> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

/// What is made of a window, at a step.
pub(super) type WindowFn<'f> = dyn Fn(&Window<'_>, usize) -> Option<f64> + 'f;

/// A function over ranges.
pub(super) struct RangeFn<'f> {
    /// As it is written.
    pub(super) name: &'f str,
    /// Of samples.
    pub(super) run: Box<WindowFn<'f>>,
    /// Of buckets, if it can be told from them.
    pub(super) parts: Option<PartFn>,
}

/// When and how far a range looks.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// The steps.
    pub(super) grid: Grid,
    /// The ends of the windows; one for all steps, if `@` says so.
    pub(super) ends: Grid,
    pub(super) range_ms: i64,
}

impl Reach {
    fn end(&self, step: usize) -> i64 {
        if self.is_fixed() { self.ends.start_ms } else { self.ends.time(step) }
    }

    fn is_fixed(&self) -> bool {
        self.ends.steps < self.grid.steps
    }
}

/// Samples in windows between two looks at the budget: some milliseconds' work, for windows overlap and functions may sort.
const UNWATCHED_SAMPLES: usize = 1 << 18;

/// Samples that are forgotten at once, so that moving the rest is rare.
const FORGET_SAMPLES: usize = 1024;

pub(super) struct Slide<'f> {
    reach: Reach,
    function: &'f RangeFn<'f>,
    budget: &'f ReadBudget,
    unwatched: usize,
    timestamps: Vec<i64>,
    values: Vec<f64>,
    /// Buckets with samples between their first and their last.
    parts: Vec<Part>,
    /// The first of them that the next window may have.
    first_part: usize,
    coarse: Coarse,
    /// The window of the next step.
    head: usize,
    tail: usize,
    next: usize,
    results: StepColumn,
}

impl<'f> Slide<'f> {
    pub(super) fn new(reach: Reach, function: &'f RangeFn<'f>, budget: &'f ReadBudget, strictness: Strictness) -> Self {
        Self {
            reach,
            function,
            budget,
            unwatched: 0,
            timestamps: Vec::new(),
            values: Vec::new(),
            parts: Vec::new(),
            first_part: 0,
            coarse: Coarse::new(strictness),
            head: 0,
            tail: 0,
            next: 0,
            results: vec![ABSENT; reach.grid.steps],
        }
    }

    /// Bytes that it keeps beside its results.
    pub(super) fn bytes(&self) -> u64 {
        (self.timestamps.capacity() * 16 + self.parts.capacity() * size_of::<Part>()) as u64
    }

    /// What its buckets made of its answers.
    pub(super) fn coarse(&mut self) -> &mut Coarse {
        &mut self.coarse
    }

    /// Takes the next buckets.
    pub(super) fn push_parts(&mut self, parts: impl Iterator<Item = Part>) {
        self.forget();
        let mut newest = None;
        for part in parts {
            newest = Some(part.last_ms);
            match part.samples() {
                Some((timestamps, values, count)) => {
                    self.timestamps.extend_from_slice(&timestamps[2 - count..]);
                    self.values.extend_from_slice(&values[2 - count..]);
                }
                None => self.parts.push(part),
            }
        }
        if let Some(newest) = newest {
            self.step_before(newest);
        }
    }

    pub(super) fn push(&mut self, timestamps: &[i64], values: &[f64]) {
        self.forget();
        if values.iter().all(|value| is_present(*value)) {
            self.timestamps.extend_from_slice(timestamps);
            self.values.extend_from_slice(values);
        } else {
            for (time, value) in timestamps.iter().zip(values).filter(|(_, value)| is_present(**value)) {
                self.timestamps.push(*time);
                self.values.push(*value);
            }
        }
        if let Some(newest) = timestamps.last() {
            self.step_before(*newest);
        }
    }

    /// Evaluates what is left.
    pub(super) fn end(&mut self) {
        self.step_before(i64::MAX);
    }

    /// The results; fewer if the budget is spent, as its next check says.
    pub(super) fn finish(mut self) -> StepColumn {
        self.end();
        self.results
    }

    /// Evaluates the steps whose windows no later sample can reach.
    fn step_before(&mut self, newest_ms: i64) {
        while self.next < self.reach.grid.steps && self.reach.end(self.next) < newest_ms {
            self.step();
            self.next = (self.next + 1).min(self.reach.grid.steps);
            self.unwatched += self.tail - self.head;
            if self.unwatched > UNWATCHED_SAMPLES {
                self.unwatched = 0;
                if self.budget.check().is_err() {
                    self.next = self.reach.grid.steps;
                }
            }
        }
    }

    fn step(&mut self) {
        let end_ms = self.reach.end(self.next);
        let start_ms = end_ms - self.reach.range_ms;
        self.head += first_after(&self.timestamps[self.head..], start_ms);
        self.tail = self.tail.max(self.head);
        self.tail += first_after(&self.timestamps[self.tail..], end_ms);
        if !self.parts.is_empty() && self.step_over_parts(start_ms, end_ms) {
            return;
        }
        if self.head == self.tail {
            return;
        }
        let window = Window {
            timestamps: &self.timestamps[self.head..self.tail],
            values: &self.values[self.head..self.tail],
            start_ms,
            end_ms,
            now_ms: self.reach.grid.time(self.next),
        };
        if let Some(result) = (self.function.run)(&window, self.next) {
            self.results[self.next] = result;
        }
    }

    /// Evaluates a step whose window has buckets; answers whether it has any.
    fn step_over_parts(&mut self, start_ms: i64, end_ms: i64) -> bool {
        self.first_part += self.parts[self.first_part..].iter().take_while(|part| part.last_ms <= start_ms).count();
        let rest = &self.parts[self.first_part..];
        let parts = &rest[..rest.iter().take_while(|part| part.first_ms <= end_ms).count()];
        let Some(newest) = parts.last() else { return false };
        self.unwatched += parts.len();
        let window = Parts {
            parts,
            timestamps: &self.timestamps[self.head..self.tail],
            values: &self.values[self.head..self.tail],
            start_ms,
            end_ms,
        };
        match self.function.parts.map_or(Told::Nothing, |function| window.tell(function)) {
            Told::Exactly(value) => self.results[self.next] = value.unwrap_or(ABSENT),
            Told::Widened(value) => {
                self.results[self.next] = value.unwrap_or(ABSENT);
                self.coarse.inexact(newest);
            }
            Told::Nothing => self.coarse.untold(newest),
        }
        if self.coarse.has_failed() {
            self.next = self.reach.grid.steps;
        }
        true
    }

    fn forget(&mut self) {
        if self.next < self.reach.grid.steps {
            let start_ms = self.reach.end(self.next) - self.reach.range_ms;
            self.head += first_after(&self.timestamps[self.head..], start_ms);
            self.tail = self.tail.max(self.head);
        }
        if self.first_part >= FORGET_SAMPLES {
            self.parts.drain(..self.first_part);
            self.first_part = 0;
        }
        if self.head >= FORGET_SAMPLES {
            self.timestamps.drain(..self.head);
            self.values.drain(..self.head);
            self.tail -= self.head;
            self.head = 0;
        }
    }
}

/// Steps are small, so what is looked for is near.
pub(super) fn first_after(timestamps: &[i64], time_ms: i64) -> usize {
    let mut reach = 1;
    while reach < timestamps.len() && timestamps[reach] <= time_ms {
        reach *= 2;
    }
    let from = reach / 2;
    let to = reach.min(timestamps.len());
    from.min(to) + timestamps[from.min(to)..to].partition_point(|time| *time <= time_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_after_a_time_is_found_wherever_it_is() {
        for length in 0..40 {
            let timestamps: Vec<i64> = (0..length).map(|at| at * 10).collect();
            for time_ms in -5..(length * 10 + 5) {
                let expected = timestamps.partition_point(|time| *time <= time_ms);
                assert_eq!(first_after(&timestamps, time_ms), expected, "{length} {time_ms}");
            }
        }
    }

    #[test]
    fn windows_are_the_same_however_samples_arrive() {
        let timestamps: Vec<i64> = (0..20_000).map(|at| at * 1000 + 7).collect();
        let values: Vec<f64> = (0..20_000).map(f64::from).collect();
        let grid = Grid { start_ms: 1_000_000, step_ms: 30_000, steps: 600 };
        let reach = Reach { grid, ends: grid, range_ms: 60_000 };
        let run = |window: &Window<'_>, _: usize| Some(window.values.iter().sum::<f64>());
        let function = RangeFn { name: "sum", run: Box::new(run), parts: None };
        let budget = ReadBudget::new(Default::default(), Default::default());
        let slide = |chunk: usize| {
            let mut slide = Slide::new(reach, &function, &budget, Strictness::Lenient);
            for (timestamps, values) in timestamps.chunks(chunk).zip(values.chunks(chunk)) {
                slide.push(timestamps, values);
                assert!(chunk > 100 || slide.timestamps.len() < 3 * FORGET_SAMPLES);
            }
            slide.finish()
        };
        let whole = slide(usize::MAX);
        assert_eq!(whole[0], (940..1000).map(f64::from).sum::<f64>());
        for chunk in [1, 7, 100, 1024] {
            assert_eq!(slide(chunk), whole);
        }
    }
}
