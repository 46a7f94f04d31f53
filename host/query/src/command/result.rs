//! An agent's answer, read back.

use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use serde_json::{Map, Value};

use super::CommandError;

/// Characters of one label or one value that are shown.
const TEXT_BYTES_MAX: usize = 1 << 10;

/// A series of an answer: its labels, sorted, without what a terminal would act on; and its points.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ResultRow {
    pub(super) labels: Vec<(String, String)>,
    pub(super) points: Vec<(f64, String)>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) rows: Vec<ResultRow>,
    /// Whether a row has values over time.
    pub(super) is_matrix: bool,
    pub(super) warnings: Vec<String>,
}

impl Answered {
    pub(super) fn read(status: u16, body: &[u8]) -> Result<Self, CommandError> {
        let broken = |reason: &str| CommandError::Answer { reason: reason.to_owned() };
        let answer: Value = serde_json::from_slice(body).map_err(|error| broken(&error.to_string()))?;
        if status != 200 || answer["status"] != "success" {
            let message = answer["error"].as_str().unwrap_or("it gives no reason");
            return Err(CommandError::Rejected { status, message: clean(message, MESSAGE_BYTES_MAX) });
        }
        let (kind, result) = (answer["data"]["resultType"].as_str(), &answer["data"]["result"]);
        let is_matrix = kind == Some("matrix");
        let rows = match kind {
            Some("scalar" | "string") => {
                vec![ResultRow { labels: Vec::new(), points: points(std::slice::from_ref(result)) }]
            }
            Some("vector" | "matrix") => result.as_array().ok_or_else(|| broken("no list"))?.iter().map(row).collect(),
            _ => return Err(broken("no resultType")),
        };
        let notes = ["warnings", "infos"].into_iter().filter_map(|name| answer[name].as_array()).flatten();
        let warnings = notes.filter_map(Value::as_str).map(|note| clean(note, MESSAGE_BYTES_MAX)).collect();
        Ok(Self { rows, is_matrix, warnings })
    }
}

fn row(series: &Value) -> ResultRow {
    let empty = Map::new();
    let metric = series["metric"].as_object().unwrap_or(&empty);
    let text = |text: &str| clean(text, TEXT_BYTES_MAX);
    let labels = metric.iter().map(|(name, value)| (text(name), text(value.as_str().unwrap_or_default())));
    let mut labels: Vec<(String, String)> = labels.collect();
    labels.sort();
    let points = match (series["values"].as_array(), &series["value"]) {
        (Some(values), _) => points(values),
        (None, value) => points(std::slice::from_ref(value)),
    };
    ResultRow { labels, points }
}

/// Seconds and values, each `[1435781451.781,"1"]`.
fn points(values: &[Value]) -> Vec<(f64, String)> {
    let point = |value: &Value| Some((value[0].as_f64()?, clean(value[1].as_str()?, TEXT_BYTES_MAX)));
    values.iter().filter_map(point).collect()
}
