//! Endpoints and their counters by pattern: what graph keeps in a database, and is never behind here.

use std::collections::BTreeMap;

use saker_model::flat;
use saker_pipeline::reader::{
    Attributes, Identity, Matcher, MatcherLabel, ReadBudget, SeriesReader, TextCondition, TimeRange,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::eval::QueryError;
use crate::pattern::TextPattern;

/// Patterns of one question.
const PATTERNS_MAX: usize = 20;

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexPage {
    /// At most so many.
    pub limit: usize,
    /// From 1.
    pub page: usize,
}

impl IndexPage {
    fn of<T>(self, items: impl Iterator<Item = T>) -> Vec<T> {
        items.skip(self.page.max(1).saturating_sub(1).saturating_mul(self.limit)).take(self.limit).collect()
    }
}

/// The number of an endpoint: the same as long as its name is. It fits into what a browser takes for an integer.
#[must_use]
pub fn endpoint_id(endpoint: &str) -> u64 {
    const BITS: u32 = 53;
    (xxh3_64(endpoint.as_bytes()) >> (u64::BITS - BITS)).max(1)
}

/// A counter's name: `metric`, or `metric/k=v,k=v`.
#[must_use]
pub fn counter_of(identity: &Identity) -> String {
    let mut counter = identity.metric.to_string();
    if !identity.tags.is_empty() {
        counter.push('/');
        flat::push_tags(&mut counter, identity.tags.iter().map(|(key, value)| (&**key, &**value)));
    }
    counter
}

/// Endpoints that all patterns match, and that have a counter which all parts are in; in order.
///
/// # Errors
/// The reader's and the budget's, and if a pattern is none.
pub fn endpoints(
    reader: &dyn SeriesReader,
    patterns: &str,
    parts: &str,
    range: TimeRange,
    page: IndexPage,
    (series_max, budget): (usize, &ReadBudget),
) -> Result<Vec<String>, QueryError> {
    let patterns = Patterns::read(patterns)?;
    let parts: Vec<&str> = parts.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let mut found: BTreeMap<std::sync::Arc<str>, bool> = BTreeMap::new();
    for (place, series) in reader.select(&[], range, series_max)?.into_iter().enumerate() {
        look(budget, place)?;
        let identity = &series.identity;
        let known = found.entry(identity.endpoint.clone()).or_insert(parts.is_empty());
        if !*known {
            let counter = counter_of(identity);
            *known = parts.iter().all(|part| counter.contains(part));
        }
    }
    let wanted = found.into_iter().filter(|(endpoint, has_parts)| *has_parts && patterns.match_all(endpoint));
    Ok(page.of(wanted.map(|(endpoint, _)| endpoint.to_string())))
}

/// A counter of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointCounter {
    /// The endpoint's number.
    pub endpoint_id: u64,
    /// The counter.
    pub counter: String,
    /// What it is.
    pub attributes: Attributes,
}

/// Counters of endpoints that all patterns match; those with a `!` in front must not.
///
/// # Errors
/// The reader's and the budget's, and if a pattern is none.
pub fn counters(
    reader: &dyn SeriesReader,
    endpoint_ids: &[u64],
    patterns: &str,
    range: TimeRange,
    page: IndexPage,
    (series_max, budget): (usize, &ReadBudget),
) -> Result<Vec<EndpointCounter>, QueryError> {
    let patterns = Patterns::read(patterns)?;
    let ids = endpoint_ids.to_vec();
    let of_them = TextCondition::Meets(std::sync::Arc::new(move |endpoint| ids.contains(&endpoint_id(endpoint))));
    let matchers = [Matcher { label: MatcherLabel::Endpoint, condition: of_them }];
    let mut found = Vec::new();
    for (place, series) in reader.select(&matchers, range, series_max)?.into_iter().enumerate() {
        look(budget, place)?;
        let counter = counter_of(&series.identity);
        if patterns.match_all(&counter) {
            let endpoint_id = endpoint_id(&series.identity.endpoint);
            found.push(EndpointCounter { endpoint_id, counter, attributes: series.attributes });
        }
    }
    Ok(page.of(found.into_iter()))
}

/// Looks at the budget now and then.
fn look(budget: &ReadBudget, place: usize) -> Result<(), QueryError> {
    const BETWEEN: usize = 1024;
    if place.is_multiple_of(BETWEEN) { Ok(budget.check()?) } else { Ok(()) }
}

/// Patterns separated by spaces, as a database's `regexp` has them: anywhere in the text, whatever the case.
struct Patterns(Vec<(TextPattern, bool)>);

impl Patterns {
    fn read(text: &str) -> Result<Self, QueryError> {
        let pattern = |text: &str| {
            let (text, wanted) = text.strip_prefix('!').map_or((text, true), |rest| (rest, false));
            Ok((TextPattern::anywhere(text)?, wanted))
        };
        text.split_whitespace().take(PATTERNS_MAX).map(pattern).collect::<Result<_, QueryError>>().map(Self)
    }

    fn match_all(&self, text: &str) -> bool {
        self.0.iter().all(|(pattern, wanted)| pattern.matches(text) == *wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryReader;
    use saker_pipeline::reader::{Cancel, ReadLimits};

    const RANGE: TimeRange = TimeRange { start_ms: 0, end_ms: 10 };
    const ALL: IndexPage = IndexPage { limit: 500, page: 1 };

    fn reader() -> MemoryReader {
        let mut reader = MemoryReader::default();
        for (endpoint, metric, tags) in [
            ("web-1", "cpu.idle", vec![]),
            ("web-1", "net/in", vec![("iface", "eth0")]),
            ("Web-2", "net/in", vec![("iface", "eth1"), ("dc", "eu")]),
            ("db-1", "cpu.idle", vec![]),
        ] {
            let tags: Vec<(Box<str>, Box<str>)> =
                tags.into_iter().map(|(key, value): (&str, &str)| (key.into(), value.into())).collect();
            let mut tags = tags;
            tags.sort();
            reader.push(&Identity { endpoint: endpoint.into(), metric: metric.into(), tags: tags.into() }, 5, 1.0);
        }
        reader
    }

    fn budget() -> ReadBudget {
        ReadBudget::new(ReadLimits::default(), Cancel::default())
    }

    #[test]
    fn endpoints_match_all_patterns_and_have_a_counter_with_all_parts() {
        let found = |patterns: &str, parts: &str, page| {
            endpoints(&reader(), patterns, parts, RANGE, page, (100, &budget())).unwrap()
        };
        assert_eq!(found(".+", "", ALL), ["Web-2", "db-1", "web-1"]);
        assert_eq!(found("web \\d$", "", ALL), ["Web-2", "web-1"]);
        assert_eq!(found("!db", "", ALL), ["Web-2", "web-1"]);
        assert_eq!(found("", "iface=eth, dc=eu", ALL), ["Web-2"]);
        assert_eq!(found("", "cpu.idle", ALL), ["db-1", "web-1"]);
        assert_eq!(found(".", "", IndexPage { limit: 2, page: 2 }), ["web-1"]);
        assert_eq!(found(".", "", IndexPage { limit: usize::MAX, page: usize::MAX }), [""; 0]);
        assert!(endpoints(&reader(), "(", "", RANGE, ALL, (100, &budget())).is_err());
    }

    #[test]
    fn counters_of_endpoints_are_found_by_their_numbers() {
        let ids = [endpoint_id("web-1"), endpoint_id("none")];
        let found = |patterns: &str| {
            let found = counters(&reader(), &ids, patterns, RANGE, ALL, (100, &budget())).unwrap();
            found.into_iter().map(|counter| counter.counter).collect::<Vec<_>>()
        };
        assert_eq!(found(".+"), ["cpu.idle", "net/in/iface=eth0"]);
        assert_eq!(found("NET !eth1"), ["net/in/iface=eth0"]);
        assert!(endpoint_id("web-1") < 1 << 53 && endpoint_id("web-1") != endpoint_id("web-2"));
    }
}
