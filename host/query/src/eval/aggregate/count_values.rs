//! `count_values`: how many series have which value.

use std::collections::HashMap;

use crate::eval::series::{ABSENT, StepSeries, is_present};
use crate::float;
use crate::labels::Labels;

pub(super) struct ValueCounter<'a> {
    label: &'a str,
    steps: usize,
    pub(super) series: Vec<StepSeries>,
    places: HashMap<Labels, usize>,
    /// Series that nobody has charged yet.
    fresh: usize,
}

impl<'a> ValueCounter<'a> {
    pub(super) fn new(label: &'a str, steps: usize) -> Self {
        Self { label, steps, series: Vec::new(), places: HashMap::new(), fresh: 0 }
    }

    pub(super) fn add(&mut self, series: &StepSeries, group: impl Fn(&Labels) -> Labels) {
        let mut last: Option<(u64, usize)> = None;
        for (step, value) in series.values.iter().enumerate().filter(|(_, value)| is_present(**value)) {
            // Values often stay as they are, and labels are dear.
            let place = match last {
                Some((bits, place)) if bits == value.to_bits() => place,
                _ => self.place(group(&series.labels.with(self.label, &float::plain(*value)))),
            };
            last = Some((value.to_bits(), place));
            let count = &mut self.series[place].values[step];
            *count = if is_present(*count) { *count + 1.0 } else { 1.0 };
        }
    }

    fn place(&mut self, labels: Labels) -> usize {
        let fresh = self.series.len();
        let place = *self.places.entry(labels.clone()).or_insert(fresh);
        if place == fresh {
            self.series.push(StepSeries { labels, values: vec![ABSENT; self.steps] });
            self.fresh += 1;
        }
        place
    }

    pub(super) fn take_new(&mut self) -> usize {
        std::mem::take(&mut self.fresh)
    }
}
