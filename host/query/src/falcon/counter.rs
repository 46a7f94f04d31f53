//! A counter's name, and the series that it stands for.

use saker_pipeline::reader::{Label, MatchOp, Matcher, ReadError, SeriesReader, SeriesRef, TimeRange};

/// Series of a metric that are looked through for the one with exactly these tags.
const SERIES_MAX: usize = 10_000;

/// A metric and its tags, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter<'a> {
    /// The metric.
    pub metric: &'a str,
    /// Key and value of each.
    pub tags: Vec<(&'a str, &'a str)>,
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

fn tags(text: &str) -> Option<Vec<(&str, &str)>> {
    let pair = |pair: &'_ str| -> Option<(usize, usize)> {
        let equals = pair.find('=')?;
        (!pair[..equals].contains('/') && equals > 0).then_some((equals, pair.len()))
    };
    let pairs = text.split(',').map(|text| pair(text).map(|(equals, _)| (&text[..equals], &text[equals + 1..])));
    let mut tags = pairs.collect::<Option<Vec<_>>>()?;
    tags.sort_unstable();
    Some(tags)
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
    let equal = |label, value: &str| Matcher { label, op: MatchOp::Equal, value: value.into() };
    let mut matchers = vec![equal(Label::Endpoint, endpoint), equal(Label::Metric, metric)];
    matchers.extend(tags.iter().map(|(key, value)| equal(Label::Tag((*key).into()), value)));
    let found = reader.select(&matchers, range, SERIES_MAX)?;
    // Others may have these tags and more.
    Ok(found.into_iter().find(|series| series.identity.tags.len() == tags.len()))
}
