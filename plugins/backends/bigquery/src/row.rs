//! A point as a row of a request:
//!
//! ```text
//! {"insertId":"…-1700000000123","json":{"timestamp":"2023-11-14T22:13:20.123Z","endpoint":"…","metric":"…",
//!  "tags":[{"key":"…","value":"…"}],"type":"gauge","value":1.5}}
//! ```

use saker_sdk::encode::json::quote;
use saker_sdk::encode::time::{has_rfc3339, push_rfc3339};
use saker_sdk::encode::{identity, push_f64, push_i64, type_name};
use saker_sdk::{Point, Series};

/// What comes before the rows. With `skipInvalidRows` the valid rows of a request are kept, and not taken back for the
/// others.
pub(crate) const START: &[u8] = br#"{"kind":"bigquery#tableDataInsertAllRequest","skipInvalidRows":true,"rows":["#;
pub(crate) const END: &[u8] = b"]}";

/// The year 1, where BigQuery's times begin.
const FIRST_MS: i64 = -62_135_596_800_000;

/// What stands in each row of a series.
#[derive(Debug)]
pub(crate) struct Heads {
    id: [u8; 32],
    /// From behind the time to the value.
    columns: Box<[u8]>,
}

impl Heads {
    pub(crate) fn new(series: &Series) -> Self {
        let tag = |(key, value): &(String, String)| format!(r#"{{"key":{},"value":{}}}"#, quote(key), quote(value));
        let columns = format!(
            r#"","endpoint":{},"metric":{},"tags":[{}],"type":"{}","value":"#,
            quote(&series.endpoint),
            quote(&series.metric),
            series.tags.iter().map(tag).collect::<Vec<_>>().join(","),
            type_name(series.metric_type),
        );
        Self { id: identity(series), columns: columns.into_bytes().into() }
    }

    pub(crate) fn push(&self, out: &mut Vec<u8>, point: &Point) {
        out.extend_from_slice(br#"{"insertId":""#);
        out.extend_from_slice(&self.id);
        out.push(b'-');
        push_i64(out, point.timestamp_ms);
        out.extend_from_slice(br#"","json":{"timestamp":""#);
        push_rfc3339(out, point.timestamp_ms);
        out.extend_from_slice(&self.columns);
        push_f64(out, point.value);
        out.extend_from_slice(b"}}");
    }
}

/// Whether a row can say this point.
pub(crate) fn fits(point: &Point) -> bool {
    point.value.is_finite() && point.timestamp_ms >= FIRST_MS && has_rfc3339(point.timestamp_ms)
}
