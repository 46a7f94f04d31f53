//! Open-Falcon's `POST /v1/push`: a JSON array of metric values.
//!
//! Keys, types and defaults are Open-Falcon's, and so is the forgiving reading of them: any case of a key, numbers as
//! text. Unlike there, the answer tells what was not taken, one bad value spoils no other, and a fraction in a timestamp
//! is cut off.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use saker_model::{MetricType, MetricValue};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::json;

use super::{Failure, admission};
use crate::agent::Agent;
use crate::pipeline::now_ms;

/// How many refusals are told one by one.
const EXAMPLES_MAX: usize = 10;

pub(super) async fn push(State(agent): State<Arc<Agent>>, body: Bytes) -> Response {
    if let Some(answer) = super::too_early(&agent) {
        return answer;
    }
    let now_ms = now_ms();
    let items: Vec<Option<Item<'_>>> = match serde_json::from_slice(&body) {
        Ok(items) => items,
        Err(error) => {
            let message = format!("expected a JSON array of metric values: {error}");
            return Failure::new(StatusCode::BAD_REQUEST, message).into_response();
        }
    };
    let received = items.len();
    let default_endpoint = agent.endpoint.load_full();
    let mut wrong: Vec<(usize, String)> = Vec::new();
    let mut places = Vec::with_capacity(received);
    let mut values = Vec::with_capacity(received);
    for (place, item) in items.into_iter().enumerate() {
        match item.ok_or_else(|| "it is null".to_owned()).and_then(|item| item.into_value(&default_endpoint, now_ms)) {
            Ok(value) => {
                places.push(place);
                values.push(value);
            }
            Err(what) => wrong.push((place, what)),
        }
    }
    let receipt = match agent.pipeline.accept_with_malformed(&"push".into(), values, wrong.len()).await {
        Ok(receipt) => receipt,
        Err(overload) => return admission::refused(&overload),
    };
    wrong.extend(receipt.refused.iter().map(|(index, reason)| (places[*index], reason.to_string())));
    wrong.sort_unstable();
    let refused = wrong.len();
    let examples: Vec<_> =
        wrong.into_iter().take(EXAMPLES_MAX).map(|(place, reason)| json!({"item": place, "reason": reason})).collect();
    // The status says whether anything was taken at all, so that a client which looks no further learns of it.
    let status = if receipt.accepted == 0 && refused > 0 { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let message = if refused == 0 { "success" } else { "some values were refused" };
    let data = json!({"total": received, "accepted": receipt.accepted, "invalid": refused, "refused": examples});
    (status, Json(json!({"msg": message, "data": data}))).into_response()
}

/// A metric value as Open-Falcon's agents send it.
#[derive(Default)]
struct Item<'a> {
    endpoint: Cow<'a, str>,
    metric: Cow<'a, str>,
    value: Option<Scalar<'a>>,
    step: Option<Scalar<'a>>,
    counter_type: Cow<'a, str>,
    tags: Cow<'a, str>,
    timestamp: Option<Scalar<'a>>,
}

/// A number, or a text that may be one.
#[derive(Clone, Debug)]
enum Scalar<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Other,
}

impl Item<'_> {
    fn into_value(self, default_endpoint: &Arc<str>, now_ms: i64) -> Result<MetricValue, String> {
        let metric_type = match &*self.counter_type {
            "" => MetricType::Gauge,
            name => MetricType::parse(name)
                .ok_or_else(|| format!("counterType must be GAUGE, COUNTER or DERIVE, found {name:?}"))?,
        };
        let number = |scalar: &Option<Scalar<'_>>, name: &str| match scalar {
            None => Ok(None),
            Some(scalar) => scalar.number().map(Some).ok_or_else(|| format!("{name} must be a number, found {scalar}")),
        };
        let value = number(&self.value, "value")?.ok_or("value is missing")?;
        let step = number(&self.step, "step")?.unwrap_or(60.0);
        let timestamp = number(&self.timestamp, "timestamp")?.filter(|&seconds| seconds > 0.0);
        let endpoint =
            if self.endpoint.is_empty() { default_endpoint.clone() } else { Arc::from(self.endpoint.as_ref()) };
        Ok(MetricValue {
            endpoint,
            metric: self.metric.into_owned(),
            tags: parse_tags(&self.tags)?,
            metric_type,
            value,
            timestamp_ms: timestamp.map_or(now_ms, |seconds| (seconds * 1000.0) as i64),
            step_s: if step >= 1.0 { step as u32 } else { 0 },
        })
    }
}

/// `k=v,k2=v2`, with spaces left out as Open-Falcon does.
fn parse_tags(text: &str) -> Result<Vec<(String, String)>, String> {
    let bare: Cow<'_, str> = if text.contains(' ') { text.replace(' ', "").into() } else { text.into() };
    bare.split(',')
        .filter(|tag| !tag.is_empty())
        .map(|tag| match tag.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(format!("a tag must be key=value, found {tag:?}")),
        })
        .collect()
}

impl Scalar<'_> {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Other => None,
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Other => f.write_str("something else"),
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

            fn visit_bool<E>(self, _: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Scalar<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Scalar<'de>, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
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
                while let Some(Text(key)) = fields.next_key()? {
                    let is = |name: &str| key.eq_ignore_ascii_case(name);
                    if is("endpoint") {
                        item.endpoint = fields.next_value::<Text<'de>>()?.0;
                    } else if is("metric") {
                        item.metric = fields.next_value::<Text<'de>>()?.0;
                    } else if is("tags") {
                        item.tags = fields.next_value::<Text<'de>>()?.0;
                    } else if is("counterType") {
                        item.counter_type = fields.next_value::<Text<'de>>()?.0;
                    } else if is("value") {
                        item.value = Some(fields.next_value()?);
                    } else if is("step") {
                        item.step = Some(fields.next_value()?);
                    } else if is("timestamp") {
                        item.timestamp = Some(fields.next_value()?);
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

/// Text that is borrowed where it has no escapes; null is no text.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text)),
            Scalar::Number(number) => Ok(Self(number.to_string().into())),
            Scalar::Other => Ok(Self(Cow::Borrowed(""))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn one(json: &str) -> Result<MetricValue, String> {
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
    }

    #[test]
    fn what_cannot_be_forgiven_is_named() {
        for (json, expected) in [
            (r#"{"metric":"m"}"#, "value is missing"),
            (r#"{"metric":"m","value":true}"#, "value must be a number, found something else"),
            (r#"{"metric":"m","value":[1]}"#, "value must be a number, found something else"),
            (r#"{"metric":"m","value":"x"}"#, "value must be a number, found \"x\""),
            (
                r#"{"metric":"m","value":1,"counterType":"gauge"}"#,
                "counterType must be GAUGE, COUNTER or DERIVE, found \"gauge\"",
            ),
            (r#"{"metric":"m","value":1,"tags":"a"}"#, "a tag must be key=value, found \"a\""),
        ] {
            assert_eq!(one(json).unwrap_err(), expected, "{json}");
        }
    }
}
