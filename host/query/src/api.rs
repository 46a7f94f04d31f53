//! What Prometheus' HTTP API asks beside queries: series, label names and values; and how it writes times and durations.
//! The routes and their parameters are the agent's.

mod time;

use std::collections::BTreeSet;

use saker_pipeline::reader::{ReadBudget, SeriesReader, TimeRange};

use crate::ast::{ExprKind, Selector};
use crate::eval::{EvalSettings, QueryError};
use crate::labels::Labels;
use crate::names::Conditions;
use crate::place::{QuerySpan, SyntaxError};

pub use time::{parse_duration, parse_time};

/// Items in order, and whether there are more than were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// Sorted, each once.
    pub items: Vec<T>,
    /// Whether some were left out, which a caller says in `warnings`.
    pub cut: bool,
}

/// The selector that a parameter `match[]` holds.
///
/// # Errors
/// [`SyntaxError`], also if it is another expression.
pub fn selector(text: &str) -> Result<Selector, SyntaxError> {
    match crate::parse(text)?.kind {
        ExprKind::Selector(selector) => Ok(selector),
        _ => {
            Err(SyntaxError::new(text, QuerySpan::default(), "expected a selector", "write it as cpu_busy{core=\"0\"}"))
        }
    }
}

/// The series that any of the selectors finds; without a selector, all.
///
/// # Errors
/// The reader's and the budget's.
pub fn series(
    reader: &dyn SeriesReader,
    settings: &EvalSettings,
    selectors: &[Selector],
    range: TimeRange,
    limit: usize,
    budget: &ReadBudget,
) -> Result<Listed<Labels>, QueryError> {
    let mut found = BTreeSet::new();
    each(reader, settings, selectors, range, budget, |labels| {
        found.insert(labels);
        found.len() <= limit
    })?;
    Ok(listed(found, limit))
}

/// The names of the labels of those series.
///
/// # Errors
/// The reader's and the budget's.
pub fn label_names(
    reader: &dyn SeriesReader,
    settings: &EvalSettings,
    selectors: &[Selector],
    range: TimeRange,
    limit: usize,
    budget: &ReadBudget,
) -> Result<Listed<String>, QueryError> {
    let mut found = BTreeSet::new();
    each(reader, settings, selectors, range, budget, |labels| {
        for (name, _) in labels.iter().filter(|(name, _)| !found.contains(*name)).collect::<Vec<_>>() {
            found.insert(name.to_owned());
        }
        true
    })?;
    Ok(listed(found, limit))
}

/// The values of one label of those series.
///
/// # Errors
/// The reader's and the budget's.
pub fn label_values(
    reader: &dyn SeriesReader,
    settings: &EvalSettings,
    label: &str,
    selectors: &[Selector],
    range: TimeRange,
    limit: usize,
    budget: &ReadBudget,
) -> Result<Listed<String>, QueryError> {
    let label = settings.naming.query_label(label);
    let mut found: BTreeSet<String> = BTreeSet::new();
    each(reader, settings, selectors, range, budget, |labels| {
        let value = labels.get(&label);
        if !value.is_empty() && !found.contains(value) {
            found.insert(value.to_owned());
        }
        true
    })?;
    Ok(listed(found, limit))
}

fn listed<T>(found: BTreeSet<T>, limit: usize) -> Listed<T> {
    let cut = found.len() > limit;
    Listed { items: found.into_iter().take(limit).collect(), cut }
}

/// Visits the labels of series, until there are enough.
fn each(
    reader: &dyn SeriesReader,
    settings: &EvalSettings,
    selectors: &[Selector],
    range: TimeRange,
    budget: &ReadBudget,
    mut visit: impl FnMut(Labels) -> bool,
) -> Result<(), QueryError> {
    let all = [None];
    let selectors: Vec<Option<&Selector>> =
        if selectors.is_empty() { all.to_vec() } else { selectors.iter().map(Some).collect() };
    for selector in selectors {
        budget.check()?;
        let (name, matchers) =
            selector.map_or((None, &[][..]), |selector| (selector.name.as_deref(), &selector.matchers[..]));
        let conditions = Conditions::new(settings.naming, name, matchers)?;
        for series in reader.select(&conditions.pushed_down(), range, settings.series_max)? {
            let labels = settings.naming.labels(&series.identity);
            if conditions.matches(&series.identity, &labels) && !visit(labels) {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
