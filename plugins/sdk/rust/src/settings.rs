//! Settings: declared once, with their defaults and documentation, and known to the agent as a JSON Schema.
//!
//! ```
//! saker_sdk::settings! {
//!     /// Settings of the example.
//!     pub struct Example {
//!         /// Where to send. Has no default, so the operator must give it.
//!         pub url: String,
//!         /// How many at once.
//!         pub batch: u32 = 100,
//!     }
//! }
//!
//! let settings: Example = saker_sdk::settings::parse(r#"{"url": "http://h/"}"#).unwrap();
//! assert_eq!((settings.url.as_str(), settings.batch), ("http://h/", 100));
//! ```

use std::collections::BTreeMap;

pub use serde_json;
use serde_json::{Map, Value, json};

use crate::bindings::types::{Description, OpenError};

/// One value that can stand in settings.
pub trait Setting: Sized {
    /// Its JSON Schema.
    fn schema() -> Value;

    /// Reads it.
    ///
    /// # Errors
    /// Says what was expected; the caller adds where.
    fn read(value: &Value) -> Result<Self, String>;

    /// Writes it, for the defaults in the schema.
    fn to_json(&self) -> Value;
}

/// All settings of a plugin: an object. Made by [`settings!`](crate::settings!).
pub trait Settings: Setting {}

/// A plugin without settings.
impl Setting for () {
    fn schema() -> Value {
        json!({"type": "object", "properties": {}, "additionalProperties": false})
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value.as_object() {
            Some(fields) if fields.is_empty() => Ok(()),
            _ => Err("expected an empty table".into()),
        }
    }

    fn to_json(&self) -> Value {
        json!({})
    }
}

impl Settings for () {}

/// Reads a plugin's settings from the JSON that the agent hands over.
///
/// # Errors
/// [`OpenError::Settings`], naming the setting and what to write.
pub fn parse<S: Settings>(settings: &str) -> Result<S, OpenError> {
    let value = serde_json::from_str(settings).map_err(|error| OpenError::Settings(error.to_string()))?;
    S::read(&value).map_err(OpenError::Settings)
}

#[doc(hidden)]
#[must_use]
pub fn with_schema<S: Settings>(mut description: Description) -> Description {
    description.settings_schema = S::schema().to_string();
    description
}

#[doc(hidden)]
pub fn field<T: Setting>(fields: &Map<String, Value>, name: &str, default: Option<fn() -> T>) -> Result<T, String> {
    match (fields.get(name), default) {
        (Some(value), _) => T::read(value).map_err(|error| format!("{name}: {error}")),
        (None, Some(default)) => Ok(default()),
        (None, None) => Err(format!("{name}: missing, and it has no default")),
    }
}

#[doc(hidden)]
pub fn property<T: Setting>(docs: &[&str], default: Option<fn() -> T>) -> Value {
    let mut schema = T::schema();
    let text = docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    if !text.is_empty() {
        schema["description"] = text.into();
    }
    if let Some(default) = default {
        schema["default"] = default().to_json();
    }
    schema
}

#[doc(hidden)]
pub fn unknown(fields: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{key}: no such setting; there is {}", known.join(", "))),
        None => Ok(()),
    }
}

impl Setting for bool {
    fn schema() -> Value {
        json!({"type": "boolean"})
    }

    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("expected true or false, found {value}"))
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl Setting for String {
    fn schema() -> Value {
        json!({"type": "string"})
    }

    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().map(Self::from).ok_or_else(|| format!("expected a string, found {value}"))
    }

    fn to_json(&self) -> Value {
        self.as_str().into()
    }
}

impl Setting for u32 {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
    }

    fn read(value: &Value) -> Result<Self, String> {
        value
            .as_u64()
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| format!("expected a whole number from 0 to {}, found {value}", Self::MAX))
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl Setting for f64 {
    fn schema() -> Value {
        json!({"type": "number"})
    }

    fn read(value: &Value) -> Result<Self, String> {
        value.as_f64().ok_or_else(|| format!("expected a number, found {value}"))
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl<T: Setting> Setting for Option<T> {
    fn schema() -> Value {
        T::schema()
    }

    fn read(value: &Value) -> Result<Self, String> {
        T::read(value).map(Some)
    }

    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_json)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }

    fn read(value: &Value) -> Result<Self, String> {
        let items = value.as_array().ok_or_else(|| format!("expected a list, found {value}"))?;
        items
            .iter()
            .enumerate()
            .map(|(index, item)| T::read(item).map_err(|error| format!("item {index}: {error}")))
            .collect()
    }

    fn to_json(&self) -> Value {
        self.iter().map(T::to_json).collect()
    }
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }

    fn read(value: &Value) -> Result<Self, String> {
        let fields = value.as_object().ok_or_else(|| format!("expected a table, found {value}"))?;
        fields
            .iter()
            .map(|(key, item)| Ok((key.clone(), T::read(item).map_err(|error| format!("{key}: {error}"))?)))
            .collect()
    }

    fn to_json(&self) -> Value {
        self.iter().map(|(key, item)| (key.clone(), item.to_json())).collect::<Map<_, _>>().into()
    }
}

/// Declares settings: a struct whose fields may have a default, or an enum whose variants are written as strings.
///
/// A field's documentation becomes its description in the schema. A field without a default must be given, unless it
/// is an `Option`, whose default is written `= None`. See the [module](mod@crate::settings) for an example.
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $about:literal])*
        $visibility:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $field_visibility:vis $field:ident : $type:ty $(= $default:expr)?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        $visibility struct $name {
            $( $(#[doc = $doc])* $field_visibility $field: $type, )*
        }

        impl $crate::settings::Setting for $name {
            fn schema() -> $crate::settings::serde_json::Value {
                let mut properties = $crate::settings::serde_json::Map::new();
                let mut required: ::std::vec::Vec<&str> = ::std::vec::Vec::new();
                $(
                    let default: ::std::option::Option<fn() -> $type> = $crate::settings!(@default $($default)?);
                    if default.is_none() {
                        required.push(stringify!($field));
                    }
                    properties.insert(
                        stringify!($field).into(),
                        $crate::settings::property::<$type>(&[$($doc),*], default),
                    );
                )*
                $crate::settings::serde_json::json!({
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }

            fn read(
                value: &$crate::settings::serde_json::Value,
            ) -> ::std::result::Result<Self, ::std::string::String> {
                let fields = value.as_object().ok_or_else(|| ::std::format!("expected a table, found {value}"))?;
                $crate::settings::unknown(fields, &[$(stringify!($field)),*])?;
                Ok(Self {
                    $(
                        $field: $crate::settings::field::<$type>(
                            fields,
                            stringify!($field),
                            $crate::settings!(@default $($default)?),
                        )?,
                    )*
                })
            }

            fn to_json(&self) -> $crate::settings::serde_json::Value {
                let mut fields = $crate::settings::serde_json::Map::new();
                $( fields.insert(stringify!($field).into(), $crate::settings::Setting::to_json(&self.$field)); )*
                fields.into()
            }
        }

        impl $crate::settings::Settings for $name {}
    };
    (
        $(#[doc = $about:literal])*
        $visibility:vis enum $name:ident {
            $( $(#[doc = $doc:literal])* $variant:ident = $text:literal ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name {
            $( $(#[doc = $doc])* $variant, )*
        }

        impl $crate::settings::Setting for $name {
            fn schema() -> $crate::settings::serde_json::Value {
                $crate::settings::serde_json::json!({"type": "string", "enum": [$($text),*]})
            }

            fn read(
                value: &$crate::settings::serde_json::Value,
            ) -> ::std::result::Result<Self, ::std::string::String> {
                match value.as_str() {
                    $( Some($text) => Ok(Self::$variant), )*
                    _ => Err(::std::format!("expected one of {}, found {value}", [$($text),*].join(", "))),
                }
            }

            fn to_json(&self) -> $crate::settings::serde_json::Value {
                match self { $( Self::$variant => $text.into(), )* }
            }
        }
    };
    (@default) => { ::std::option::Option::None };
    (@default $default:expr) => { ::std::option::Option::Some(|| $default) };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::settings! {
        /// How to write.
        enum Form { Json = "json", Influx = "influx" }
    }

    crate::settings! {
        /// All kinds of settings.
        struct Sample {
            /// Where to.
            url: String,
            /// How many,
            /// at the most.
            most: u32 = 7,
            form: Form = Form::Json,
            names: Vec<String> = Vec::new(),
            limit: Option<f64> = None,
        }
    }

    fn error(json: &str) -> String {
        match parse::<Sample>(json) {
            Err(OpenError::Settings(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_fill_what_is_left_out() {
        let sample: Sample = parse(r#"{"url": "u", "names": ["a"], "limit": 0.5}"#).unwrap();
        assert_eq!((sample.url.as_str(), sample.most, sample.form), ("u", 7, Form::Json));
        assert_eq!((sample.names, sample.limit), (vec!["a".to_owned()], Some(0.5)));
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_to_write() {
        assert_eq!(error("{}"), "url: missing, and it has no default");
        assert_eq!(error(r#"{"url": 1}"#), "url: expected a string, found 1");
        assert_eq!(error(r#"{"url": "u", "form": "xml"}"#), "form: expected one of json, influx, found \"xml\"");
        assert_eq!(error(r#"{"url": "u", "names": ["a", 2]}"#), "names: item 1: expected a string, found 2");
        assert_eq!(
            error(r#"{"url": "u", "mots": 1}"#),
            "mots: no such setting; there is url, most, form, names, limit"
        );
    }

    #[test]
    fn the_schema_tells_types_defaults_and_documentation() {
        let schema = Sample::schema();
        assert_eq!(schema["required"], json!(["url"]));
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["properties"]["most"]["default"], json!(7));
        assert_eq!(schema["properties"]["most"]["description"], json!("How many, at the most."));
        assert_eq!(schema["properties"]["form"]["enum"], json!(["json", "influx"]));
    }
}
