//! The rows that points become, in the binary form of `COPY`: a row's beginning is the same for all points of a series.
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.4>

use saker_sdk::encode::{Slots, check};
use saker_sdk::prelude::*;
use saker_sdk::settings::serde_json::{Map, Value};

/// The columns, in the order that rows have them: those of the series first.
pub(crate) const COLUMNS: &str = "endpoint, metric, tags, time, value";
/// What stands before the first row: a signature, no flags, nothing more.
pub(crate) const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What stands behind the last one.
pub(crate) const END: &[u8] = &[0xff, 0xff];

/// 2000-01-01 in milliseconds since 1970, where PostgreSQL's times begin.
const EPOCH_MS: i64 = 946_684_800_000;
/// The first and the last time that PostgreSQL keeps, in milliseconds since 1970: 4713 BC and the year 294276.
const TIMES_MS: std::ops::RangeInclusive<i64> = -210_866_803_200_000..=9_224_318_015_999_999;
/// The version of a `jsonb` on its way.
const JSONB: u8 = 1;

/// The beginnings of rows, for all series that are known.
#[derive(Default)]
pub(crate) struct Rows(Slots<Box<[u8]>>);

impl Rows {
    pub(crate) fn define(&mut self, id: SeriesId, series: &Series) {
        let tags: Map<_, _> = series.tags.iter().map(|(key, value)| (clean(key), Value::from(clean(value)))).collect();
        let mut json = vec![JSONB];
        json.extend(Value::from(tags).to_string().into_bytes());
        let mut row = 5_u16.to_be_bytes().to_vec();
        push_field(&mut row, clean(&series.endpoint).as_bytes());
        push_field(&mut row, clean(&series.metric).as_bytes());
        push_field(&mut row, &json);
        self.0.insert(id, row.into());
    }

    pub(crate) fn forget(&mut self, id: SeriesId) {
        self.0.remove(id);
    }

    /// Checks that every point can be kept, before the first of them is sent.
    pub(crate) fn check(&self, points: &[Point]) -> Result<(), WriteError> {
        let fits = |point: &Point| point.value.is_finite() && TIMES_MS.contains(&point.timestamp_ms);
        check(points, |id| self.0.get(id).is_some(), fits)
    }

    /// Appends the row of a point that was checked.
    pub(crate) fn push(&self, point: &Point, out: &mut Vec<u8>) {
        let Some(row) = self.0.get(point.series) else { return };
        out.extend_from_slice(row);
        push_field(out, &((point.timestamp_ms - EPOCH_MS) * 1000).to_be_bytes());
        push_field(out, &point.value.to_be_bytes());
    }
}

fn push_field(row: &mut Vec<u8>, bytes: &[u8]) {
    row.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    row.extend_from_slice(bytes);
}

/// A text as PostgreSQL can keep it: the one character that it cannot is replaced.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::default();
        let tags = vec![("b".into(), "\"x\\\0".into()), ("a".into(), "é".into())];
        let series =
            Series { endpoint: "h".into(), metric: "m\0".into(), tags, metric_type: MetricType::Gauge, step_s: 10 };
        rows.define(1, &series);
        rows
    }

    #[test]
    fn a_row_is_its_fields_with_their_lengths() {
        let mut out = Vec::new();
        rows().push(&Point { series: 1, timestamp_ms: 946_684_800_001, value: 1.0 }, &mut out);
        let mut expected = b"\0\x05\0\0\0\x01h\0\0\0\x04m\xef\xbf\xbd".to_vec();
        let json = "\u{1}{\"a\":\"é\",\"b\":\"\\\"x\\\\\u{fffd}\"}";
        expected.extend((json.len() as u32).to_be_bytes());
        expected.extend(json.as_bytes());
        expected.extend(b"\0\0\0\x08\0\0\0\0\0\0\x03\xe8\0\0\0\x08\x3f\xf0\0\0\0\0\0\0");
        assert_eq!(out, expected);
    }

    #[test]
    fn times_that_postgresql_keeps_are_written_and_others_rejected() {
        let rows = rows();
        let point = |timestamp_ms| Point { series: 1, timestamp_ms, value: f64::MAX };
        let fine = [0, -1, 4_102_444_800_000, *TIMES_MS.start(), *TIMES_MS.end()].map(point);
        assert!(rows.check(&fine).is_ok());
        let mut out = Vec::new();
        fine.iter().for_each(|point| rows.push(point, &mut out));
        let rejected = rows.check(&[point(0), point(i64::MIN), point(i64::MAX), point(TIMES_MS.end() + 1)]);
        assert!(matches!(rejected, Err(WriteError::Reject(Reject { points, .. })) if points == [1, 2, 3]));
        assert!(matches!(rows.check(&[Point { series: 2, ..point(0) }]), Err(WriteError::Broken(_))));
    }
}
