//! Which part of a question is answered by which lane: points as far as they are kept, tiers from fine to coarse before
//! them; or a tier that is preferred, as far as it goes.

use saker_pipeline::reader::TimeRange;

use crate::Store;
use crate::error::StoreReadError;
use crate::key::StoredSeries as Stored;
use crate::lane::{Lane, floor};
use crate::view::{FoundExtent, View};

/// A part of a question: of points, those of its times; of buckets, those that begin in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// From here,
    pub(super) from_ms: i64,
    /// and before here.
    pub(super) to_ms: i64,
    /// A tier, or points.
    pub(super) tier: Option<Lane>,
    /// A bucket whose first sample is from here on is what the next section has, too.
    pub(super) next_ms: i64,
}

/// Buckets that are read at once: what their files keep together.
const BUCKETS_MS: i64 = 30 * 86_400_000;

impl Section {
    /// What of it is read in a turn: the points of that time, and all buckets of a section that begins in it.
    pub(super) fn within(&self, from_ms: i64, to_ms: i64) -> Option<Self> {
        if self.tier.is_some() {
            return (from_ms..to_ms).contains(&self.from_ms).then_some(*self);
        }
        let part = Self { from_ms: self.from_ms.max(from_ms), to_ms: self.to_ms.min(to_ms), ..*self };
        (part.from_ms < part.to_ms).then_some(part)
    }

    /// The same in parts that can be held.
    fn parts(self) -> impl Iterator<Item = Self> {
        let longest_ms = if self.tier.is_some() { BUCKETS_MS } else { i64::MAX };
        let part = move |from_ms: i64| {
            let to_ms = floor(from_ms, longest_ms).saturating_add(longest_ms).min(self.to_ms);
            (from_ms < self.to_ms).then_some(Self { from_ms, to_ms, ..self })
        };
        std::iter::successors(part(self.from_ms), move |last| part(last.to_ms))
    }
}

/// Where a series is read from.
pub(super) struct SectionPlan {
    /// In the order of times.
    pub(super) sections: Vec<Section>,
    /// The extents of its points.
    pub(super) raw: Vec<FoundExtent>,
}

/// Plans to read a series. `tier_ms` is the tier that is preferred to points, or 0.
pub(super) fn plan(
    view: &mut View<'_>,
    store: &Store,
    series: &Stored,
    range: TimeRange,
    tier_ms: i64,
) -> Result<SectionPlan, StoreReadError> {
    let (start_ms, end_ms) = (range.start_ms, range.end_ms.min(view.end(series).saturating_sub(1)));
    let mut plan = SectionPlan { sections: Vec::new(), raw: Vec::new() };
    if start_ms > end_ms {
        return Ok(plan);
    }
    let lanes: Vec<Lane> = view.files.lanes().into_iter().filter(|lane| !lane.is_raw()).collect();
    let mut rest = vec![(start_ms, end_ms.saturating_add(1))];
    let preferred = store.plan(series).tiers.into_iter().find(|lane| tier_ms > 0 && lane.granularity_ms == tier_ms);
    if let Some(lane) = preferred.filter(|lane| lanes.contains(lane)) {
        rest = take_tier(view, series, lane, (start_ms, end_ms), &mut plan.sections)?;
    }
    // As much before the range as a bucket may reach into it, to tell whether there are points of all of its samples.
    let longest_ms = lanes.iter().map(|lane| lane.granularity_ms).max().unwrap_or(0);
    plan.raw = view.locate(&series.key, Lane::is_raw, start_ms.saturating_sub(longest_ms), end_ms)?;
    let head_ms = view.head_begin(series);
    for (from_ms, to_ms) in rest {
        let near_ms = from_ms.saturating_sub(longest_ms);
        let extents = plan.raw.iter().filter(|found| found.located.last_ms >= near_ms);
        let begins = extents.map(|found| found.located.first_ms).chain([head_ms]).min().unwrap_or(i64::MAX);
        let raw_ms = begins.clamp(from_ms, to_ms);
        if from_ms < raw_ms {
            take_older(view, series, &lanes, (from_ms, raw_ms), &mut plan.sections)?;
        }
        if raw_ms < to_ms {
            plan.sections.push(Section { from_ms: raw_ms, to_ms, tier: None, next_ms: to_ms });
        }
    }
    plan.sections = plan.sections.into_iter().flat_map(Section::parts).collect();
    plan.sections.sort_by_key(|section| section.from_ms);
    Ok(plan)
}

/// Takes what a tier covers, and answers what it does not.
fn take_tier(
    view: &mut View<'_>,
    series: &Stored,
    lane: Lane,
    (start_ms, end_ms): (i64, i64),
    sections: &mut Vec<Section>,
) -> Result<Vec<(i64, i64)>, StoreReadError> {
    let begin_ms = floor(start_ms, lane.granularity_ms);
    let own = view.locate(&series.key, |other| other == lane, begin_ms, end_ms)?;
    // Before its first bucket there may be points: a series has not always gone by the policy that it goes by.
    let Some(own_ms) = own.iter().map(|found| found.located.first_ms).min() else {
        return Ok(vec![(start_ms, end_ms.saturating_add(1))]);
    };
    let mut rest = Vec::new();
    let mut at_ms = start_ms;
    for (from_ms, to_ms) in view.coverage(lane) {
        let (from_ms, to_ms) = (from_ms.max(begin_ms).max(own_ms), to_ms.min(end_ms.saturating_add(1)));
        if from_ms >= to_ms || to_ms <= at_ms {
            continue;
        }
        if at_ms < from_ms {
            rest.push((at_ms, from_ms));
        }
        sections.push(Section { from_ms, to_ms, tier: Some(lane), next_ms: i64::MAX });
        // The last bucket that begins within is whole.
        at_ms = floor(to_ms - 1, lane.granularity_ms).saturating_add(lane.granularity_ms);
    }
    if at_ms <= end_ms {
        rest.push((at_ms, end_ms.saturating_add(1)));
    }
    Ok(rest)
}

/// Takes buckets where there are no points any more: the finest that are kept.
fn take_older(
    view: &mut View<'_>,
    series: &Stored,
    lanes: &[Lane],
    (start_ms, mut to_ms): (i64, i64),
    sections: &mut Vec<Section>,
) -> Result<(), StoreReadError> {
    let mut lanes = lanes.to_vec();
    lanes.sort_unstable_by_key(|lane| lane.granularity_ms);
    for lane in lanes {
        let begin_ms = floor(start_ms, lane.granularity_ms);
        let own = view.locate(&series.key, |other| other == lane, begin_ms, to_ms - 1)?;
        let Some(own_ms) = own.iter().map(|found| found.located.first_ms).min() else { continue };
        let from_ms = floor(own_ms, lane.granularity_ms).max(begin_ms);
        if from_ms < to_ms {
            sections.push(Section { from_ms, to_ms, tier: Some(lane), next_ms: to_ms });
            to_ms = from_ms;
        }
        if to_ms <= start_ms {
            break;
        }
    }
    Ok(())
}

/// About how many points, or else buckets, of a series are in a range, as headers say.
pub(super) fn samples(view: &mut View<'_>, series: &Stored, range: TimeRange) -> u64 {
    let share = |found: &FoundExtent| {
        let located = &found.located;
        let within = located.last_ms.min(range.end_ms) - located.first_ms.max(range.start_ms) + 1;
        let whole = located.last_ms - located.first_ms + 1;
        (f64::from(located.rows) * within as f64 / whole.max(1) as f64).ceil() as u64
    };
    // A lane that cannot be read now is said when it is read.
    let located = view.locate(&series.key, |_| true, range.start_ms, range.end_ms).unwrap_or_default();
    located.iter().map(share).sum()
}
