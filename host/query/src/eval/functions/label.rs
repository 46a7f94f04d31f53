//! Functions that change labels.

use crate::eval::QueryError;
use crate::eval::series::{StepSeries, merged};
use crate::pattern::TextPattern;

fn check(name: &str, what: &'static str) -> Result<(), QueryError> {
    if name.is_empty() {
        return Err(QueryError::Argument { what, found: "\"\"".into(), cure: "a label has a name" });
    }
    Ok(())
}

/// `label_replace(vector, target, replacement, source, pattern)`.
pub(in crate::eval) fn replace(mut series: Vec<StepSeries>, texts: &[String]) -> Result<Vec<StepSeries>, QueryError> {
    let [target, replacement, source, pattern] = texts else { return Ok(series) };
    let pattern = TextPattern::new(pattern).map_err(|error| QueryError::Argument {
        what: "regular expression in label_replace()",
        found: format!("{pattern:?}: {error}"),
        cure: "it is one as RE2 takes it",
    })?;
    check(target, "destination label name in label_replace()")?;
    for series in &mut series {
        if let Some(captures) = pattern.captures(series.labels.get(source)) {
            let mut value = String::new();
            captures.expand(replacement, &mut value);
            series.labels = series.labels.with(target, &value);
        }
    }
    merged(series)
}

/// `label_join(vector, target, separator, source…)`.
pub(in crate::eval) fn join(mut series: Vec<StepSeries>, texts: &[String]) -> Result<Vec<StepSeries>, QueryError> {
    let [target, separator, sources @ ..] = texts else { return Ok(series) };
    check(target, "destination label name in label_join()")?;
    for source in sources {
        check(source, "source label name in label_join()")?;
    }
    for series in &mut series {
        let values: Vec<&str> = sources.iter().map(|source| series.labels.get(source)).collect();
        series.labels = series.labels.with(target, &values.join(separator));
    }
    merged(series)
}
