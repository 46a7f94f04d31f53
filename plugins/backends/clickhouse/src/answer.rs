//! What an answer means. A server tells of an exception in a header, in a trailer or in the body, whatever the status is:
//! before 24.8 also with 200 and no body at all.
//!
//! In a body it begins with `Code: ` and a number, or follows an `__exception__` behind what was said before it.
//! <https://clickhouse.com/docs/interfaces/http#http_response_codes_caveats>

use saker_sdk::WriteError;
use saker_sdk::bodies::BodyOutcome;
use saker_sdk::http::{Response, Rest};

/// The header, or trailer, with an exception's number.
const CODE: &str = "x-clickhouse-exception-code";
/// The headers that are read.
pub(crate) const HEADERS: &[&str] = &[CODE];
/// What stands before an exception that comes late.
const LATE: &str = "__exception__";

/// `VIOLATED_CONSTRAINT`: a rule of the table that these rows will never keep.
const VIOLATED_CONSTRAINT: u32 = 469;

/// Every other exception can be mended by the operator, who sees it: a missing table, another column's type, a right, a
/// disk that is full, too many parts. An answer without one is a proxy's, and means what it means elsewhere.
pub(crate) fn taken(response: &Response, rest: &Rest) -> Result<BodyOutcome, WriteError> {
    let said = code(&response.body);
    let Some(code) = said.or_else(|| numbered(rest.header(CODE)?)) else { return response.taken() };
    match code {
        VIOLATED_CONSTRAINT => Err(WriteError::reject(response.words())),
        code if said.is_none() => Err(response.again(&format!("exception {code}: "))),
        _ => Err(response.again("")),
    }
}

fn code(body: &str) -> Option<u32> {
    let start = body.trim_start();
    if let Some(number) = start.strip_prefix("Code: ") {
        return numbered(number);
    }
    let (_, late) = start.split_once(LATE)?;
    // One that cannot be read is one all the same.
    Some(late.split_once("Code: ").and_then(|(_, number)| numbered(number)).unwrap_or(u32::MAX))
}

/// A number at the beginning of a text; 0 is no exception.
fn numbered(text: &str) -> Option<u32> {
    text.trim_start().split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok().filter(|code| *code != 0)
}
