//! `saker top`: a live view of a running agent.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Instant;

use serde_json::Value;

use crate::args::TopArgs;
use crate::printing::{print, reader_is_gone};
use crate::{client, table};

/// What is shown of a fault.
const FAULT_CHARS: usize = 60;

/// Clears the screen and goes to its first place.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub fn top(args: &TopArgs) -> anyhow::Result<()> {
    crate::runtime()?.block_on(async {
        let mut before: Option<AgentSnapshot> = None;
        let mut times = 0;
        loop {
            let look = AgentSnapshot {
                at: Instant::now(),
                about: client::get(&args.client, "/").await?,
                plugins: client::get(&args.client, "/saker/v1/plugins").await?,
                routes: client::get(&args.client, "/saker/v1/routes").await?,
            };
            let mut screen = String::new();
            if std::io::stdout().is_terminal() {
                screen.push_str(CLEAR);
            }
            screen.push_str(&look.render(before.as_ref()));
            print(format_args!("{screen}"))?;
            before = Some(look);
            times += 1;
            if times == args.times || reader_is_gone() {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(args.interval) => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    })
}

/// What the agent said at one time.
struct AgentSnapshot {
    at: Instant,
    about: Value,
    plugins: Value,
    routes: Value,
}

impl AgentSnapshot {
    fn render(&self, before: Option<&Self>) -> String {
        let about = &self.about;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut screen = format!(
            "saker {} on {}, up {} s\n\n",
            text(&about["version"]),
            text(&about["endpoint"]),
            about["uptime_s"]
        );
        let seconds = before.map(|before| self.at.duration_since(before.at).as_secs_f64());
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
        screen.push_str(&table::render(&rows));
        let destinations = list(&self.routes["destinations"]);
        if !destinations.is_empty() {
            let headings = ["destination", "backend", "points/s", "delivered", "queued", "dropped", "error"];
            let mut rows = vec![headings.map(String::from).to_vec()];
            let earlier = before.map(|before| by_name(&before.routes["destinations"])).unwrap_or_default();
            for now in destinations {
                let dropped: u64 =
                    now["dropped"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
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
            screen.push('\n');
            screen.push_str(&table::render(&rows));
        }
        screen
    }
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
