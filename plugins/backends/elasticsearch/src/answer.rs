//! What became of each document of a bulk request: it is answered 200 even if none of them was taken.

use saker_sdk::WriteError;
use saker_sdk::bodies::BodyOutcome;
use saker_sdk::settings::serde_json::{self, Value};

/// What an answer means for so many points. With `ids`, a document that is there already was sent before.
pub(crate) fn taken(answer: &[u8], points: usize, ids: bool) -> Result<BodyOutcome, WriteError> {
    // Where all went well there is no need to look at each of them.
    if answer.starts_with(br#"{"errors":false"#) {
        return Ok(BodyOutcome::All);
    }
    let unreadable = |why: &str| WriteError::retry(format!("an answer that is none of the bulk API's: {why}"), None);
    let answer: Value = serde_json::from_slice(answer).map_err(|error| unreadable(&error.to_string()))?;
    if answer["errors"] == false {
        return Ok(BodyOutcome::All);
    }
    let items = answer["items"].as_array().ok_or_else(|| unreadable("there are no items"))?;
    if items.len() != points {
        return Err(unreadable(&format!("{} items for {points} documents", items.len())));
    }
    let (mut rejected, mut again, mut first) = (Vec::new(), Vec::new(), None);
    for (place, item) in (0..).zip(items) {
        let item = &item["create"];
        let status = item["status"].as_u64().unwrap_or(0);
        match status {
            200..=299 => continue,
            409 if ids => continue,
            400 | 409 | 413 | 415 | 422 => rejected.push(place),
            // Too busy, a shard that is away, a right or an index that is missing: an operator can mend those.
            _ => again.push(place),
        }
        first.get_or_insert((status, item));
    }
    let Some((status, item)) = first else { return Ok(BodyOutcome::All) };
    let text = |name: &str| item["error"][name].as_str().unwrap_or("no reason").to_owned();
    let message = format!("{status} {}: {}", text("type"), text("reason"));
    Ok(BodyOutcome::Some { rejected, again, lost: 0, message })
}
