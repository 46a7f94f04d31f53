//! The cases of every kind: what a plugin says of itself, and how it takes settings.

use std::time::Duration;

use saker_sandbox::{Backend, CallError, Collector, CustomMetric, InstanceSpec, PluginFault, PluginKind, Processor};
use serde_json::{Map, Value, json};

use crate::report::{CaseFailure, CaseResult, ConformanceReport, failed, skipped};
use crate::schema;
use crate::subject::TestSubject;

/// Bytes of a schema: what is longer than any known one by far.
const SCHEMA_BYTES_MAX: usize = 64 << 10;
/// Memory is looked at after each of so many rounds of calls.
const ROUNDS: usize = 3;
/// How long a round may take: a guest in a slow language makes fewer calls in it.
const ROUND_TIME: Duration = Duration::from_secs(3);
/// Calls of a round: a guest that forgets a hundred bytes in each call grows by a page of 64 KiB or more.
const ROUND_CALLS: usize = 700;

pub(crate) async fn before(subject: &TestSubject<'_>, report: &mut ConformanceReport) {
    report.run("describe says the same in every call and in every instance", describe_is_stable(subject)).await;
    report.add("describe says what an operator needs", describe_is_complete(subject));
    report.add("the settings schema is sound JSON Schema", schema_is_sound(subject));
    report.add("the defaults fit the settings schema", defaults_fit(subject));
    report.run("it opens with its defaults, or names the setting that is missing", defaults_open(subject)).await;
    report.run("settings of the wrong type are rejected by name, without a trap", wrong_types(subject)).await;
}

/// What can only be seen when everything else is done.
pub(crate) fn after(subject: &TestSubject<'_>, report: &mut ConformanceReport) {
    report.add("the names and values of its own metrics are usable", own_metrics(subject));
}

async fn describe_is_stable(subject: &TestSubject<'_>) -> CaseResult {
    let first = subject.description();
    for instance in 1..=2 {
        let again = subject.plugin.describe_again(subject.sandbox, 2).await;
        let again = again.map_err(|error| {
            failed(format!("the next time it failed: {error}"), "let describe depend on nothing that changes")
        })?;
        if let Some(other) = again.iter().find(|other| *other != first) {
            return Err(failed(
                format!("it said {:?} first, and {:?} in instance {instance} after it", brief(first), brief(other)),
                "let describe depend on nothing: no clock, no random number, no earlier call",
            ));
        }
    }
    Ok("asked 5 times in 3 instances without any grant".into())
}

/// A description in one line; long ones differ in their schema, mostly.
fn brief(description: &saker_sandbox::Description) -> String {
    let text = format!(
        "{} {}: {}; {}",
        description.name, description.version, description.summary, description.settings_schema
    );
    text.chars().take(200).collect()
}

fn describe_is_complete(subject: &TestSubject<'_>) -> CaseResult {
    let description = subject.description();
    let unsaid = |what: &str| failed(format!("it has no {what}"), format!("say it in describe: {what}"));
    if description.version.trim().is_empty() {
        return Err(unsaid("version"));
    }
    if description.summary.trim().is_empty() {
        return Err(unsaid("summary"));
    }
    if let Some(want) = description.requests.iter().find(|want| want.reason.trim().is_empty()) {
        return Err(unsaid(&format!("reason for {}", want.permission)));
    }
    Ok(format!("{} {}, {} permissions wanted", description.name, description.version, description.requests.len()))
}

fn schema_is_sound(subject: &TestSubject<'_>) -> CaseResult {
    let schema = &subject.description().settings_schema;
    let faults = schema::faults(schema);
    if !faults.is_empty() {
        return Err(failed(faults.join("; "), "write the schema by JSON Schema 2020-12, or let the SDK make it"));
    }
    let bytes = schema.to_string().len();
    if bytes > SCHEMA_BYTES_MAX {
        return Err(failed(format!("it has {bytes} bytes"), format!("keep it below {SCHEMA_BYTES_MAX}")));
    }
    Ok(format!("{} settings, {} of them required", properties(schema).count(), schema::required(schema).len()))
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn defaults_fit(subject: &TestSubject<'_>) -> CaseResult {
    let schema = &subject.description().settings_schema;
    let defaults = schema::defaults(schema);
    // What is required has no default, and is no fault here.
    let mut free = schema.clone();
    if let Some(fields) = free.as_object_mut() {
        fields.remove("required");
    }
    let misfits = (subject.options.misfits)(&free, &defaults);
    if !misfits.is_empty() {
        return Err(failed(misfits.join("; "), "give defaults that the schema allows"));
    }
    Ok(format!("{} defaults", defaults.len()))
}

async fn defaults_open(subject: &TestSubject<'_>) -> CaseResult {
    let schema = &subject.description().settings_schema;
    let required = schema::required(schema);
    match open_and_close(subject, &subject.spec(&Map::new())).await {
        Ok(()) if required.is_empty() => Ok("it opens with {} and closes".into()),
        Ok(()) => Ok(format!("it opens with {{}}, though it requires {}", required.join(", "))),
        Err(CallError::Plugin(PluginFault::Settings(what))) => {
            let names: Vec<_> = properties(schema).map(|(name, _)| name.as_str()).collect();
            if names.iter().any(|name| what.contains(name)) {
                return Ok(format!("it says: {what}"));
            }
            Err(failed(format!("it says {what:?}"), format!("name the setting: one of {}", names.join(", "))))
        }
        Err(CallError::Denied(denied)) => Ok(format!("it says: {denied}")),
        Err(error) => Err(subject.miss(&error, &subject.spec(&Map::new()))),
    }
}

async fn wrong_types(subject: &TestSubject<'_>) -> CaseResult {
    let schema = &subject.description().settings_schema;
    let mut rejected = 0;
    let mut taken = Vec::new();
    for (name, property) in properties(schema) {
        let Some(wrong) = wrong_value(property) else { continue };
        let mut settings = subject.settings();
        settings.insert(name.clone(), wrong.clone());
        let spec = subject.spec(&settings);
        match open_and_close(subject, &spec).await {
            Err(CallError::Plugin(PluginFault::Settings(what))) if what.contains(name.as_str()) => rejected += 1,
            Err(CallError::Plugin(PluginFault::Settings(what))) => {
                return Err(failed(format!("{name} = {wrong}: it says {what:?}"), "name the setting in the error"));
            }
            Err(error @ CallError::Killed(_)) => {
                return Err(failed(format!("{name} = {wrong}: {error}"), "return a settings error that names it"));
            }
            // The agent's own check against the schema comes before, so it does no harm.
            Ok(()) | Err(_) => taken.push(name.as_str()),
        }
    }
    if rejected == 0 && taken.is_empty() {
        return Err(skipped("no setting has a type that something else could stand for"));
    }
    let left = if taken.is_empty() { String::new() } else { format!("; left to the schema: {}", taken.join(", ")) };
    Ok(format!("{rejected} rejected by name{left}"))
}

/// A value that a property's type forbids.
fn wrong_value(property: &Value) -> Option<Value> {
    match property["type"].as_str()? {
        "string" => Some(json!(7)),
        "integer" | "number" | "boolean" | "array" | "object" => Some(json!("kit")),
        _ => None,
    }
}

/// Opens an instance of any kind, and closes it if that went well.
async fn open_and_close(subject: &TestSubject<'_>, spec: &InstanceSpec) -> Result<(), CallError> {
    let (sandbox, plugin) = (subject.sandbox, subject.plugin);
    match plugin.kind() {
        PluginKind::Collector => Collector::open(sandbox, plugin, spec).await?.close().await,
        PluginKind::Processor => Processor::open(sandbox, plugin, spec).await?.close().await,
        PluginKind::Backend => Backend::open(sandbox, plugin, spec).await?.close().await,
    }
}

fn own_metrics(subject: &TestSubject<'_>) -> CaseResult {
    let custom_metrics = subject.custom_metrics.all();
    if subject.custom_metrics.rejected() > 0 {
        return Err(failed(
            format!("{} had names that were not kept: too long, empty, or too many", subject.custom_metrics.rejected()),
            "use few, short names; what varies belongs into samples",
        ));
    }
    for (name, figure) in &custom_metrics {
        let (CustomMetric::Counter(value) | CustomMetric::Gauge(value)) = *figure;
        if name.chars().any(char::is_control) || name.trim() != name {
            return Err(failed(format!("{name:?} has a control character or a space at its end"), "use plain words"));
        }
        if !value.is_finite() {
            return Err(failed(format!("{name} is {value}"), "set gauges to finite numbers"));
        }
    }
    if custom_metrics.is_empty() {
        Ok("it has none".into())
    } else {
        Ok(custom_metrics.into_keys().collect::<Vec<_>>().join(", "))
    }
}

/// Calls over and over, and looks whether memory grows without end. `call` makes one call; answers its memory then.
pub(crate) async fn memory_settles<E>(
    spec: &InstanceSpec,
    miss: impl Fn(&E) -> CaseFailure,
    mut call: impl AsyncFnMut() -> Result<(), E>,
) -> CaseResult {
    let mut memory = Vec::new();
    let mut calls = 0;
    for _ in 0..=ROUNDS {
        let start = std::time::Instant::now();
        for _ in 0..ROUND_CALLS {
            call().await.map_err(|error| miss(&error))?;
            calls += 1;
            if start.elapsed() > ROUND_TIME {
                break;
            }
        }
        memory.push(spec.meters.memory_bytes());
    }
    let kib: Vec<_> = memory.iter().map(|bytes| (bytes / 1024).to_string()).collect();
    // The first round fills caches and buffers.
    if memory[1..].windows(2).all(|pair| pair[1] > pair[0]) {
        return Err(failed(
            format!("it grew in every round of calls, after {calls} calls in all: {} KiB", kib.join(", ")),
            "give back what a call has taken, and bound what is kept between calls",
        ));
    }
    Ok(format!("{} KiB after {calls} calls", kib[ROUNDS]))
}
