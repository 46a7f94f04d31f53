//! What an answer means. A server's exceptions begin with `Code: ` and a number, whatever the status is.

use saker_sdk::WriteError;
use saker_sdk::bodies::Taken;
use saker_sdk::http::Response;

/// `VIOLATED_CONSTRAINT`: a rule of the table that these rows will never keep.
const VIOLATED_CONSTRAINT: u32 = 469;

/// Every other exception can be mended by the operator, who sees it: a missing table, another column's type, a right, a
/// disk that is full, too many parts. An answer without one is a proxy's, and means what it means elsewhere.
pub(crate) fn taken(response: &Response) -> Result<Taken, WriteError> {
    let message = || format!("{} {}", response.status, response.body.trim());
    match code(&response.body) {
        None => response.taken(),
        Some(VIOLATED_CONSTRAINT) => Err(WriteError::reject(message())),
        Some(_) => {
            Err(WriteError::retry(message(), response.retry_after_s.map(|seconds| seconds.saturating_mul(1000))))
        }
    }
}

fn code(body: &str) -> Option<u32> {
    let rest = body.trim_start().strip_prefix("Code: ")?;
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
