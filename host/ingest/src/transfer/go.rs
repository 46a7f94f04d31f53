//! What Go's JSON says where a value has another type than its field.

use std::ops::Range;

use crate::json::{Fields, List};

/// The fields of a record that are text.
const TEXTS: [&str; 4] = ["endpoint", "metric", "counterType", "tags"];
/// Those that are whole numbers.
const INTEGERS: [&str; 2] = ["step", "timestamp"];

/// Whether every record of a list can be one; else Go's words about the first that cannot.
pub(super) fn check(records: &[u8]) -> Result<(), String> {
    if records == b"null" {
        return Ok(());
    }
    let list = List::of(records).ok_or_else(|| wrong(kind(records), "value of type []*model.Sample"))?;
    list.into_iter().try_for_each(check_record)
}

fn check_record(record: &[u8]) -> Result<(), String> {
    if record == b"null" {
        return Ok(());
    }
    let fields = Fields::of(record).ok_or_else(|| wrong(kind(record), "value of type model.Sample"))?;
    fields.into_iter().try_for_each(|(name, at)| check_field(record, name, at))
}

#[inline]
fn check_field(record: &[u8], name: &[u8], at: Range<usize>) -> Result<(), String> {
    let value = &record[at];
    let is = |known: &&&str| name.eq_ignore_ascii_case(known.as_bytes());
    if value == b"null" || value.first() == Some(&b'"') && TEXTS.iter().any(|known| is(&known)) {
        return Ok(());
    }
    if let Some(field) = TEXTS.iter().find(is) {
        return Err(wrong(kind(value), &format!("struct field Sample.{field} of type string")));
    }
    let Some(field) = INTEGERS.iter().find(is) else { return Ok(()) };
    let text = std::str::from_utf8(value).unwrap_or_default();
    if text.parse::<i64>().is_ok() {
        return Ok(());
    }
    let kind = match kind(value) {
        "number" => format!("number {}", saker_model::text::clean(text, 64)),
        other => other.to_owned(),
    };
    Err(wrong(&kind, &format!("struct field Sample.{field} of type int64")))
}

fn wrong(kind: &str, into: &str) -> String {
    format!("json: cannot unmarshal {kind} into Go {into}")
}

/// What Go calls a value.
pub(super) fn kind(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "bool",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// A number in a text, as Go's `strconv.ParseFloat` reads it.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    if text.contains('_') {
        let bytes = text.as_bytes();
        let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let stands = |at: usize| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
        if !text.match_indices('_').all(|(at, _)| stands(at)) {
            return None;
        }
        return text.replace('_', "").parse().ok();
    }
    text.parse().ok()
}
