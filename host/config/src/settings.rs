//! A plugin's settings: a table of which only the plugin knows the keys, as the JSON that it gets.

use serde_json::{Map, Value};
use toml::de::DeValue;

use crate::{ConfigTable, FromConfig, Locations, RawValue};

/// A plugin's settings, and where each of them is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginSettings {
    /// The settings by name.
    pub values: Map<String, Value>,
    /// Their places, by path.
    pub places: Locations,
}

impl PluginSettings {
    /// Those under the key `settings` of a plugin's table.
    pub fn read(table: &mut ConfigTable<'_>) -> Self {
        let SettingsTable(values) = table.get("settings", SettingsTable::default());
        Self { values, places: Locations::below(table, "settings") }
    }
}

/// A table of settings as JSON.
#[derive(Clone, Debug, PartialEq, Default)]
struct SettingsTable(Map<String, Value>);

impl FromConfig for SettingsTable {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        let value = match given {
            RawValue::Toml(value) => to_json(value),
            RawValue::Text(text) => {
                serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))?
            }
        };
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            // What stands there may be a secret.
            other => Err(format!("expected a table, found {}", type_of(&other))),
        }
    }
}

/// The type of a setting's value, for messages: the value itself may be a secret, whatever its name is.
#[must_use]
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).map_or_else(|_| Value::from(digits), Value::from)
        }
        DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref())))
            .collect::<Map<_, _>>()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_json() {
        let toml = DeValue::parse("{ a = 1_000, b = [0x10, 1.5], c = { d = \"x\" }, e = true }").unwrap();
        let SettingsTable(fields) = SettingsTable::read(&RawValue::Toml(toml.get_ref())).unwrap();
        assert_eq!(Value::from(fields), serde_json::json!({"a": 1000, "b": [16, 1.5], "c": {"d": "x"}, "e": true}));
    }
}
