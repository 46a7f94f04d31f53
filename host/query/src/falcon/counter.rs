//! A counter's name, and the series that it stands for.

use std::borrow::Cow;

use saker_model::flat::{self, Spaces};
use saker_pipeline::reader::{Matcher, MatcherLabel, ReadError, SeriesReader, SeriesRef, TextCondition, TimeRange};

/// Series of a metric that are looked through for the one with exactly these tags.
const SERIES_MAX: usize = 10_000;

/// A metric and its tags, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter<'a> {
    /// The metric.
    pub metric: &'a str,
    /// Key and value of each.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Counter<'a> {
    /// Reads `metric` or `metric/k=v,k=v`. A metric and a value may have slashes, a key may not.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        for (slash, _) in text.match_indices('/') {
            if let Some(tags) = tags(&text[slash + 1..]) {
                return Self { metric: &text[..slash], tags };
            }
        }
        Self { metric: text, tags: Vec::new() }
    }
}

fn tags(text: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let mut tags = flat::parse(text, Spaces::Keep).collect::<Result<Vec<_>, _>>().ok()?;
    if tags.iter().any(|(key, _)| key.is_empty() || key.contains('/')) {
        return None;
    }
    tags.sort_unstable();
    (!tags.is_empty()).then_some(tags)
}

/// The series of an endpoint's counter, if there is one in the range.
///
/// # Errors
/// The reader's.
pub fn find(
    reader: &dyn SeriesReader,
    endpoint: &str,
    counter: &str,
    range: TimeRange,
) -> Result<Option<SeriesRef>, ReadError> {
    let Counter { metric, tags } = Counter::parse(counter);
    let equal = |label, value: &str| Matcher { label, condition: TextCondition::Is(value.into()) };
    let mut matchers = vec![equal(MatcherLabel::Endpoint, endpoint), equal(MatcherLabel::Metric, metric)];
    matchers.extend(tags.iter().map(|(key, value)| equal(MatcherLabel::Tag(key.to_string()), value)));
    let found = reader.select(&matchers, range, SERIES_MAX)?;
    // Others may have these tags and more.
    Ok(found.into_iter().find(|series| series.identity.tags.len() == tags.len()))
}
