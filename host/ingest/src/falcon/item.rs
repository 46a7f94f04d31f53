//! One sample as Open-Falcon's agents send it: keys of any case, numbers as text, null as nothing. What is of
//! another type is rejected by name, for to read it as nothing would make one series of two.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use saker_model::flat::{self, Spaces};
use saker_model::text::{NAME_BYTES_MAX, clean};
use saker_model::{MetricType, Sample};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// A sample as Open-Falcon's agents send it.
#[derive(Default)]
pub(super) struct Item<'a> {
    endpoint: Scalar<'a>,
    metric: Scalar<'a>,
    value: Scalar<'a>,
    step: Scalar<'a>,
    counter_type: Scalar<'a>,
    tags: Scalar<'a>,
    timestamp: Scalar<'a>,
}

/// A number, a text that may be one, nothing, or what is none of these.
#[derive(Clone, Debug, Default)]
enum Scalar<'a> {
    #[default]
    Nothing,
    Number(f64),
    Text(Cow<'a, str>),
    Other(&'static str),
}

impl Item<'_> {
    /// The value, or what is wrong with it.
    pub(super) fn into_value(self, default_endpoint: &Arc<str>, now_ms: i64) -> Result<Sample, String> {
        let metric_type = match &*self.counter_type.text("counterType", "\"GAUGE\"")? {
            "" => MetricType::Gauge,
            name => MetricType::parse(name)
                .ok_or_else(|| format!("counterType must be GAUGE, COUNTER or DERIVE, found {}", quoted(name)))?,
        };
        let value = self.value.number("value")?.ok_or("value is missing")?;
        let step = self.step.number("step")?.unwrap_or(60.0);
        let timestamp = self.timestamp.number("timestamp")?.filter(|&seconds| seconds > 0.0);
        let tags = parse_tags(&self.tags.text("tags", "\"k=v,k2=v2\"")?)?;
        let endpoint = match &*self.endpoint.text("endpoint", "\"web-1\"")? {
            "" => default_endpoint.clone(),
            endpoint => Arc::from(endpoint),
        };
        Ok(Sample {
            endpoint,
            metric: self.metric.text("metric", "\"cpu.idle\"")?.into_owned(),
            tags,
            metric_type,
            value,
            timestamp_ms: timestamp.map_or(now_ms, |seconds| (seconds * 1000.0) as i64),
            step_s: if step >= 1.0 { step as u32 } else { 0 },
        })
    }
}

/// `k=v,k2=v2`, with spaces left out as Open-Falcon does, unless a backslash stands before them.
fn parse_tags(text: &str) -> Result<Vec<(String, String)>, String> {
    flat::parse(text, Spaces::LeaveOut)
        .map(|tag| match tag {
            Ok((key, value)) => Ok((key.into_owned(), value.into_owned())),
            Err(tag) => Err(format!("a tag must be key=value, found {}", quoted(tag))),
        })
        .collect()
}

/// A text in quotes, as much of it as a message needs.
fn quoted(text: &str) -> String {
    format!("{:?}", clean(text, NAME_BYTES_MAX))
}

impl<'a> Scalar<'a> {
    fn number(&self, name: &str) -> Result<Option<f64>, String> {
        let number = match self {
            Self::Nothing => return Ok(None),
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Other(_) => None,
        };
        number.map(Some).ok_or_else(|| format!("{name} must be a number, found {self}"))
    }

    fn text(self, name: &str, example: &str) -> Result<Cow<'a, str>, String> {
        match self {
            Self::Nothing => Ok(Cow::Borrowed("")),
            Self::Text(text) => Ok(text),
            Self::Number(number) => Ok(number.to_string().into()),
            Self::Other(_) => Err(format!("{name} must be text such as {example}, found {self}")),
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or text")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Number(number as f64))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Number(number as f64))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(text.to_owned().into()))
            }

            fn visit_bool<E>(self, is_true: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other(if is_true { "true" } else { "false" }))
            }

            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Nothing)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Scalar<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other("a list"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Scalar<'de>, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other("an object"))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;
        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with metric, value, timestamp, step, counterType, tags and endpoint")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Item<'de>, A::Error> {
                let mut item = Item::default();
                while let Some(ItemKey(key)) = fields.next_key()? {
                    let is = |name: &str| key.eq_ignore_ascii_case(name);
                    if is("endpoint") {
                        item.endpoint = fields.next_value()?;
                    } else if is("metric") {
                        item.metric = fields.next_value()?;
                    } else if is("tags") {
                        item.tags = fields.next_value()?;
                    } else if is("counterType") {
                        item.counter_type = fields.next_value()?;
                    } else if is("value") {
                        item.value = fields.next_value()?;
                    } else if is("step") {
                        item.step = fields.next_value()?;
                    } else if is("timestamp") {
                        item.timestamp = fields.next_value()?;
                    } else {
                        fields.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(item)
            }
        }
        deserializer.deserialize_map(ItemVisitor)
    }
}

/// A key, borrowed where it has no escapes.
struct ItemKey<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for ItemKey<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text)),
            other => Ok(Self(other.to_string().into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn one(json: &str) -> Result<Sample, String> {
        let item: Item<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        item.into_value(&"self".into(), NOW_MS)
    }

    #[test]
    fn open_falcons_record_is_read_to_the_field() {
        let value = one(
            r#"{"endpoint":"h","metric":"m","value":1.5,"step":60,"counterType":"COUNTER","tags":"a=b, c=d","timestamp":1500000000}"#,
        );
        let value = value.unwrap();
        assert_eq!((&*value.endpoint, value.metric.as_str(), value.value), ("h", "m", 1.5));
        assert_eq!((value.metric_type, value.step_s, value.timestamp_ms), (MetricType::Counter, 60, 1_500_000_000_000));
        assert_eq!(value.tags, [("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d".to_owned())]);
    }

    #[test]
    fn keys_of_any_case_text_for_numbers_and_missing_fields_are_forgiven() {
        let value =
            one(r#"{"Metric":"m","VALUE":"1e3","countertype":"GAUGE","other":[1,{"a":2}],"timestamp":"1500000000.7"}"#);
        let value = value.unwrap();
        assert_eq!((&*value.endpoint, value.value, value.timestamp_ms), ("self", 1000.0, 1_500_000_000_700));
        assert_eq!(one(r#"{"metric":"m","value":1,"timestamp":0}"#).unwrap().timestamp_ms, NOW_MS);
        assert_eq!(one(r#"{"metric":"m\u0041","value":1}"#).unwrap().metric, "mA");
        let nothing =
            r#"{"metric":"m","value":1,"tags":null,"endpoint":null,"counterType":null,"step":null,"timestamp":null}"#;
        let value = one(nothing).unwrap();
        assert_eq!((&*value.endpoint, value.tags.len(), value.step_s, value.timestamp_ms), ("self", 0, 60, NOW_MS));
    }

    #[test]
    fn a_backslash_makes_a_comma_an_equals_sign_or_a_space_part_of_a_tag() {
        let value = one(r#"{"metric":"m","value":1,"tags":"a=1\\,b\\=2\\ 3, path=C:\\temp,c=d=e"}"#).unwrap();
        let tags: Vec<_> = value.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(tags, [("a", "1,b=2 3"), ("path", r"C:\temp"), ("c", "d=e")]);
    }

    #[test]
    fn what_cannot_be_forgiven_is_named() {
        for (json, expected) in [
            (r#"{"metric":"m"}"#, "value is missing"),
            (r#"{"metric":"m","value":true}"#, "value must be a number, found true"),
            (r#"{"metric":"m","value":[1]}"#, "value must be a number, found a list"),
            (r#"{"metric":"m","value":"x"}"#, "value must be a number, found \"x\""),
            (
                r#"{"metric":"m","value":1,"counterType":"gauge"}"#,
                "counterType must be GAUGE, COUNTER or DERIVE, found \"gauge\"",
            ),
            (r#"{"metric":"m","value":1,"tags":"a"}"#, "a tag must be key=value, found \"a\""),
            (
                r#"{"metric":"m","value":1,"tags":{"disk":"a"}}"#,
                "tags must be text such as \"k=v,k2=v2\", found an object",
            ),
            (r#"{"metric":"m","value":1,"tags":[]}"#, "tags must be text such as \"k=v,k2=v2\", found a list"),
            (r#"{"metric":"m","value":1,"tags":false}"#, "tags must be text such as \"k=v,k2=v2\", found false"),
            (
                r#"{"metric":"m","value":1,"counterType":["GAUGE"]}"#,
                "counterType must be text such as \"GAUGE\", found a list",
            ),
            (r#"{"metric":"m","value":1,"endpoint":{}}"#, "endpoint must be text such as \"web-1\", found an object"),
            (r#"{"metric":[],"value":1}"#, "metric must be text such as \"cpu.idle\", found a list"),
            (r#"{"metric":"m","value":1,"step":{}}"#, "step must be a number, found an object"),
            (r#"{"metric":"m","value":1,"timestamp":true}"#, "timestamp must be a number, found true"),
            (r#"{"metric":"m","value":null}"#, "value is missing"),
        ] {
            assert_eq!(one(json).unwrap_err(), expected, "{json}");
        }
    }
}
