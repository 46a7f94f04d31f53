//! The containers that there are, by their paths, with the series of each.

use std::collections::{BTreeMap, BTreeSet};

use saker_pipeline::reader::{Matcher, MatcherLabel, SeriesReader, SeriesRef, TextCondition, TimeRange};

use super::CadvisorError;
use crate::eval::QueryError;

/// The tag that names a container.
const CONTAINER: &str = "container";
/// The series that says what a container is.
pub(super) const INFO: &str = "container_info";

/// Which containers are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    All,
    /// By its path in the tree of control groups, `/` for the machine.
    Path(String),
    /// That, and all below it.
    Below(String),
    /// All of a runtime: Docker's, Podman's.
    Namespace(&'static str),
    /// Of a runtime, by its id, the beginning of it, or its name.
    Named(&'static str, String),
}

/// A container.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its path.
    pub path: String,
    /// What it is: the tags of its `container_info`, if there is one.
    pub info: Option<SeriesRef>,
    /// Its other series.
    pub series: Vec<SeriesRef>,
}

/// Those that were asked for, in order of their paths.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Containers.
    pub containers: Vec<Container>,
    /// Paths of all that there are, for the lists of what is below one.
    pub paths: BTreeSet<String>,
}

impl Container {
    /// A text of `container_info`; empty if it is not known.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.info.as_ref().and_then(|info| info.identity.tag(key)).unwrap_or_default()
    }

    /// Names and values of its labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags = self.info.iter().flat_map(|info| info.identity.tags.iter());
        tags.filter_map(|(key, value)| Some((key.strip_prefix("label.")?, &**value)))
    }

    /// What it is called besides its path: its name and its id.
    #[must_use]
    pub fn aliases(&self) -> Vec<&str> {
        [self.text("name"), self.text("id")].into_iter().filter(|text| !text.is_empty()).collect()
    }
}

/// Finds containers that have values in the range.
///
/// # Errors
/// The reader's, and those of [`CadvisorError`] that concern a question.
pub fn find(
    reader: &dyn SeriesReader,
    wanted: &Wanted,
    endpoint: Option<&str>,
    range: TimeRange,
    series_max: usize,
) -> Result<Found, CadvisorError> {
    let not_empty = TextCondition::Meets(std::sync::Arc::new(|text: &str| text.starts_with('/')));
    let mut matchers = vec![Matcher { label: MatcherLabel::Tag(CONTAINER.into()), condition: not_empty }];
    matchers.extend(
        endpoint.map(|name| Matcher { label: MatcherLabel::Endpoint, condition: TextCondition::Is(name.into()) }),
    );
    let selected = reader.select(&matchers, range, series_max + 1)?;
    if selected.len() > series_max {
        return Err(QueryError::SeriesLimit { selector: "{container=~\"/.*\"}".into(), limit: series_max }.into());
    }
    let endpoints: BTreeSet<&str> = selected.iter().map(|series| &*series.identity.endpoint).collect();
    if endpoints.len() > 1 {
        let names: Vec<_> = endpoints.into_iter().take(5).collect();
        return Err(CadvisorError::Endpoints(names.join(", ")));
    }
    let mut all: BTreeMap<String, Container> = BTreeMap::new();
    for series in selected {
        let path = series.identity.tag(CONTAINER).unwrap_or_default().to_owned();
        let container = all.entry(path.clone()).or_insert_with(|| Container { path, info: None, series: Vec::new() });
        if &*series.identity.metric == INFO {
            container.info = Some(series);
        } else {
            container.series.push(series);
        }
    }
    let paths = all.keys().cloned().collect();
    let containers: Vec<_> = all.into_values().filter(|container| is_wanted(container, wanted)).collect();
    match wanted {
        Wanted::Path(name) | Wanted::Below(name) | Wanted::Named(_, name) if containers.is_empty() => {
            Err(CadvisorError::Unknown(name.clone()))
        }
        _ => Ok(Found { containers, paths }),
    }
}

fn is_wanted(container: &Container, wanted: &Wanted) -> bool {
    /// Digits of the beginning of an id that stand for it.
    const DIGITS_MIN: usize = 4;
    match wanted {
        Wanted::All => true,
        Wanted::Path(path) => container.path == *path,
        Wanted::Below(path) => {
            let below = path.trim_end_matches('/');
            container.path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        Wanted::Namespace(namespace) => container.text("namespace") == *namespace,
        Wanted::Named(namespace, name) => {
            let id = container.text("id");
            container.text("namespace") == *namespace
                && (container.text("name") == name || (name.len() >= DIGITS_MIN && id.starts_with(name.as_str())))
        }
    }
}
