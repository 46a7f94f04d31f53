//! A point as one line of JSON, with the names of this project's own model.

use super::{Form, push_f64, push_i64, type_name};
use crate::bindings::types::Series;
use crate::point::Point;
use crate::settings::serde_json::Value;

/// `{"endpoint":…,"metric":…,"tags":{…},"type":…,"step":…,"timestamp_ms":…,"value":…}`, one line each.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Form for Json {
    fn head(&self, series: &Series) -> Vec<u8> {
        let tags: Vec<_> = series.tags.iter().map(|(key, value)| format!("{}:{}", quote(key), quote(value))).collect();
        let kind = type_name(series.metric_type);
        format!(
            r#"{{"endpoint":{},"metric":{},"tags":{{{}}},"type":"{kind}","step":{},"timestamp_ms":"#,
            quote(&series.endpoint),
            quote(&series.metric),
            tags.join(","),
            series.step_s
        )
        .into()
    }

    fn push_tail(&self, point: &Point, _: &[u8], line: &mut Vec<u8>) {
        push_end(line, point.timestamp_ms, point.value);
    }
}

/// Appends a time, the key `value` with its number, and the end of the line.
fn push_end(line: &mut Vec<u8>, time: i64, value: f64) {
    push_i64(line, time);
    line.extend_from_slice(br#","value":"#);
    push_f64(line, value);
    line.extend_from_slice(b"}\n");
}

/// A JSON string, with its quotation marks.
#[must_use]
pub fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::MetricType;
    use crate::encode::testing::{line, series};
    use crate::settings::serde_json::{self, json};

    #[test]
    fn a_point_is_one_line_with_its_keys_in_order() {
        let series = series("disk.read", &[("device", "sda"), ("host.id", "7")]);
        assert_eq!(
            line(Json, series, 1_700_000_000_123, 1.5),
            concat!(
                r#"{"endpoint":"h","metric":"disk.read","tags":{"device":"sda","host.id":"7"},"type":"gauge","#,
                r#""step":10,"timestamp_ms":1700000000123,"value":1.5}"#,
                "\n"
            )
        );
    }

    #[test]
    fn awkward_text_is_read_back_as_it_was() {
        let awkward = "a\"b\\c\n\r\t\u{0}\u{7f}\u{2028}é💡/";
        let mut series = series(awkward, &[("k\"", awkward)]);
        series.endpoint = awkward.into();
        series.metric_type = MetricType::Derive;
        let text = line(Json, series, -1, -1e300);
        assert_eq!(text.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = json!({
            "endpoint": awkward, "metric": awkward, "tags": {"k\"": awkward}, "type": "derive", "step": 10,
            "timestamp_ms": -1, "value": -1e300,
        });
        assert_eq!(read, expected);
    }
}
