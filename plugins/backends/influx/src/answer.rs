//! What an answer means. InfluxDB takes what it can of a request, and says what it could not by the numbers of lines, or
//! not at all; some versions with a status of success.
//!
//! 3: 400 and `{"error":"partial write of line protocol occurred","data":[{"line_number":2,"error_message":"…"}]}`, at
//! most a hundred. Its Cloud: 201, 204 or 400 and `{"code":"invalid","line":2,"message":"…"}`, the first line. 1: 400 and
//! `partial write: … dropped=1`, without a line. 0.9: 200 and `{"error":"…"}`, or an error in one of the results.
//! The same line again changes nothing, so all but a line that is named may be sent again.

use saker_sdk::WriteError;
use saker_sdk::bodies::BodyOutcome;
use saker_sdk::http::{Response, Rest};
use saker_sdk::settings::serde_json::{self, Value};

/// The header with an error's words.
const ERROR: &str = "x-influxdb-error";
/// The headers that are read.
pub(crate) const HEADERS: &[&str] = &[ERROR];

/// As many lines are named at most: of the others, nobody knows then.
const NAMED_MAX: usize = 100;

/// What an answer means for a body of so many lines.
pub(crate) fn taken(response: &Response, rest: &Rest, lines: usize) -> Result<BodyOutcome, WriteError> {
    let is_success = (200..=299).contains(&response.status);
    if !is_success && response.status != 400 {
        return response.taken();
    }
    // Most answers by far have neither.
    if is_success && rest.bytes().is_empty() && rest.header(ERROR).is_none() {
        return Ok(BodyOutcome::All);
    }
    let said = serde_json::from_slice(rest.bytes()).unwrap_or(Value::Null);
    let named = named(&said, lines);
    if !named.is_empty() {
        return Ok(without(&named, lines, is_partial(&said) && named.len() < NAMED_MAX));
    }
    if !is_success {
        return response.taken();
    }
    match error(&said).or_else(|| rest.header(ERROR).map(str::to_owned)) {
        Some(words) if words.contains("partial write") => Err(WriteError::reject(words)),
        Some(words) => Err(response.again(&format!("an error with a status of success: {words}: "))),
        // An answer that cannot be read, as if it were cut off.
        None if said.is_null() && response.body.trim_start().starts_with('{') => {
            Err(response.again("an answer that is none of InfluxDB's: "))
        }
        None => response.taken(),
    }
}

/// The lines that are named, counted from zero, and what is wrong with each.
fn named(said: &Value, lines: usize) -> Vec<(u32, String)> {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or("no reason").to_owned();
    let number = |value: &Value| {
        let line = value.as_u64().and_then(|line| usize::try_from(line).ok()).filter(|line| (1..=lines).contains(line));
        line.and_then(|line| u32::try_from(line - 1).ok())
    };
    let of_data = |data: &Value| Some((number(&data["line_number"])?, text(data, "error_message")));
    match &said["data"] {
        Value::Array(all) => all.iter().filter_map(of_data).collect(),
        data @ Value::Object(_) => of_data(data).into_iter().collect(),
        _ => number(&said["line"]).map(|line| (line, text(said, "message"))).into_iter().collect(),
    }
}

/// Whether the lines that are not named are there.
fn is_partial(said: &Value) -> bool {
    said["error"].as_str().is_some_and(|text| text.starts_with("partial write"))
}

fn without(named: &[(u32, String)], lines: usize, has_others: bool) -> BodyOutcome {
    let mut is_named = vec![false; lines];
    named.iter().for_each(|(line, _)| is_named[*line as usize] = true);
    let at = |named: bool| (0..).zip(&is_named).filter(move |(_, is)| **is == named).map(|(line, _): (u32, _)| line);
    let again = if has_others { Vec::new() } else { at(false).collect() };
    let (line, why) = &named[0];
    BodyOutcome::Some { rejected: at(true).collect(), again, lost: 0, message: format!("line {}: {why}", line + 1) }
}

/// The words of an error, in any of its forms.
fn error(said: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    text(&said["error"])
        .or_else(|| said["code"].as_str().and_then(|_| text(&said["message"])))
        .or_else(|| said["results"].as_array()?.iter().find_map(|result| text(&result["error"])))
}
