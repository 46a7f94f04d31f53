//! A point as two lines of JSON: what is to be done, and the document.
//!
//! ```text
//! {"create":{"_index":"…","_id":"…"}}
//! {"@timestamp":1700000000123,"host":{"name":"…"},"metric":"…","labels":{…},"type":"gauge","step":10,"value":1.5}
//! ```

use saker_sdk::encode::json::quote;
use saker_sdk::encode::{Labels, identity, push_f64, push_i64, type_name};
use saker_sdk::{Point, Series};

use crate::index::IndexNames;

/// What stands in the lines of each point of a series.
#[derive(Debug)]
pub(crate) struct Heads {
    id: [u8; 32],
    /// From the comma behind the time to the value.
    document: Box<[u8]>,
}

impl Heads {
    pub(crate) fn new(series: &Series) -> Self {
        let mut labels = Labels::default();
        for (key, value) in &series.tags {
            // To Elasticsearch a dot makes an object of what stands before it, and that may be a label itself.
            labels.add(&key.replace('.', "_"), value);
        }
        let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{}:{}", quote(key), quote(value))).collect();
        let document = format!(
            r#","host":{{"name":{}}},"metric":{},"labels":{{{}}},"type":"{}","step":{},"value":"#,
            quote(&series.endpoint),
            quote(&series.metric),
            labels.join(","),
            type_name(series.metric_type),
            series.step_s,
        );
        Self { id: identity(series), document: document.into_bytes().into() }
    }
}

/// Writes the lines of points.
#[derive(Debug)]
pub(crate) struct DocumentWriter {
    pub(crate) names: IndexNames,
    pub(crate) ids: bool,
}

impl DocumentWriter {
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, heads: &Heads, point: &Point) {
        out.extend_from_slice(br#"{"create":{"#);
        let index = self.names.of(point.timestamp_ms);
        if let Some(index) = index {
            out.extend_from_slice(br#""_index":""#);
            out.extend_from_slice(index.as_bytes());
            out.push(b'"');
        }
        if self.ids {
            out.extend_from_slice(if index.is_some() { br#","_id":""# } else { br#""_id":""# });
            out.extend_from_slice(&heads.id);
            out.push(b'-');
            push_i64(out, point.timestamp_ms);
            out.push(b'"');
        }
        out.extend_from_slice(b"}}\n{\"@timestamp\":");
        push_i64(out, point.timestamp_ms);
        out.extend_from_slice(&heads.document);
        push_real(out, point.value);
        out.extend_from_slice(b"}\n");
    }
}

/// A number that is never whole to its reader: an index without a mapping would take the first one for the type of all.
fn push_real(out: &mut Vec<u8>, value: f64) {
    let from = out.len();
    push_f64(out, value);
    if !out[from..].iter().any(|byte| b".e".contains(byte)) {
        out.extend_from_slice(b".0");
    }
}

#[cfg(test)]
mod tests {
    use saker_sdk::MetricType;
    use saker_sdk::settings::serde_json::{self, Value, json};

    use super::*;
    use crate::index::Index;

    fn series(metric: &str, tags: &[(&str, &str)]) -> Series {
        Series {
            endpoint: "web1".into(),
            metric: metric.into(),
            tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        }
    }

    fn lines(index: Option<&str>, ids: bool, series: &Series, value: f64) -> [Value; 2] {
        let index = Index::new(None, index.map(str::to_owned)).unwrap();
        let mut writer = DocumentWriter { names: IndexNames::new(index), ids };
        let mut out = Vec::new();
        writer.push(&mut out, &Heads::new(series), &Point { series: 0, timestamp_ms: 1_700_000_000_123, value });
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.try_into().unwrap()
    }

    #[test]
    fn a_document_says_everything_of_a_point() {
        let series = series("df.\"used\"", &[("a.b", "1\n"), ("a_b", "2"), ("mount", "/")]);
        assert_eq!(
            lines(None, true, &series, 0.5)[1],
            json!({
                "@timestamp": 1_700_000_000_123_i64, "host": {"name": "web1"}, "metric": "df.\"used\"",
                "labels": {"a_b": "1\n", "exported_a_b": "2", "mount": "/"}, "type": "gauge", "step": 10, "value": 0.5,
            })
        );
    }

    #[test]
    fn the_action_names_what_the_path_does_not() {
        let series = series("m", &[]);
        assert_eq!(lines(None, false, &series, 1.0)[0], json!({"create": {}}));
        assert_eq!(lines(Some("s-%Y"), false, &series, 1.0)[0], json!({"create": {"_index": "s-2023"}}));
        let [action, _] = lines(Some("s"), true, &series, 1.0);
        assert_eq!(action["create"]["_index"], "s");
        let id = action["create"]["_id"].as_str().unwrap().to_owned();
        assert_eq!((id.len(), id.ends_with("-1700000000123")), (46, true));
        assert_eq!(lines(None, true, &series, 2.0)[0], json!({"create": {"_id": id}}));
    }

    #[test]
    fn no_number_looks_whole() {
        for (value, text) in
            [(1.0, "1.0"), (-0.0, "0.0"), (1e18, "1000000000000000000.0"), (1e20, "1e+20"), (1.5, "1.5")]
        {
            let mut out = Vec::new();
            push_real(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
