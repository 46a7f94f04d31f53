//! What the agent says of itself: its plugins, and where points go.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value;

use crate::args::ClientArgs;
use crate::{client, table};

/// What is shown of a fault.
const FAULT_CHARS: usize = 60;

/// What the agent said at one time.
pub(super) struct Look {
    at: Instant,
    about: Value,
    plugins: Value,
    routes: Value,
}

impl Look {
    pub(super) async fn ask(args: &ClientArgs, at: Instant) -> anyhow::Result<Self> {
        Ok(Self {
            at,
            about: client::get(args, "/").await?,
            plugins: client::get(args, "/saker/v1/plugins").await?,
            routes: client::get(args, "/saker/v1/routes").await?,
        })
    }

    pub(super) fn title(&self) -> String {
        let about = &self.about;
        format!("saker {} on {}, up {} s", text(&about["version"]), text(&about["endpoint"]), about["uptime_s"])
    }

    fn seconds(&self, before: Option<&Self>) -> Option<f64> {
        before.map(|before| self.at.duration_since(before.at).as_secs_f64())
    }

    pub(super) fn plugins(&self, before: Option<&Self>) -> String {
        let seconds = self.seconds(before);
        let headings = ["plugin", "kind", "state", "calls/s", "values/s", "cpu %", "memory", "failed", "last fault"];
        let mut rows = vec![headings.map(String::from).to_vec()];
        let earlier = before.map(|before| by_name(&before.plugins["instances"])).unwrap_or_default();
        for now in list(&self.plugins["instances"]) {
            let rate = |pointer: &str| rate(now, earlier.get(&text(&now["name"])).copied(), pointer, seconds);
            rows.push(vec![
                text(&now["name"]),
                text(&now["kind"]),
                text(&now["state"]),
                rate("/calls").map_or("-".into(), |rate| format!("{rate:.2}")),
                rate("/counts/values").map_or("-".into(), |rate| format!("{rate:.1}")),
                rate("/cpu_seconds").map_or("-".into(), |rate| format!("{:.2}", rate * 100.0)),
                format!("{:.1} MiB", now["memory_bytes"].as_f64().unwrap_or(0.0) / f64::from(1 << 20)),
                now["counts"]["failed"].to_string(),
                fault(&now["last_fault"]),
            ]);
        }
        table::render(&rows)
    }

    pub(super) fn flow(&self, before: Option<&Self>) -> String {
        let seconds = self.seconds(before);
        let destinations = list(&self.routes["destinations"]);
        if destinations.is_empty() {
            return "no destinations: samples stay on this host\n".into();
        }
        let headings = ["destination", "backend", "points/s", "delivered", "queued", "dropped", "error"];
        let mut rows = vec![headings.map(String::from).to_vec()];
        let earlier = before.map(|before| by_name(&before.routes["destinations"])).unwrap_or_default();
        for now in destinations {
            let dropped: u64 = now["dropped"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
            let rate = rate(now, earlier.get(&text(&now["name"])).copied(), "/delivered", seconds);
            rows.push(vec![
                text(&now["name"]),
                text(&now["backend"]),
                rate.map_or("-".into(), |rate| format!("{rate:.1}")),
                now["delivered"].to_string(),
                now["queued"].to_string(),
                dropped.to_string(),
                text(&now["error"]).chars().take(60).collect(),
            ]);
        }
        table::render(&rows)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The beginning of what went wrong last, behind its age.
fn fault(fault: &Value) -> String {
    let Some(message) = fault["message"].as_str() else { return String::new() };
    let age = crate::list::age(fault);
    format!("{}: {}", age.trim_start_matches(", "), message.chars().take(FAULT_CHARS).collect::<String>())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn by_name(value: &Value) -> HashMap<String, &Value> {
    list(value).iter().map(|item| (item["name"].as_str().unwrap_or_default().to_owned(), item)).collect()
}

/// How fast a number grows; nothing at the first look.
fn rate(now: &Value, before: Option<&Value>, pointer: &str, seconds: Option<f64>) -> Option<f64> {
    let number = |value: &Value| value.pointer(pointer).and_then(Value::as_f64);
    Some((number(now)? - number(before?)?).max(0.0) / seconds?)
}
