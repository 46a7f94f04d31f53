//! Results as Prometheus' HTTP API has them, to the byte: numbers as strings, times as seconds.

use crate::float::{push_integer, push_json};
use crate::labels::Labels;
use crate::value::{Answer, Point, Value};

/// About how long a point is.
const POINT_BYTES: usize = 32;

/// The `data` of a query: `{"resultType":…,"result":…}`.
#[must_use]
pub fn data(value: &Value) -> String {
    let points = match value {
        Value::Vector(samples) => samples.len() * 4,
        Value::Matrix(series) => series.iter().map(|series| series.points.len() + 4).sum(),
        _ => 1,
    };
    let mut out = String::with_capacity(64 + points * POINT_BYTES);
    out.push_str("{\"resultType\":\"");
    out.push_str(match value {
        Value::Scalar(_) => "scalar",
        Value::Text(..) => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    });
    out.push_str("\",\"result\":");
    match value {
        Value::Scalar(point) => push_point(&mut out, *point),
        Value::Text(time_ms, text) => {
            out.push('[');
            push_time(&mut out, *time_ms);
            out.push(',');
            push_text(&mut out, text);
            out.push(']');
        }
        Value::Vector(samples) => push_list(&mut out, samples, |out, sample| {
            out.push_str("{\"metric\":");
            push_labels(out, &sample.labels);
            out.push_str(",\"value\":");
            push_point(out, sample.point);
            out.push('}');
        }),
        Value::Matrix(series) => push_list(&mut out, series, |out, series| {
            out.push_str("{\"metric\":");
            push_labels(out, &series.labels);
            out.push_str(",\"values\":");
            push_list(out, &series.points, |out, point| push_point(out, *point));
            out.push('}');
        }),
    }
    out.push('}');
    out
}

/// A whole answer: `{"status":"success","data":…}` with warnings and infos, if there are any.
#[must_use]
pub fn success(answer: &Answer) -> String {
    let mut out = String::from("{\"status\":\"success\",\"data\":");
    out.push_str(&data(&answer.value));
    for (name, notes) in [("warnings", answer.annotations.warnings()), ("infos", answer.annotations.infos())] {
        if !notes.is_empty() {
            out.push_str(",\"");
            out.push_str(name);
            out.push_str("\":");
            push_list(&mut out, &notes, |out, note| push_text(out, note));
        }
    }
    out.push('}');
    out
}

/// A refusal: `{"status":"error","errorType":…,"error":…}`.
#[must_use]
pub fn failure(kind: &str, error: &str) -> String {
    let mut out = String::from("{\"status\":\"error\",\"errorType\":");
    push_text(&mut out, kind);
    out.push_str(",\"error\":");
    push_text(&mut out, error);
    out.push('}');
    out
}

/// Labels as an object.
#[must_use]
pub fn labels(labels: &Labels) -> String {
    let mut out = String::new();
    push_labels(&mut out, labels);
    out
}

fn push_list<T>(out: &mut String, list: &[T], push: impl Fn(&mut String, &T)) {
    out.push('[');
    for (place, item) in list.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}

fn push_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (place, (name, value)) in labels.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push_text(out, name);
        out.push(':');
        push_text(out, value);
    }
    out.push('}');
}

fn push_point(out: &mut String, point: Point) {
    out.push('[');
    push_time(out, point.time_ms);
    out.push_str(",\"");
    push_json(out, point.value);
    out.push_str("\"]");
}

/// Seconds, with three digits of a fraction or none.
fn push_time(out: &mut String, time_ms: i64) {
    if time_ms < 0 {
        out.push('-');
    }
    let time_ms = time_ms.unsigned_abs() as i64;
    push_integer(out, time_ms / 1000);
    let fraction = time_ms % 1000;
    if fraction != 0 {
        out.push('.');
        // Always three digits.
        (0..3).rev().for_each(|place| out.push(char::from(b'0' + (fraction / 10_i64.pow(place) % 10) as u8)));
    }
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::Annotations;
    use crate::place::Span;
    use crate::value::{Points, Sample};
    use std::borrow::Cow;

    fn labels_of(pairs: &[(&'static str, &'static str)]) -> Labels {
        Labels::collect(pairs.iter().map(|(name, value)| (Cow::Borrowed(*name), *value)))
    }

    #[test]
    fn every_type_of_result_has_prometheus_shape() {
        let point = Point { time_ms: 1_435_781_451_781, value: 1.0 };
        let labels = labels_of(&[("job", "a\"b"), ("__name__", "up")]);
        for (value, expected) in [
            (Value::Scalar(point), r#"{"resultType":"scalar","result":[1435781451.781,"1"]}"#),
            (Value::Text(-1500, "a\n".into()), r#"{"resultType":"string","result":[-1.500,"a\n"]}"#),
            (
                Value::Vector(vec![Sample { labels: labels.clone(), point: Point { time_ms: 5, value: f64::NAN } }]),
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\"b"},"value":[0.005,"NaN"]}]}"#,
            ),
            (
                Value::Matrix(vec![Points { labels, points: vec![point, Point { time_ms: 0, value: 1e30 }] }]),
                concat!(
                    r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a\"b"},"#,
                    r#""values":[[1435781451.781,"1"],[0,"1e+30"]]}]}"#
                ),
            ),
            (Value::Vector(Vec::new()), r#"{"resultType":"vector","result":[]}"#),
        ] {
            assert_eq!(data(&value), expected);
            assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
        }
    }

    #[test]
    fn answers_carry_their_notes_and_errors_their_type() {
        let mut annotations = Annotations::default();
        annotations.warn("x", Span::default(), "");
        let answer = Answer { value: Value::Vector(Vec::new()), annotations, samples: 0 };
        assert_eq!(
            success(&answer),
            r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["PromQL warning: x (1:1)"]}"#
        );
        assert_eq!(failure("bad_data", "no \"x\""), r#"{"status":"error","errorType":"bad_data","error":"no \"x\""}"#);
    }
}
