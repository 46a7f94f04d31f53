//! Archive policies: how long points are kept, what they are rolled up to, and which series go by which policy.
//!
//! The model is Gnocchi's: a definition of granularities with timespans, and aggregation methods. Rules choose by metric
//! and tags, the first that matches; what no rule matches goes by the default for its step.

use saker_model::{Glob, Series};

use crate::bucket::BucketExtras;
use crate::error::StoreError;
use crate::lane::Lane;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Below so many intervals a bucket, what they are made of is smaller: it was measured.
const INTERVALS_MIN: i64 = 20;
/// For ever, as far as sums of times allow.
pub const FOREVER_MS: i64 = i64::MAX / 4;

/// A granularity of a policy, and how long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granularity {
    /// Of a bucket.
    pub granularity_ms: i64,
    /// How long buckets are kept; [`FOREVER_MS`] for ever.
    pub timespan_ms: i64,
}

/// What is asked of the points of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArchiveAggregate {
    /// How many points.
    Count,
    /// Their sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The first.
    First,
    /// The last.
    Last,
    /// Sum by count.
    Mean,
    /// When the first was, in milliseconds since 1970-01-01 UTC.
    FirstTime,
    /// When the last was.
    LastTime,
    /// By how much a total grew, resets counted.
    Increase,
    /// The sum of their squares.
    SumOfSquares,
    /// The standard deviation of the sample; nothing of one point.
    Std,
    /// A percentile, in thousandths: the median is 500.
    Percentile(u16),
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What rules call it.
    pub name: String,
    /// How long points are kept as they came.
    pub raw_ms: i64,
    /// What they are rolled up to.
    pub definition: Vec<Granularity>,
    /// The sum of squares is kept, for [`ArchiveAggregate::Std`].
    pub std: bool,
    /// What percentiles are told from is kept.
    pub percentiles: bool,
    /// How late a point may be and still count as if it had come in time.
    pub back_window_ms: i64,
    /// Lateness and age go by the newest point, not by the clock.
    pub by_data: bool,
}

/// Which series go by a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Matches the metric.
    pub metric: Glob,
    /// Tags that have to be there, and match.
    pub tags: Vec<(String, Glob)>,
    /// The policy's name.
    pub policy: String,
}

/// All policies, and the rules that choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    policies: Vec<Policy>,
    rules: Vec<(PolicyRule, usize)>,
}

/// Where the points of a series go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) raw: Lane,
    /// The finest first.
    pub(crate) tiers: Vec<Lane>,
    pub(crate) squares: bool,
    pub(crate) digest: bool,
    pub(crate) back_window_ms: i64,
}

impl Plan {
    pub(crate) fn extras(&self, is_total: bool) -> BucketExtras {
        BucketExtras { increase: is_total, squares: self.squares, digest: self.digest }
    }
}

fn granularity(granularity_ms: i64, timespan_ms: i64) -> Granularity {
    Granularity { granularity_ms, timespan_ms }
}

impl Policy {
    pub(crate) fn new(name: &str, raw_ms: i64, definition: &[Granularity]) -> Self {
        Self {
            name: name.into(),
            raw_ms,
            definition: definition.to_vec(),
            std: false,
            percentiles: false,
            back_window_ms: HOUR_MS,
            by_data: false,
        }
    }

    fn gnocchi(name: &str, definition: &[Granularity]) -> Self {
        // Gnocchi keeps no raw points; a day of them answers what it could, and lets late ones in.
        Self { std: true, ..Self::new(name, DAY_MS, definition) }
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let wrong = |what: &str| Err(StoreError::Policy(format!("policy `{}`: {what}", self.name)));
        let mut granularities: Vec<i64> = self.definition.iter().map(|each| each.granularity_ms).collect();
        granularities.sort_unstable();
        if self.name.is_empty() {
            return wrong("it has no name");
        }
        if granularities.windows(2).any(|pair| pair[0] == pair[1]) {
            return wrong("a granularity stands twice");
        }
        if self.definition.iter().any(|each| each.granularity_ms < SECOND_MS || each.timespan_ms < each.granularity_ms)
        {
            return wrong("a granularity is a second or more, and kept for at least one bucket");
        }
        if self.definition.iter().any(|each| each.granularity_ms > 30 * DAY_MS) {
            return wrong("a granularity is 30 days at the most");
        }
        if self.raw_ms < HOUR_MS || !(0..=30 * DAY_MS).contains(&self.back_window_ms) {
            return wrong("points are kept for an hour or more, and back_window is 30 days at the most");
        }
        Ok(())
    }

    fn plan(&self, step_s: u32) -> Plan {
        let step_ms = i64::from(step_s.max(1)) * SECOND_MS;
        let lane = |granularity_ms, kept_ms: i64| Lane {
            granularity_ms,
            kept_ms: kept_ms.min(FOREVER_MS),
            by_data: self.by_data,
        };
        let mut raw_ms = self.raw_ms.max(2 * self.back_window_ms);
        let mut tiers = Vec::new();
        for each in &self.definition {
            if each.granularity_ms < INTERVALS_MIN.saturating_mul(step_ms) {
                // The points stand for the buckets, so they are kept as long.
                raw_ms = raw_ms.max(each.timespan_ms);
            } else {
                tiers.push(lane(each.granularity_ms, each.timespan_ms));
            }
        }
        tiers.retain(|tier| tier.kept_ms > raw_ms);
        tiers.sort_unstable();
        let Self { std: squares, percentiles: digest, back_window_ms, .. } = *self;
        Plan { raw: lane(0, raw_ms), tiers, squares, digest, back_window_ms }
    }
}

/// The default for series at ten seconds or slower.
const SLOW: &str = "default";
/// The default for faster ones.
const FAST: &str = "default-fast";

impl Default for Policies {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new()).expect("what is built in is right")
    }
}

impl Policies {
    /// The policies that are there anyway: two defaults, Gnocchi's four, and Falcon's archives.
    #[must_use]
    pub fn built_in() -> Vec<Policy> {
        let (five, hour, two_years) = (5 * MINUTE_MS, HOUR_MS, 730 * DAY_MS);
        vec![
            Policy::new(SLOW, 90 * DAY_MS, &[granularity(hour, two_years)]),
            Policy::new(FAST, 14 * DAY_MS, &[granularity(MINUTE_MS, 90 * DAY_MS), granularity(hour, two_years)]),
            Policy::gnocchi("low", &[granularity(five, 30 * DAY_MS)]),
            Policy::gnocchi("medium", &[granularity(MINUTE_MS, 7 * DAY_MS), granularity(hour, 365 * DAY_MS)]),
            Policy::gnocchi(
                "high",
                &[granularity(SECOND_MS, hour), granularity(MINUTE_MS, 7 * DAY_MS), granularity(hour, 365 * DAY_MS)],
            ),
            Policy::new("bool", DAY_MS, &[granularity(SECOND_MS, 365 * DAY_MS)]),
            Policy::new(
                "falcon",
                12 * HOUR_MS,
                &[
                    granularity(five, 2 * DAY_MS),
                    granularity(20 * MINUTE_MS, 7 * DAY_MS),
                    granularity(3 * HOUR_MS, 96 * DAY_MS),
                    granularity(12 * HOUR_MS, 365 * DAY_MS),
                ],
            ),
        ]
    }

    /// Policies beside those that are built in, or in place of one by the same name, and rules in their order.
    ///
    /// # Errors
    /// [`StoreError::Policy`].
    pub fn new(own: Vec<Policy>, rules: Vec<PolicyRule>) -> Result<Self, StoreError> {
        let mut policies = Self::built_in();
        for policy in own {
            policy.check()?;
            policies.retain(|other| other.name != policy.name);
            policies.push(policy);
        }
        let place = |name: &str| policies.iter().position(|policy| policy.name == name);
        let mut placed = Vec::new();
        for rule in rules {
            let Some(policy) = place(&rule.policy) else {
                return Err(StoreError::Policy(format!(
                    "a rule names the policy `{}`, which there is not",
                    rule.policy
                )));
            };
            placed.push((rule, policy));
        }
        Ok(Self { policies, rules: placed })
    }

    /// All of them.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The rules that choose, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &PolicyRule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    /// The policy that a series goes by.
    #[must_use]
    pub fn of(&self, series: &Series) -> &Policy {
        let tag = |name: &str| series.tag(name);
        self.find(&series.metric, &tag, series.step_s)
    }

    fn find<'a>(&self, metric: &str, tag: &dyn Fn(&str) -> Option<&'a str>, step_s: u32) -> &Policy {
        let matches = |rule: &PolicyRule| {
            rule.metric.matches(metric)
                && rule.tags.iter().all(|(name, glob)| tag(name).is_some_and(|value| glob.matches(value)))
        };
        let default = || {
            let name = if step_s >= 10 { SLOW } else { FAST };
            self.policies.iter().find(|policy| policy.name == name).expect("it is built in")
        };
        let rule = self.rules.iter().find(|(rule, _)| matches(rule));
        rule.map_or_else(default, |(_, place)| &self.policies[*place])
    }

    pub(crate) fn plan(&self, series: &crate::key::StoredSeries) -> Plan {
        self.find(series.metric(), &|name| series.tag(name), series.step_s()).plan(series.step_s())
    }

    /// The latest that any series may be and count as in time.
    pub(crate) fn back_window_ms(&self) -> i64 {
        let used = self.policies.iter().filter(|policy| {
            [SLOW, FAST].contains(&policy.name.as_str())
                || self.rules.iter().any(|(rule, _)| rule.policy == policy.name)
        });
        used.map(|policy| policy.back_window_ms).max().unwrap_or(HOUR_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saker_model::MetricType;

    fn plan(policies: &Policies, metric: &str, tags: &[(&str, &str)], step_s: u32) -> Plan {
        let series = Series {
            endpoint: "h".into(),
            metric: metric.into(),
            tags: tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            metric_type: MetricType::Gauge,
            step_s,
        };
        policies.plan(&crate::key::StoredSeries::of(&series).unwrap())
    }

    #[test]
    fn the_default_goes_by_the_step() {
        let policies = Policies::default();
        let days = |lane: Lane| (lane.granularity_ms, lane.kept_ms / DAY_MS);
        let slow = plan(&policies, "cpu.idle", &[], 10);
        assert_eq!((days(slow.raw), days(slow.tiers[0])), ((0, 90), (HOUR_MS, 730)));
        let fast = plan(&policies, "cpu.idle", &[], 1);
        assert_eq!((days(fast.raw), days(fast.tiers[0])), ((0, 14), (MINUTE_MS, 90)));
        assert_eq!(days(fast.tiers[1]), (HOUR_MS, 730));
    }

    #[test]
    fn where_points_are_smaller_than_buckets_they_are_kept_as_long() {
        let five_minutes = plan(&Policies::default(), "cpu.idle", &[], 300);
        assert_eq!((five_minutes.raw.kept_ms, five_minutes.tiers.len()), (730 * DAY_MS, 0));
    }

    #[test]
    fn the_first_rule_that_matches_chooses() {
        let rule = |metric: &str, tags: Vec<(String, Glob)>, policy: &str| PolicyRule {
            metric: Glob::new(metric),
            tags,
            policy: policy.into(),
        };
        let rules =
            vec![rule("df.*", vec![("mount".into(), Glob::new("/data*"))], "falcon"), rule("df.*", vec![], "low")];
        let policies = Policies::new(Vec::new(), rules).unwrap();
        assert_eq!(plan(&policies, "df.used", &[("mount", "/data1")], 60).tiers.len(), 3);
        assert_eq!(plan(&policies, "df.used", &[("mount", "/")], 10).tiers.len(), 1);
        assert!(Policies::new(Vec::new(), vec![rule("*", vec![], "none")]).is_err());
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_rejected() {
        let good = Policy::new("x", DAY_MS, &[granularity(MINUTE_MS, DAY_MS)]);
        assert!(good.check().is_ok());
        let twice = vec![granularity(MINUTE_MS, DAY_MS), granularity(MINUTE_MS, 2 * DAY_MS)];
        for bad in [
            Policy { definition: twice, ..good.clone() },
            Policy { definition: vec![granularity(10, DAY_MS)], ..good.clone() },
            Policy { raw_ms: 0, ..good.clone() },
            Policy { back_window_ms: -1, ..good.clone() },
        ] {
            assert!(Policies::new(vec![bad], Vec::new()).is_err());
        }
    }
}
