//! Answers to the byte: numbers with six decimals, and `null` for what is not known.

use std::fmt::Write;

use super::{EndpointCounter, History, LastPoint, endpoint_id};

/// The answer of `history`: an array, a series each.
#[must_use]
pub fn histories(histories: &[History]) -> String {
    list(histories, push_history)
}

/// One of them.
pub fn push_history(out: &mut String, history: &History) {
    let step_s = history.attributes.map_or(0, |attributes| attributes.step_s);
    let dstype = history.attributes.map_or("", super::dstype);
    push_names(out, &history.endpoint, &history.counter);
    // Writing into a text does not fail.
    let _ = write!(out, ",\"dstype\":\"{dstype}\",\"step\":{step_s},\"Values\":[");
    for (place, row) in history.rows.iter().enumerate() {
        out.push_str(if place == 0 { "{" } else { ",{" });
        push_value(out, row.time_ms.div_euclid(1000), row.value);
        out.push('}');
    }
    out.push_str("]}");
}

/// The answer of `last` and `last/raw`.
#[must_use]
pub fn last_points(points: &[LastPoint]) -> String {
    list(points, push_last)
}

/// One of them.
pub fn push_last(out: &mut String, point: &LastPoint) {
    push_names(out, &point.endpoint, &point.counter);
    out.push_str(",\"value\":{");
    push_value(out, point.timestamp_s, Some(point.value).filter(|value| value.is_finite()));
    out.push_str("}}");
}

/// The answer of `info`, of series that [`History`] has the attributes of. There are no files of a series, and the
/// address is the agent's own.
#[must_use]
pub fn infos(histories: &[History], address: &str) -> String {
    list(histories, |out, history| push_info(out, history, address))
}

/// One of them.
pub fn push_info(out: &mut String, history: &History, address: &str) {
    let step_s = history.attributes.map_or(0, |attributes| attributes.step_s);
    let dstype = history.attributes.map_or("", super::dstype);
    push_names(out, &history.endpoint, &history.counter);
    let address = serde_json::Value::from(address);
    let _ = write!(out, ",\"consolFun\":\"{dstype}\",\"step\":{step_s},\"filename\":\"\",\"addr\":{address}}}");
}

/// An endpoint and its number.
pub fn push_endpoint(out: &mut String, endpoint: &str) {
    let id = endpoint_id(endpoint);
    let _ = write!(out, "{{\"endpoint\":{},\"id\":{id}}}", serde_json::Value::from(endpoint));
}

/// A counter of an endpoint.
pub fn push_endpoint_counter(out: &mut String, counter: &EndpointCounter) {
    let EndpointCounter { endpoint_id, counter, attributes } = counter;
    let (step_s, dstype) = (attributes.step_s, super::dstype(*attributes));
    let counter = serde_json::Value::from(counter.as_str());
    let _ =
        write!(out, "{{\"counter\":{counter},\"endpoint_id\":{endpoint_id},\"step\":{step_s},\"type\":\"{dstype}\"}}");
}

fn list<T>(items: &[T], push: impl Fn(&mut String, &T)) -> String {
    let mut out = String::from("[");
    for (place, item) in items.iter().enumerate() {
        out.push_str(if place == 0 { "" } else { "," });
        push(&mut out, item);
    }
    out.push(']');
    out
}

fn push_names(out: &mut String, endpoint: &str, counter: &str) {
    let [endpoint, counter] = [endpoint, counter].map(serde_json::Value::from);
    let _ = write!(out, "{{\"endpoint\":{endpoint},\"counter\":{counter}");
}

fn push_value(out: &mut String, timestamp_s: i64, value: Option<f64>) {
    let _ = match value {
        Some(value) => write!(out, "\"timestamp\":{timestamp_s},\"value\":{value:.6}"),
        None => write!(out, "\"timestamp\":{timestamp_s},\"value\":null"),
    };
}
