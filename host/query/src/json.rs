//! Results as Prometheus' HTTP API has them, to the byte: numbers as strings, times as seconds.

use saker_pipeline::reader::ReadError;

use crate::float::{push_integer, push_json};
use crate::labels::Labels;
use crate::value::{QueryAnswer, QueryValue, TimedNumber};

/// About how long a point is.
const POINT_BYTES: usize = 32;

/// What an answer says besides its result.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerExtras<'a> {
    /// Statistics as JSON.
    pub stats: Option<&'a str>,
    /// Warnings beside the answer's own.
    pub warnings: &'a [&'a str],
}

/// The `data` of a query: `{"resultType":…,"result":…}`.
#[must_use]
pub fn data(value: &QueryValue) -> String {
    let mut out = String::new();
    // Nothing is longer than this.
    let _ = push_data(&mut out, value, None, u64::MAX);
    out
}

fn push_data(out: &mut String, value: &QueryValue, stats: Option<&str>, bytes_max: u64) -> Result<(), ReadError> {
    let points = match value {
        QueryValue::Vector(samples) => samples.len() * 4,
        QueryValue::Matrix(series) => series.iter().map(|series| series.points.len() + 4).sum(),
        _ => 1,
    };
    out.reserve((64 + points * POINT_BYTES).min(usize::try_from(bytes_max).unwrap_or(usize::MAX)));
    out.push_str("{\"resultType\":\"");
    out.push_str(match value {
        QueryValue::Scalar(_) => "scalar",
        QueryValue::Text(..) => "string",
        QueryValue::Vector(_) => "vector",
        QueryValue::Matrix(_) => "matrix",
    });
    out.push_str("\",\"result\":");
    match value {
        QueryValue::Scalar(point) => push_point(out, *point),
        QueryValue::Text(time_ms, text) => {
            out.push('[');
            push_time(out, *time_ms);
            out.push(',');
            push_text(out, text);
            out.push(']');
        }
        QueryValue::Vector(samples) => push_bounded(out, samples, bytes_max, |out, sample| {
            out.push_str("{\"metric\":");
            push_labels(out, &sample.labels);
            out.push_str(",\"value\":");
            push_point(out, sample.point);
            out.push('}');
        })?,
        QueryValue::Matrix(series) => push_bounded(out, series, bytes_max, |out, series| {
            out.push_str("{\"metric\":");
            push_labels(out, &series.labels);
            out.push_str(",\"values\":");
            push_list(out, &series.points, |out, point| push_point(out, *point));
            out.push('}');
        })?,
    }
    if let Some(stats) = stats {
        out.push_str(",\"stats\":");
        out.push_str(stats);
    }
    out.push('}');
    Ok(())
}

/// A whole answer: `{"status":"success","data":…}` with warnings and infos, if there are any. It has not many more than
/// `bytes_max` bytes.
///
/// # Errors
/// [`ReadError::Memory`], if it would.
pub fn success(answer: &QueryAnswer, extras: AnswerExtras<'_>, bytes_max: u64) -> Result<String, ReadError> {
    let mut out = String::from("{\"status\":\"success\",\"data\":");
    push_data(&mut out, &answer.value, extras.stats, bytes_max)?;
    let mut warnings = answer.annotations.warnings();
    warnings.extend(extras.warnings.iter().map(|text| (*text).to_owned()));
    for (name, notes) in [("warnings", warnings), ("infos", answer.annotations.infos())] {
        push_notes(&mut out, name, &notes);
    }
    out.push('}');
    Ok(out)
}

/// An answer that is no query's: `data` is JSON.
#[must_use]
pub fn success_of(data: &str, warnings: &[String]) -> String {
    let mut out = format!("{{\"status\":\"success\",\"data\":{data}");
    push_notes(&mut out, "warnings", warnings);
    out.push('}');
    out
}

/// A list of what is pushed. It has not many more than `bytes_max` bytes.
///
/// # Errors
/// [`ReadError::Memory`], if it would.
pub(crate) fn list<T>(items: &[T], bytes_max: u64, push: impl Fn(&mut String, &T)) -> Result<String, ReadError> {
    let mut out = String::new();
    push_bounded(&mut out, items, bytes_max, push)?;
    Ok(out)
}

fn push_notes(out: &mut String, name: &str, notes: &[String]) {
    if !notes.is_empty() {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        push_list(out, notes, |out, note| push_text(out, note));
    }
}

/// A rejection: `{"status":"error","errorType":…,"error":…}`.
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

fn push_bounded<T>(
    out: &mut String,
    list: &[T],
    bytes_max: u64,
    push: impl Fn(&mut String, &T),
) -> Result<(), ReadError> {
    out.push('[');
    for (place, item) in list.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push(out, item);
        if out.len() as u64 > bytes_max {
            return Err(ReadError::Memory { wanted: out.len() as u64, limit: bytes_max });
        }
    }
    out.push(']');
    Ok(())
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

pub(crate) fn push_labels(out: &mut String, labels: &Labels) {
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

fn push_point(out: &mut String, point: TimedNumber) {
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

pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::Annotations;
    use crate::place::QuerySpan;
    use crate::value::{InstantSample, RangeSeries};
    use std::borrow::Cow;

    fn labels_of(pairs: &[(&'static str, &'static str)]) -> Labels {
        Labels::collect(pairs.iter().map(|(name, value)| (Cow::Borrowed(*name), *value)))
    }

    #[test]
    fn every_type_of_result_has_prometheus_shape() {
        let point = TimedNumber { time_ms: 1_435_781_451_781, value: 1.0 };
        let labels = labels_of(&[("job", "a\"b"), ("__name__", "up")]);
        for (value, expected) in [
            (QueryValue::Scalar(point), r#"{"resultType":"scalar","result":[1435781451.781,"1"]}"#),
            (QueryValue::Text(-1500, "a\n".into()), r#"{"resultType":"string","result":[-1.500,"a\n"]}"#),
            (
                QueryValue::Vector(vec![InstantSample {
                    labels: labels.clone(),
                    point: TimedNumber { time_ms: 5, value: f64::NAN },
                }]),
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\"b"},"value":[0.005,"NaN"]}]}"#,
            ),
            (
                QueryValue::Matrix(vec![RangeSeries {
                    labels,
                    points: vec![point, TimedNumber { time_ms: 0, value: 1e30 }],
                }]),
                concat!(
                    r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a\"b"},"#,
                    r#""values":[[1435781451.781,"1"],[0,"1e+30"]]}]}"#
                ),
            ),
            (QueryValue::Vector(Vec::new()), r#"{"resultType":"vector","result":[]}"#),
        ] {
            assert_eq!(data(&value), expected);
            assert!(serde_json::from_str::<serde_json::Value>(expected).is_ok());
        }
    }

    #[test]
    fn answers_carry_their_notes_and_errors_their_type() {
        let mut annotations = Annotations::default();
        annotations.warn("x", QuerySpan::default(), "");
        let answer = QueryAnswer { value: QueryValue::Vector(Vec::new()), annotations, samples: 0 };
        assert_eq!(
            success(&answer, AnswerExtras::default(), u64::MAX).unwrap(),
            r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["PromQL warning: x (1:1)"]}"#
        );
        let extras = AnswerExtras { stats: Some("{}"), warnings: &["cut"] };
        assert_eq!(
            success(&answer, extras, u64::MAX).unwrap(),
            r#"{"status":"success","data":{"resultType":"vector","result":[],"stats":{}},"warnings":["PromQL warning: x (1:1)","cut"]}"#
        );
        assert_eq!(failure("bad_data", "no \"x\""), r#"{"status":"error","errorType":"bad_data","error":"no \"x\""}"#);
    }

    #[test]
    fn an_answer_beyond_its_bytes_is_rejected_while_it_is_made() {
        let sample = InstantSample { labels: labels_of(&[("a", "b")]), point: TimedNumber { time_ms: 0, value: 1.0 } };
        let (annotations, samples) = (Annotations::default(), 0);
        let answer = QueryAnswer { value: QueryValue::Vector(vec![sample; 1000]), annotations, samples };
        assert!(matches!(
            success(&answer, AnswerExtras::default(), 500),
            Err(ReadError::Memory { wanted: 501..600, limit: 500 })
        ));
    }
}
