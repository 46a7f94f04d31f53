//! Checks settings against the JSON Schema of a plugin.
//!
//! Only the part of JSON Schema that settings need: `type`, `properties`, `required`, `additionalProperties`, `items`,
//! `enum`, `minimum`, `maximum`. Other keywords are left to the plugin itself, which has the last word in `open`.

use saker_config::{suggestion, type_of};
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use serde_json::{Map, Value};

/// Misfits that are told: whoever has mended these sees the next.
const MISFITS_MAX: usize = 20;
/// Schemas nest no deeper, whatever a plugin says.
const DEPTH_MAX: usize = 16;

/// A setting that does not fit: its path, such as `rules[0].metric`, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// Where in the settings.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

/// Everything in `settings` that does not fit `schema`.
#[must_use]
pub fn check(schema: &Value, settings: &Map<String, Value>) -> Vec<SettingsError> {
    let mut misfits = Vec::new();
    check_object(schema, settings, "", 0, &mut misfits);
    misfits.truncate(MISFITS_MAX);
    // A plugin has chosen what may stand here, and how much of it.
    misfits.iter_mut().for_each(|misfit| misfit.what = clean(&misfit.what, MESSAGE_BYTES_MAX));
    misfits
}

// No message repeats a value but a number that is too small or too large: a password may stand in the wrong place.
fn check_value(schema: &Value, value: &Value, path: &str, depth: usize, misfits: &mut Vec<SettingsError>) {
    let mut wrong = |what: String| misfits.push(SettingsError { path: path.to_owned(), what });
    if depth > DEPTH_MAX {
        return;
    }
    if let Some(wanted) = schema["type"].as_str()
        && !is_a(value, wanted)
    {
        return wrong(format!("expected {}, found {}", in_words(wanted), type_of(value)));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<_> = allowed.iter().map(Value::to_string).collect();
        return wrong(format!("expected one of {}, found another value", allowed.join(", ")));
    }
    if let Some(number) = value.as_f64() {
        if let Some(minimum) = schema["minimum"].as_f64().filter(|&minimum| number < minimum) {
            wrong(format!("must be at least {minimum}, found {value}"));
        }
        if let Some(maximum) = schema["maximum"].as_f64().filter(|&maximum| number > maximum) {
            wrong(format!("must be at most {maximum}, found {value}"));
        }
    }
    match value {
        Value::Array(items) if schema["items"].is_object() => {
            for (index, item) in items.iter().enumerate() {
                check_value(&schema["items"], item, &format!("{path}[{index}]"), depth + 1, misfits);
            }
        }
        Value::Object(fields) => check_object(schema, fields, path, depth, misfits),
        _ => {}
    }
}

fn check_object(
    schema: &Value,
    fields: &Map<String, Value>,
    path: &str,
    depth: usize,
    misfits: &mut Vec<SettingsError>,
) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            misfits.push(SettingsError {
                path: path.to_owned(),
                what: format!("{name} is missing, and it has no default"),
            });
        }
    }
    for (name, value) in fields {
        match (properties.get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => check_value(schema, value, &below(name), depth + 1, misfits),
            (None, Value::Bool(false)) => {
                let near = suggestion(name, properties.keys().map(String::as_str));
                misfits.push(SettingsError { path: below(name), what: format!("there is no such setting{near}") });
            }
            (None, schema @ Value::Object(_)) => check_value(schema, value, &below(name), depth + 1, misfits),
            _ => {}
        }
    }
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match wanted {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn in_words(wanted: &str) -> &str {
    match wanted {
        "string" => "text in quotes",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn misfits(settings: Value) -> Vec<String> {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["url"],
            "properties": {
                "url": {"type": "string"},
                "format": {"type": "string", "enum": ["json", "influx"]},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "rules": {"type": "array", "items": {
                    "type": "object", "additionalProperties": false, "properties": {"drop": {"type": "boolean"}},
                }},
                "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        });
        let Value::Object(settings) = settings else { panic!("not an object") };
        check(&schema, &settings).into_iter().map(|misfit| format!("{}: {}", misfit.path, misfit.what)).collect()
    }

    #[test]
    fn what_a_schema_makes_of_settings_is_short_and_plain() {
        let names: Vec<_> = (0..1000).map(|number| format!("k{number}")).collect();
        let many = check(&json!({"required": names}), &Map::new());
        assert_eq!(many.len(), MISFITS_MAX);
        let schema = json!({"properties": {"a": {"enum": vec!["\u{202e}\u{9b}2J"; 10_000]}}});
        let Value::Object(settings) = json!({"a": "b"}) else { panic!("not an object") };
        let what = &check(&schema, &settings)[0].what;
        assert!(what.len() < 2 * MESSAGE_BYTES_MAX && saker_model::text::is_clean(what), "{what}");
    }

    #[test]
    fn what_fits_is_left_alone() {
        let settings =
            json!({"url": "u", "format": "json", "port": 80, "rules": [{"drop": true}], "headers": {"a": "b"}});
        assert!(misfits(settings).is_empty());
    }

    #[test]
    fn every_misfit_is_named_with_its_place() {
        let found = misfits(json!({
            "fromat": "json", "format": "xml", "port": 0, "rules": [{"drop": 1}, {"dorp": true}], "headers": {"a": 1},
        }));
        for expected in [
            ": url is missing, and it has no default",
            "fromat: there is no such setting; did you mean \"format\"?",
            "format: expected one of \"json\", \"influx\", found another value",
            "port: must be at least 1, found 0",
            "rules[0].drop: expected true or false, found a whole number",
            "rules[1].dorp: there is no such setting; did you mean \"drop\"?",
            "headers.a: expected text in quotes, found a whole number",
        ] {
            assert!(found.iter().any(|found| found == expected), "{expected} in {found:#?}");
        }
        assert_eq!(found.len(), 7);
    }
}
