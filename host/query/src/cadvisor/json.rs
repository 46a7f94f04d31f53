//! Values as cAdvisor writes them: whole numbers where they are whole, times with their parts of a second.

use serde_json::{Map, Number, Value};

use super::place::QueryPosition;

/// Where whole numbers end for a double.
const WHOLE_END: f64 = 18_446_744_073_709_551_616.0;

/// A number. What is none is left out by who asks.
pub(super) fn number(value: f64) -> Option<Value> {
    if (0.0..WHOLE_END).contains(&value) && value.fract() == 0.0 {
        return Some(Value::Number((value as u64).into()));
    }
    Number::from_f64(value).map(Value::Number)
}

/// A time, as Go writes it.
pub(super) fn time(time_ms: i64) -> String {
    let text = crate::eval::rfc3339(time_ms.div_euclid(1000));
    match time_ms.rem_euclid(1000) {
        0 => text,
        ms => format!("{}.{}Z", text.trim_end_matches('Z'), format!("{ms:03}").trim_end_matches('0')),
    }
}

/// Puts a value where it belongs. A place whose way is taken by something else stays as it is.
pub(super) fn put(stats: &mut Map<String, Value>, place: &QueryPosition, value: Value) {
    match place {
        QueryPosition::At(keys) => put_at(stats, keys, value),
        QueryPosition::Processor(number) => {
            let usage = object(object_of(stats, "cpu"), "usage");
            if let Some(Value::Array(list)) =
                usage.map(|usage| usage.entry("per_cpu_usage").or_insert_with(|| Value::Array(Vec::new())))
            {
                if list.len() <= *number {
                    list.resize(number + 1, Value::from(0));
                }
                list[*number] = value;
            }
        }
        QueryPosition::In(list, keys, rest) => {
            let Some((last, above)) = list.split_last() else { return };
            let mut at = Some(stats);
            for key in above {
                at = object(at, key);
            }
            let Some(list) = at.map(|at| at.entry(*last).or_insert_with(|| Value::Array(Vec::new()))) else { return };
            let Value::Array(list) = list else { return };
            let is =
                |entry: &Value| keys.iter().all(|(key, text)| entry.get(key).is_some_and(|found| is_text(found, text)));
            let place = list.iter().position(is).unwrap_or_else(|| {
                let entry = keys.iter().map(|(key, text)| ((*key).to_owned(), as_value(key, text)));
                list.push(Value::Object(entry.collect()));
                list.len() - 1
            });
            if let Value::Object(entry) = &mut list[place] {
                put_at(entry, rest, value);
            }
        }
    }
}

fn put_at(object: &mut Map<String, Value>, keys: &[String], value: Value) {
    let Some((last, above)) = keys.split_last() else { return };
    let mut at = Some(object);
    for key in above {
        at = self::object(at, key);
    }
    if let Some(at) = at {
        at.insert(last.clone(), value);
    }
}

fn object_of<'m>(map: &'m mut Map<String, Value>, key: &str) -> Option<&'m mut Map<String, Value>> {
    map.entry(key).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

fn object<'m>(map: Option<&'m mut Map<String, Value>>, key: &str) -> Option<&'m mut Map<String, Value>> {
    object_of(map?, key)
}

/// Numbers of a device are numbers.
fn as_value(key: &str, text: &str) -> Value {
    match text.parse::<u64>() {
        Ok(number) if key == "major" || key == "minor" => Value::from(number),
        _ => Value::from(text),
    }
}

fn is_text(found: &Value, text: &str) -> bool {
    match found.as_str() {
        Some(found) => found == text,
        None => {
            let written = found.to_string();
            written == text
        }
    }
}
