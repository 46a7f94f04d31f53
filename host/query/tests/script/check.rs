//! Compares what was answered with what was expected.

use saker_query::{QueryAnswer, QueryError, QueryValue};

use super::{Evaluation, When, rows};

/// Numbers in scripts are often cut to a few digits.
const TOLERANCE: f64 = 1e-6;

pub(crate) fn check(evaluation: &Evaluation, found: Result<QueryAnswer, QueryError>) -> Result<(), String> {
    let expected = &evaluation.expected;
    let answer = match (found, &expected.fail) {
        (Err(error), Some(text)) if error.to_string().contains(text.as_str()) => return Ok(()),
        (Err(error), _) => return Err(format!("failed: {error}")),
        (Ok(answer), Some(_)) => return Err(format!("should fail, and answers {:?}", answer.value)),
        (Ok(answer), None) => answer,
    };
    notes("warnings", &answer.annotations.warnings(), &expected.warn, expected.no_warn)?;
    notes("infos", &answer.annotations.infos(), &expected.info, expected.no_info)?;
    if let Some(text) = &expected.text {
        return match &answer.value {
            QueryValue::Text(_, found) if found == text => Ok(()),
            found => Err(format!("found {found:?}")),
        };
    }
    let mut found = rows(&answer.value);
    if let When::At(time_ms) = evaluation.when {
        // A range vector has times of its own, which scripts do not give.
        found.iter_mut().flat_map(|(_, points)| points).for_each(|point| point.0 = time_ms);
    }
    let mut wanted = wanted(evaluation);
    if !expected.ordered {
        found.sort_by(|a, b| a.0.cmp(&b.0));
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let same = found.len() == wanted.len()
        && found.iter().zip(&wanted).all(|(found, wanted)| found.0 == wanted.0 && same_points(&found.1, &wanted.1));
    if same { Ok(()) } else { Err(format!("found  {found:?}\n    wanted {wanted:?}")) }
}

fn notes(what: &str, found: &[String], wanted: &Option<String>, none: bool) -> Result<(), String> {
    if none && !found.is_empty() {
        return Err(format!("unexpected {what}: {found:?}"));
    }
    match wanted {
        Some(text) if !found.iter().any(|note| note.contains(text.as_str())) => {
            Err(format!("{what} {found:?} do not say {text:?}"))
        }
        _ => Ok(()),
    }
}

fn wanted(evaluation: &Evaluation) -> Vec<(String, Vec<(i64, f64)>)> {
    let time = |step: usize| match evaluation.when {
        When::At(time_ms) => time_ms,
        When::Range { start_ms, step_ms, .. } => start_ms + step as i64 * step_ms,
    };
    let points = |values: &[Option<f64>]| {
        values.iter().enumerate().filter_map(|(step, value)| Some((time(step), (*value)?))).collect()
    };
    evaluation.expected.rows.iter().map(|(labels, values)| (labels.clone(), points(values))).collect()
}

fn same_points(found: &[(i64, f64)], wanted: &[(i64, f64)]) -> bool {
    found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(found, wanted)| found.0 == wanted.0 && same_number(found.1, wanted.1))
}

fn same_number(found: f64, wanted: f64) -> bool {
    found == wanted
        || (found.is_nan() && wanted.is_nan())
        || (found - wanted).abs() <= TOLERANCE * found.abs().max(wanted.abs()).max(f64::MIN_POSITIVE)
}
