//! What a new version of a plugin asks more or less than the old, from what both say of themselves.

use std::collections::BTreeSet;

use saker_sandbox::Plugin;
use serde_json::{Map, Value, json};

use crate::schema;

/// Interfaces that lead out of the sandbox, where they are granted.
const OUTWARD: [&str; 4] = ["wasi:http/", "wasi:sockets/", "wasi:filesystem/", "saker:plugin/statfs"];

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it means for the operator.
    pub weight: Severity,
    /// What is different, such as `permission`.
    pub what: &'static str,
    /// The difference in words.
    pub words: String,
}

/// What a difference means for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The new one asks for more, or no longer takes what the old one took: somebody has to decide.
    More,
    /// It asks for less.
    Less,
    /// It is only different.
    Other,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Less => "less",
            Self::Other => "other",
        }
    }
}

impl Difference {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"weight": self.weight.as_str(), "what": self.what, "words": self.words})
    }
}

/// Everything in which two versions differ, what asks more first.
#[must_use]
pub fn diff(old: &Plugin, new: &Plugin) -> Vec<Difference> {
    let mut changes = Vec::new();
    let mut add = |weight, what, words: String| changes.push(Difference { weight, what, words });
    let differ = |old: &str, new: &str| (old != new).then(|| format!("{old} → {new}"));
    let (before, after) = (old.description(), new.description());
    if let Some(words) = differ(old.kind().as_str(), new.kind().as_str()) {
        add(Severity::More, "kind", words);
    }
    if let Some(words) = differ(&before.name, &after.name) {
        add(Severity::Other, "name", words);
    }
    if let Some(words) = differ(&before.version, &after.version) {
        add(Severity::Other, "version", words);
    }
    if let Some(words) = differ(old.contract(), new.contract()) {
        add(Severity::Other, "contract", words);
    }
    let lines = |plugin: &Plugin| -> BTreeSet<String> {
        plugin.description().requests.iter().map(|want| want.permission.grant_line()).collect()
    };
    let (old_lines, new_lines) = (lines(old), lines(new));
    for want in after.requests.iter().filter(|want| !old_lines.contains(&want.permission.grant_line())) {
        add(Severity::More, "permission", format!("requests {}  # {}", want.permission.grant_line(), want.reason));
    }
    for line in old_lines.difference(&new_lines) {
        add(Severity::Less, "permission", format!("no longer requests {line}"));
    }
    settings(&before.settings_schema, &after.settings_schema, &mut add);
    if before.default_interval_ms != after.default_interval_ms {
        let words = |interval: Option<u32>| interval.map_or("the agent's".into(), |ms| format!("{ms} ms"));
        let change = format!("{} → {}", words(before.default_interval_ms), words(after.default_interval_ms));
        add(Severity::Other, "interval", change);
    }
    imports(old.imports(), new.imports(), &mut add);
    if old.size() != new.size() {
        add(Severity::Other, "size", format!("{} → {} bytes", old.size(), new.size()));
    }
    if old.hash() != new.hash() {
        add(Severity::Other, "hash", format!("{} → {}", old.hash().short(), new.hash().short()));
    }
    changes.sort_by_key(|change| match change.weight {
        Severity::More => 0,
        Severity::Less => 1,
        Severity::Other => 2,
    });
    changes
}

fn imports(old: &[String], new: &[String], add: &mut impl FnMut(Severity, &'static str, String)) {
    // A toolchain's next version imports the next patch version of everything, which means nothing.
    let bare = |names: &[String]| -> BTreeSet<String> {
        names.iter().map(|name| name.split('@').next().unwrap_or(name).to_owned()).collect()
    };
    let (old, new) = (bare(old), bare(new));
    let leads_out = |name: &str| OUTWARD.iter().any(|outward| name.starts_with(outward));
    for name in new.difference(&old) {
        add(if leads_out(name) { Severity::More } else { Severity::Other }, "import", format!("imports {name}"));
    }
    for name in old.difference(&new) {
        add(
            if leads_out(name) { Severity::Less } else { Severity::Other },
            "import",
            format!("no longer imports {name}"),
        );
    }
}

fn settings(old: &Value, new: &Value, add: &mut impl FnMut(Severity, &'static str, String)) {
    let none = Map::new();
    let (before, after) =
        (old["properties"].as_object().unwrap_or(&none), new["properties"].as_object().unwrap_or(&none));
    let (needed, needs) = (schema::required(old), schema::required(new));
    for (name, property) in after {
        let must = needs.contains(&name.as_str());
        match before.get(name) {
            None if must => add(Severity::More, "setting", format!("{name} is new, and has to be given")),
            None => add(Severity::Other, "setting", format!("{name} is new{}", default_of(property))),
            Some(_) if must && !needed.contains(&name.as_str()) => {
                add(Severity::More, "setting", format!("{name} has to be given now"));
            }
            Some(earlier) => changed(name, earlier, property, add),
        }
    }
    // Unknown settings are rejected, so one that has gone makes a configuration fail that names it.
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        add(Severity::More, "setting", format!("{name} is gone: take it out of the configuration"));
    }
}

fn default_of(property: &Value) -> String {
    property.get("default").map_or(String::new(), |default| format!(" = {default}"))
}

fn changed(name: &str, old: &Value, new: &Value, add: &mut impl FnMut(Severity, &'static str, String)) {
    let shown = |value: &Value| if value.is_null() { "none".to_owned() } else { value.to_string() };
    for (key, word) in [
        ("type", "type"),
        ("enum", "choices"),
        ("minimum", "minimum"),
        ("maximum", "maximum"),
        ("items", "items"),
        ("properties", "fields"),
    ] {
        if old[key] != new[key] {
            let weight = if narrows(key, &old[key], &new[key]) { Severity::More } else { Severity::Other };
            add(weight, "setting", format!("{name}: {word} {} → {}", shown(&old[key]), shown(&new[key])));
        }
    }
    if old["default"] != new["default"] {
        let words = format!("{name}: default {} → {}", shown(&old["default"]), shown(&new["default"]));
        add(Severity::Other, "setting", words);
    }
}

/// Whether values that fitted may no longer fit.
fn narrows(key: &str, old: &Value, new: &Value) -> bool {
    let number = |value: &Value, free: f64| value.as_f64().unwrap_or(free);
    match key {
        "minimum" => number(new, f64::NEG_INFINITY) > number(old, f64::NEG_INFINITY),
        "maximum" => number(new, f64::INFINITY) < number(old, f64::INFINITY),
        "enum" => match (old.as_array(), new.as_array()) {
            (Some(old), Some(new)) => !old.iter().all(|choice| new.contains(choice)),
            (None, Some(_)) => true,
            (_, None) => false,
        },
        // Whether one schema holds all of another cannot be told from a look.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(old: Value, new: Value) -> Vec<String> {
        let mut found = Vec::new();
        settings(&old, &new, &mut |weight, _, words| found.push(format!("{} {words}", weight.as_str())));
        found
    }

    #[test]
    fn settings_that_no_longer_fit_ask_more() {
        let old = json!({"properties": {"a": {"type": "string", "default": "x"}, "b": {"type": "integer", "minimum": 1},
            "c": {"enum": ["p", "q"]}, "gone": {}}});
        let new = json!({"required": ["must", "b"], "properties": {"a": {"type": "string", "default": "y"},
            "b": {"type": "integer", "minimum": 1}, "c": {"enum": ["p", "r"]}, "free": {"default": 3}, "must": {}}});
        assert_eq!(
            settings_of(old, new),
            [
                "other a: default \"x\" → \"y\"",
                "more b has to be given now",
                "more c: choices [\"p\",\"q\"] → [\"p\",\"r\"]",
                "other free is new = 3",
                "more must is new, and has to be given",
                "more gone is gone: take it out of the configuration",
            ]
        );
    }

    #[test]
    fn wider_bounds_are_no_more() {
        let old = json!({"properties": {"a": {"minimum": 1, "maximum": 5}}});
        let new = json!({"properties": {"a": {"minimum": 0, "maximum": 4}}});
        assert_eq!(settings_of(old, new), ["other a: minimum 1 → 0", "more a: maximum 5 → 4"]);
    }

    #[test]
    fn imports_count_without_their_versions() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut found = Vec::new();
        imports(
            &names(&["wasi:clocks/wall-clock@0.2.6", "wasi:sockets/tcp@0.2.6"]),
            &names(&["wasi:clocks/wall-clock@0.2.9", "wasi:http/outgoing-handler@0.2.6", "wasi:random/random@0.2.6"]),
            &mut |weight, _, words| found.push(format!("{} {words}", weight.as_str())),
        );
        assert_eq!(
            found,
            [
                "more imports wasi:http/outgoing-handler",
                "other imports wasi:random/random",
                "less no longer imports wasi:sockets/tcp"
            ]
        );
    }
}
