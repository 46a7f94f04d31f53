//! When a rule applies: patterns for the metric, the endpoint and tags of a series, all of which must fit.

use saker_sdk::prelude::*;

use crate::ConditionSettings;
use crate::pattern::{Fit, Pattern};

/// One part of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SeriesPart {
    Metric,
    Endpoint,
    /// The value of the tag with this key.
    Tag(String),
}

/// All patterns of a rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition(Vec<(SeriesPart, Pattern)>);

impl SeriesPart {
    /// This part of `series`; none if the series has no such tag.
    pub(crate) fn of<'s>(&self, series: &'s Series) -> Option<&'s str> {
        match self {
            Self::Metric => Some(&series.metric),
            Self::Endpoint => Some(&series.endpoint),
            Self::Tag(key) => series.tags.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str()),
        }
    }
}

impl Condition {
    /// Reads the patterns; on failure, names the one that is wrong.
    pub(crate) fn parse(settings: &ConditionSettings) -> Result<Self, String> {
        let metric = settings.metric.iter().map(|text| (SeriesPart::Metric, text));
        let endpoint = settings.endpoint.iter().map(|text| (SeriesPart::Endpoint, text));
        let tags = settings.tags.iter().map(|(key, text)| (SeriesPart::Tag(key.clone()), text));
        let patterns = metric.chain(endpoint).chain(tags).map(|(subject, text)| {
            let pattern = Pattern::parse(text).map_err(|error| match &subject {
                SeriesPart::Metric => format!("metric: {error}"),
                SeriesPart::Endpoint => format!("endpoint: {error}"),
                SeriesPart::Tag(key) => format!("tags.{key}: {error}"),
            })?;
            Ok((subject, pattern))
        });
        patterns.collect::<Result<_, String>>().map(Self)
    }

    /// Whether there is no pattern, so that every series fits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How each pattern fits, in their order, if all of them do.
    pub(crate) fn fit<'s>(&self, series: &'s Series) -> Option<Vec<Fit<'s>>> {
        self.0.iter().map(|(subject, pattern)| pattern.fit(subject.of(series)?)).collect()
    }

    /// The place of the metric's pattern, and how many groups it has.
    pub(crate) fn metric(&self) -> Option<(usize, usize)> {
        let place = self.0.iter().position(|(subject, _)| *subject == SeriesPart::Metric)?;
        Some((place, self.0[place].1.groups()))
    }

    /// All groups that have a name: place of the pattern, number of the group, name.
    pub(crate) fn named_groups(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(place, (_, pattern))| pattern.named_groups().map(move |(number, name)| (place, number, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::series;

    fn condition(json: &str) -> Result<Condition, String> {
        Condition::parse(&saker_sdk::settings::parse(json).unwrap())
    }

    #[test]
    fn all_patterns_must_fit_and_a_tag_must_be_there() {
        let series = series("web1", "cpu.core.idle", "core=3,dc=");
        for (json, expected) in [
            ("{}", true),
            (r#"{"metric": "cpu.*"}"#, true),
            (r#"{"metric": "cpu.*", "endpoint": "db*"}"#, false),
            (r#"{"metric": "cpu.*", "endpoint": "web*", "tags": {"core": "*"}}"#, true),
            (r#"{"tags": {"core": "/[0-2]/"}}"#, false),
            (r#"{"tags": {"dc": ""}}"#, true),
            (r#"{"tags": {"zone": "*"}}"#, false),
            (r#"{"tags": {"zone": ""}}"#, false),
        ] {
            assert_eq!(condition(json).unwrap().fit(&series).is_some(), expected, "{json}");
        }
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        for (json, start) in [
            (r#"{"metric": "/(/"}"#, "metric: \"/(/\" is no"),
            (r#"{"endpoint": "/(/"}"#, "endpoint: "),
            (r#"{"tags": {"core": "/(/"}}"#, "tags.core: "),
        ] {
            assert!(condition(json).unwrap_err().starts_with(start), "{json}");
        }
    }
}
