//! Choosing series by what they are called.

use regex::Regex;

use crate::error::StoreReadError;
use crate::key::StoredSeries;

/// What of a series a matcher looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredLabel {
    /// Whose series it is.
    Endpoint,
    /// The name.
    Metric,
    /// The value of a tag; empty if the series has none by that name.
    Tag(String),
}

/// How it compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The same text.
    Equal,
    /// Another text.
    NotEqual,
    /// A regular expression that matches the whole of it.
    Regex,
    /// A regular expression that does not match the whole of it.
    NotRegex,
}

/// One condition; a series has to meet all that are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreMatcher {
    /// What is looked at.
    pub label: StoredLabel,
    /// How it compares.
    pub op: Op,
    /// With what.
    pub value: String,
}

/// Matchers, ready to be used on many series.
pub(crate) struct Matchers(Vec<(StoredLabel, Test)>);

enum Test {
    Is(String),
    IsNot(String),
    Matches(Regex),
    MatchesNot(Regex),
}

impl Matchers {
    pub(crate) fn new(matchers: &[StoreMatcher]) -> Result<Self, StoreReadError> {
        let test = |matcher: &StoreMatcher| {
            let regex = || {
                Regex::new(&format!("^(?s:{})$", matcher.value)).map_err(|source| StoreReadError::Pattern {
                    pattern: matcher.value.clone(),
                    source: Box::new(source),
                })
            };
            Ok(match matcher.op {
                Op::Equal => Test::Is(matcher.value.clone()),
                Op::NotEqual => Test::IsNot(matcher.value.clone()),
                Op::Regex => Test::Matches(regex()?),
                Op::NotRegex => Test::MatchesNot(regex()?),
            })
        };
        let tests = matchers.iter().map(|matcher| Ok((matcher.label.clone(), test(matcher)?)));
        tests.collect::<Result<_, StoreReadError>>().map(Self)
    }

    /// The one metric that series have to be of, if one is named.
    pub(crate) fn metric(&self) -> Option<&str> {
        self.0.iter().find_map(|(label, test)| match (label, test) {
            (StoredLabel::Metric, Test::Is(metric)) => Some(metric.as_str()),
            _ => None,
        })
    }

    pub(crate) fn matches(&self, series: &StoredSeries) -> bool {
        self.0.iter().all(|(label, test)| {
            let text = match label {
                StoredLabel::Endpoint => series.endpoint(),
                StoredLabel::Metric => series.metric(),
                StoredLabel::Tag(name) => series.tag(name).unwrap_or_default(),
            };
            match test {
                Test::Is(value) => text == value,
                Test::IsNot(value) => text != value,
                Test::Matches(regex) => regex.is_match(text),
                Test::MatchesNot(regex) => !regex.is_match(text),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saker_model::{MetricType, Series};

    #[test]
    fn all_matchers_have_to_agree_and_patterns_match_the_whole() {
        let series = Series {
            endpoint: "web-1".into(),
            metric: "cpu.idle".into(),
            tags: [("core".into(), "0".into())].into(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        let series = StoredSeries::of(&series).unwrap();
        let matcher = |label, op, value: &str| StoreMatcher { label, op, value: value.into() };
        let core = || StoredLabel::Tag("core".into());
        for (matchers, expected) in [
            (vec![], true),
            (vec![matcher(StoredLabel::Metric, Op::Equal, "cpu.idle"), matcher(core(), Op::Equal, "0")], true),
            (vec![matcher(StoredLabel::Metric, Op::Equal, "cpu.idle"), matcher(core(), Op::Equal, "1")], false),
            (vec![matcher(StoredLabel::Endpoint, Op::Regex, "web")], false),
            (vec![matcher(StoredLabel::Endpoint, Op::Regex, "web.*|db")], true),
            (vec![matcher(StoredLabel::Tag("none".into()), Op::Equal, "")], true),
            (vec![matcher(StoredLabel::Tag("none".into()), Op::NotRegex, ".*")], false),
            (vec![matcher(StoredLabel::Metric, Op::NotEqual, "cpu.idle")], false),
        ] {
            assert_eq!(Matchers::new(&matchers).unwrap().matches(&series), expected, "{matchers:?}");
        }
        assert!(matches!(Matchers::new(&[matcher(core(), Op::Regex, "(")]), Err(StoreReadError::Pattern { .. })));
    }
}
