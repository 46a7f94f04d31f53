//! A plugin's settings schema: whether it is one, and settings made up from it.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

/// The dialect that plugins write their schemas in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Schemas nest no deeper; the agent looks no deeper either.
const DEPTH_MAX: usize = 16;
/// JSON Schema's types.
const TYPES: [&str; 7] = ["string", "boolean", "integer", "number", "array", "object", "null"];
/// Settings that name where points go, the likeliest first.
const ADDRESS_KEYS: [&str; 9] =
    ["url", "urls", "address", "addresses", "server", "servers", "brokers", "host", "endpoint"];

/// Everything that makes the schema unsound: the place, and what is wrong there.
pub(crate) fn faults(schema: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(dialect) = schema.get("$schema")
        && dialect != DIALECT
    {
        faults.push(format!("$schema: {dialect}; leave it out, or write \"{DIALECT}\""));
    }
    if schema.get("type").is_some_and(|kind| kind != "object") {
        faults.push(format!("type: {}; settings are an object", schema["type"]));
    }
    check(schema, "", 0, &mut faults);
    faults
}

fn check(schema: &Value, place: &str, depth: usize, faults: &mut Vec<String>) {
    let at = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    if depth > DEPTH_MAX {
        return faults.push(format!("{place}: it nests deeper than {DEPTH_MAX}"));
    }
    let Some(fields) = schema.as_object() else {
        if !schema.is_boolean() {
            faults.push(format!("{place}: a schema is an object, true or false, found {schema}"));
        }
        return;
    };
    for (key, value) in fields {
        let expected = match key.as_str() {
            "type" if !is_type(value) => "one of JSON's types, or a list of them",
            "properties" if !value.is_object() => "an object",
            "required" if !texts(value).is_some_and(|names| is_unique(&names)) => "a list of names, each once",
            "enum" if value.as_array().is_none_or(Vec::is_empty) => "a list that is not empty",
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" if !value.is_number() => {
                "a number"
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" if !value.is_u64() => "a whole number",
            "description" | "title" | "pattern" | "format" | "$ref" if !value.is_string() => "text",
            _ => continue,
        };
        faults.push(format!("{}: expected {expected}, found {value}", at(key)));
    }
    if let (Some(low), Some(high)) = (schema["minimum"].as_f64(), schema["maximum"].as_f64())
        && low > high
    {
        faults.push(format!("{}: {low} is more than the maximum {high}", at("minimum")));
    }
    let properties = schema["properties"].as_object();
    let named = texts(&schema["required"]).filter(|names| is_unique(names));
    if let (Some(required), Some(properties), false) = (named, properties, schema["additionalProperties"].is_object()) {
        for name in required.iter().filter(|name| !properties.contains_key(**name)) {
            faults.push(format!("{}: {name:?} is not among the properties", at("required")));
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        check(property, &at(&format!("properties.{name}")), depth + 1, faults);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            check(inner, &at(key), depth + 1, faults);
        }
    }
}

fn is_type(value: &Value) -> bool {
    let known = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    known(value) || value.as_array().is_some_and(|names| !names.is_empty() && names.iter().all(known))
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

fn is_unique(names: &[&str]) -> bool {
    names.iter().enumerate().all(|(place, name)| !names[..place].contains(name))
}

/// The settings that the schema's defaults make. A default of null says that there is none.
pub(crate) fn defaults(schema: &Value) -> Map<String, Value> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .filter_map(|(name, property)| {
            Some((name.clone(), property.get("default").filter(|default| !default.is_null())?.clone()))
        })
        .collect()
}

/// The settings that have to be given.
pub(crate) fn required(schema: &Value) -> Vec<&str> {
    texts(&schema["required"]).unwrap_or_default()
}

/// Makes up what has to be given and is not.
pub(crate) fn fill(schema: &Value, settings: &mut Map<String, Value>) {
    for name in required(schema) {
        if !settings.contains_key(name) {
            settings.insert(name.to_owned(), made_up(name, &schema["properties"][name]));
        }
    }
}

fn made_up(name: &str, property: &Value) -> Value {
    // Nobody listens there: it stands in a setting that nothing follows.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    if ADDRESS_KEYS.contains(&name)
        && let Some(value) = address_value(name, property, &Value::Null, nowhere)
    {
        return value;
    }
    if let Some(first) = property.get("default").or_else(|| property["enum"].as_array().and_then(|all| all.first())) {
        return first.clone();
    }
    match property["type"].as_str() {
        Some("integer") => json!(property["minimum"].as_i64().unwrap_or(1)),
        Some("number") => json!(property["minimum"].as_f64().unwrap_or(1.0)),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("kit"),
    }
}

/// Leads settings to `address`. False if no setting says where points go.
pub(crate) fn place(schema: &Value, settings: &mut Map<String, Value>, address: SocketAddr) -> bool {
    if settings.values_mut().map(|value| placeholder(value, address)).sum::<usize>() > 0 {
        return true;
    }
    let mut placed = false;
    let properties = &schema["properties"];
    for key in ADDRESS_KEYS {
        let Some(property) = properties.get(key) else { continue };
        let before = settings.get(key).unwrap_or(&Value::Null);
        if let Some(value) = address_value(key, property, before, address) {
            settings.insert(key.to_owned(), value);
            placed = true;
            break;
        }
    }
    if placed && properties["port"].is_object() {
        settings.insert("port".into(), json!(address.port()));
    }
    placed
}

/// Puts the address in place of `{kit}`, wherever that stands; answers in how many texts it stood.
fn placeholder(value: &mut Value, address: SocketAddr) -> usize {
    match value {
        Value::String(text) if text.contains("{kit}") => {
            *text = text.replace("{kit}", &address.to_string());
            1
        }
        Value::Array(items) => items.iter_mut().map(|item| placeholder(item, address)).sum(),
        Value::Object(fields) => fields.values_mut().map(|field| placeholder(field, address)).sum(),
        _ => 0,
    }
}

fn address_value(key: &str, property: &Value, before: &Value, address: SocketAddr) -> Option<Value> {
    let text = |example: Option<&str>| match example.and_then(|text| text.split_once("://")) {
        Some((scheme, rest)) => {
            // The kit's servers speak no TLS.
            let scheme = if scheme == "https" { "http" } else { scheme };
            let (user, rest) = rest.split_once('@').map_or(("", rest), |(user, rest)| (user, rest));
            let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
            let at = if user.is_empty() { "" } else { "@" };
            format!("{scheme}://{user}{at}{address}{path}")
        }
        None if key.starts_with("url") => format!("http://{address}/kit"),
        None if key == "host" => address.ip().to_string(),
        None => address.to_string(),
    };
    let example = |value: &Value| value.as_str().map(str::to_owned);
    let known = example(before).or_else(|| example(&property["default"]));
    match property["type"].as_str() {
        Some("array") => {
            let first = before.get(0).or_else(|| property["default"].get(0)).and_then(Value::as_str);
            Some(json!([text(first)]))
        }
        Some("string") | None => Some(json!(text(known.as_deref()))),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(schema: &Value, given: Value) -> Value {
        let Value::Object(mut settings) = given else { panic!("not an object") };
        fill(schema, &mut settings);
        assert!(place(schema, &mut settings, ([127, 0, 0, 1], 4000).into()));
        Value::Object(settings)
    }

    #[test]
    fn a_sound_schema_has_no_faults() {
        let schema = json!({"$schema": DIALECT, "type": "object", "additionalProperties": false, "required": ["url"],
            "properties": {"url": {"type": "string", "description": "where"}, "n": {"type": ["integer", "null"]}}});
        assert_eq!(faults(&schema), Vec::<String>::new());
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let schema = json!({"type": "array", "required": ["a", "a"], "properties": {
            "b": {"type": "text", "enum": []}, "c": {"type": "integer", "minimum": 5, "maximum": 1}, "d": 7,
            "e": {"type": "array", "items": {"type": "number", "minimum": "1"}},
        }});
        let found = faults(&schema);
        for place in [
            "type: ",
            "required: ",
            "properties.b.type: ",
            "properties.b.enum: ",
            "properties.c.minimum: ",
            "properties.d: ",
            "properties.e.items.minimum: ",
        ] {
            assert!(found.iter().any(|fault| fault.starts_with(place)), "{place} in {found:#?}");
        }
        assert_eq!(found.len(), 7, "{found:#?}");
        assert_eq!(faults(&json!({"required": ["a"], "properties": {}})).len(), 1);
    }

    #[test]
    fn settings_lead_to_the_kits_server() {
        let url = json!({"required": ["url", "bucket", "n"], "properties": {"url": {"type": "string"},
            "bucket": {"type": "string"}, "n": {"type": "integer", "minimum": 3}}});
        let expected = json!({"url": "http://127.0.0.1:4000/kit", "bucket": "kit", "n": 3});
        assert_eq!(settings(&url, json!({})), expected);
        let given = json!({"url": "https://me:pw@db.example:443/a?b=c"});
        assert_eq!(settings(&url, given)["url"], "http://me:pw@127.0.0.1:4000/a?b=c");
        let brokers = json!({"properties": {"brokers": {"type": "array", "default": ["x:1"]}}});
        assert_eq!(settings(&brokers, json!({})), json!({"brokers": ["127.0.0.1:4000"]}));
        let host = json!({"properties": {"host": {"type": "string"}, "port": {"type": "integer"}}});
        assert_eq!(settings(&host, json!({})), json!({"host": "127.0.0.1", "port": 4000}));
        let nats = json!({"properties": {"url": {"type": "string", "default": "nats://localhost:4222"}}});
        assert_eq!(settings(&nats, json!({})), json!({"url": "nats://127.0.0.1:4000"}));
        assert_eq!(settings(&json!({}), json!({"to": ["tcp://{kit}"]})), json!({"to": ["tcp://127.0.0.1:4000"]}));
    }
}
