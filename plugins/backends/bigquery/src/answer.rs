//! What became of each row: a request is answered 200 even if none of them was taken.

use saker_sdk::WriteError;
use saker_sdk::bodies::BodyOutcome;
use saker_sdk::settings::serde_json::{self, Value};

/// The reason that says something of the row itself. All others pass, or an operator can mend them; among them `stopped`,
/// which is said of rows that were only in the company of a bad one.
/// <https://cloud.google.com/bigquery/docs/error-messages>
const FINAL: &str = "invalid";

/// What an answer calls itself. Stand-ins of the service leave it out.
const KIND: &str = "bigquery#tableDataInsertAllResponse";

/// What an answer means for so many rows.
pub(crate) fn taken(answer: &[u8], points: usize) -> Result<BodyOutcome, WriteError> {
    let unreadable = |why: &str| WriteError::retry(format!("an answer that is none of insertAll's: {why}"), None);
    let answer: Value = serde_json::from_slice(answer).map_err(|error| unreadable(&error.to_string()))?;
    if !answer.is_object() {
        return Err(unreadable("it is no object"));
    }
    if let Some(error) = answer.get("error") {
        return Err(WriteError::retry(format!("an error with a status of success: {error}"), None));
    }
    if answer.get("kind").is_some_and(|kind| kind != KIND) {
        return Err(unreadable("it is of another kind"));
    }
    let errors = match &answer["insertErrors"] {
        Value::Null => return Ok(BodyOutcome::All),
        Value::Array(errors) => errors,
        _ => return Err(unreadable("insertErrors is no list")),
    };
    let (mut rejected, mut again) = (Vec::new(), Vec::new());
    let (mut why_rejected, mut why_again) = (None, None);
    for row in errors {
        let index = row["index"].as_u64().unwrap_or(0);
        let index = u32::try_from(index).ok().filter(|index| (*index as usize) < points);
        let index = index.ok_or_else(|| unreadable("an index beyond the rows"))?;
        let reasons = row["errors"].as_array().map_or(&[][..], Vec::as_slice);
        if let Some(error) = reasons.iter().find(|error| error["reason"] == FINAL) {
            rejected.push(index);
            why_rejected.get_or_insert_with(|| text(error));
        } else {
            again.push(index);
            why_again.get_or_insert_with(|| reasons.first().map_or_else(|| "no reason".into(), text));
        }
    }
    Ok(match why_rejected.or(why_again) {
        Some(message) => BodyOutcome::Some { rejected, again, lost: 0, message },
        None => BodyOutcome::All,
    })
}

fn text(error: &Value) -> String {
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    format!("{} {}: {}", text("reason"), text("location"), text("message"))
}
