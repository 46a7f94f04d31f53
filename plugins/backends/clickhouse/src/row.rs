//! A point as a row of RowBinary: <https://clickhouse.com/docs/interfaces/formats/RowBinary>. What is the same for all
//! points of a series comes first.
//!
//! A text is its length as a varint and its bytes; a map is the number of its pairs and they; an array its length and its
//! elements; `LowCardinality` makes no difference. The time is the number of milliseconds in 64 bits, which is what
//! `DateTime64(3)` is, and what an `Int64` keeps for a server that knows none.

use saker_sdk::encode::protobuf::push_varint;
use saker_sdk::encode::template::tags;
use saker_sdk::encode::type_name;
use saker_sdk::{Point, Series};

use crate::TagsColumn;

/// What `DateTime64` can hold: the years 1900 to 2299.
const FIRST_MS: i64 = -2_208_988_800_000;
const LAST_MS: i64 = 10_413_791_999_999;

/// The columns, in the order of a row.
pub(crate) fn columns(tags: TagsColumn) -> &'static str {
    match tags {
        TagsColumn::Map | TagsColumn::String => "endpoint, metric, tags, type, timestamp, value",
        TagsColumn::Arrays => "endpoint, metric, `tags.key`, `tags.value`, type, timestamp, value",
    }
}

/// What stands in a row before the time.
pub(crate) fn head(series: &Series, form: TagsColumn) -> Vec<u8> {
    let mut head = Vec::with_capacity(64);
    push_text(&mut head, &series.endpoint);
    push_text(&mut head, &series.metric);
    let count = series.tags.len() as u64;
    match form {
        TagsColumn::Map => {
            push_varint(&mut head, count);
            for (key, value) in &series.tags {
                push_text(&mut head, key);
                push_text(&mut head, value);
            }
        }
        TagsColumn::Arrays => {
            push_varint(&mut head, count);
            series.tags.iter().for_each(|(key, _)| push_text(&mut head, key));
            push_varint(&mut head, count);
            series.tags.iter().for_each(|(_, value)| push_text(&mut head, value));
        }
        TagsColumn::String => push_text(&mut head, &tags(series)),
    }
    push_text(&mut head, type_name(series.metric_type));
    head
}

/// Appends a row.
pub(crate) fn push(out: &mut Vec<u8>, head: &[u8], point: &Point) {
    out.extend_from_slice(head);
    out.extend_from_slice(&point.timestamp_ms.to_le_bytes());
    out.extend_from_slice(&point.value.to_le_bytes());
}

/// Whether a row can say this point.
pub(crate) fn fits(point: &Point) -> bool {
    point.value.is_finite() && (FIRST_MS..=LAST_MS).contains(&point.timestamp_ms)
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use saker_sdk::MetricType;

    use super::*;

    #[test]
    fn a_row_is_written_byte_by_byte_as_the_format_says() {
        let series = Series {
            endpoint: "e".into(),
            metric: "é".into(),
            tags: vec![("a".into(), "1".into()), ("b".into(), "x".repeat(200))],
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        let long = [&[0xc8, 1][..], "x".repeat(200).as_bytes()].concat();
        let start: &[u8] = &[1, b'e', 2, 0xc3, 0xa9];
        for (form, tags) in [
            (TagsColumn::Map, [&[2, 1, b'a', 1, b'1', 1, b'b'][..], &long].concat()),
            (TagsColumn::Arrays, [&[2, 1, b'a', 1, b'b', 2, 1, b'1'][..], &long].concat()),
            (TagsColumn::String, [&[0xce, 1][..], b"a=1,b=", "x".repeat(200).as_bytes()].concat()),
        ] {
            let mut row = Vec::new();
            push(&mut row, &head(&series, form), &Point { series: 0, timestamp_ms: -2, value: 1.0 });
            let end = [
                &[5][..],
                b"gauge",
                &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
            ];
            assert_eq!(row, [start, &tags, &end.concat()].concat());
        }
    }

    #[test]
    fn times_beyond_the_column_do_not_fit() {
        let at = |timestamp_ms| fits(&Point { series: 0, timestamp_ms, value: 1.0 });
        assert!(at(FIRST_MS) && at(0) && at(LAST_MS) && !at(FIRST_MS - 1) && !at(LAST_MS + 1));
        assert!(!fits(&Point { series: 0, timestamp_ms: 0, value: f64::NAN }));
    }
}
