//! What a plugin says about itself, on its way in: rejected where it is unusable, cut and cleaned where it is for
//! people. Whatever is kept of it is kept for as long as its file is there, and shown by the API, so all of it is
//! bounded.

use std::time::Duration;

use saker_model::LIMITS;
use saker_model::text::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX, clean, is_clean};
use serde_json::Value;

use crate::bindings::types;
use crate::plugin::{Description, PermissionRequest};

/// The shortest interval between two runs, whoever asks for it: what comes more often is a stream, no measurement.
pub const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Bytes of a plugin's own name.
const OWN_NAME_BYTES_MAX: usize = 64;
/// Bytes of the schema: the largest that ships has 3 KiB.
const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// Values in it, each of which takes some hundred bytes here: the largest that ships has three hundred.
const SCHEMA_VALUES_MAX: usize = 10_000;
/// How deep a schema nests: each level of settings takes two or three, and settings nest sixteen deep at most.
const SCHEMA_DEPTH_MAX: usize = 48;
/// Permissions that it may want.
const WANTS_MAX: usize = 100;
/// Bytes of all that it says of the permissions that it wants: for a hundred, a sentence each.
const WANTS_BYTES_MAX: usize = 16 << 10;

/// What a guest has said, as it is kept.
///
/// # Errors
/// What is unusable about it, in words.
pub(crate) fn read(raw: types::Description) -> Result<Description, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if raw.name.is_empty() || raw.name.len() > OWN_NAME_BYTES_MAX || !raw.name.chars().all(plain) {
        return Err(format!(
            "its name {:?} must be 1 to {OWN_NAME_BYTES_MAX} lower-case letters, digits and hyphens",
            raw.name.chars().take(OWN_NAME_BYTES_MAX).collect::<String>()
        ));
    }
    for (what, bytes, most) in [
        ("version", raw.version.len(), NAME_BYTES_MAX),
        ("summary", raw.summary.len(), MESSAGE_BYTES_MAX),
        ("settings schema", raw.settings_schema.len(), SCHEMA_BYTES_MAX),
    ] {
        if bytes > most {
            return Err(format!("its {what} has {bytes} bytes, and {most} is the most"));
        }
    }
    Ok(Description {
        version: clean(&raw.version, NAME_BYTES_MAX),
        summary: clean(&raw.summary, MESSAGE_BYTES_MAX),
        requests: requests(raw.permissions)?,
        settings_schema: schema(&raw.settings_schema)?,
        default_interval_ms: raw.default_interval_ms.filter(|&ms| ms > 0).map(interval),
        name: raw.name,
    })
}

/// A wish is no error, so it is held to what can be had: not more often than a run may be, nor more seldom than a step.
fn interval(ms: u32) -> u32 {
    let bound = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    ms.clamp(bound(INTERVAL_MIN), bound(Duration::from_secs(LIMITS.step_s.into())))
}

fn requests(permissions: Vec<types::PermissionRequest>) -> Result<Vec<PermissionRequest>, String> {
    if permissions.len() > WANTS_MAX {
        return Err(format!("it requests {} permissions, and {WANTS_MAX} is the most", permissions.len()));
    }
    let bytes: usize = permissions.iter().map(|wanted| wanted.reason.len() + target(&wanted.permission).len()).sum();
    if bytes > WANTS_BYTES_MAX {
        return Err(format!("its permissions and their reasons have {bytes} bytes, and {WANTS_BYTES_MAX} is the most"));
    }
    let want = |wanted: types::PermissionRequest| {
        let target = target(&wanted.permission);
        // A permission that is not what is shown is not asked for: the operator grants what stands there.
        if target.len() > MESSAGE_BYTES_MAX || !is_clean(target) {
            return Err(format!("it requests {:?}, which is no path, address or name", clean(target, NAME_BYTES_MAX)));
        }
        Ok(PermissionRequest { permission: wanted.permission.into(), reason: clean(&wanted.reason, MESSAGE_BYTES_MAX) })
    };
    permissions.into_iter().map(want).collect()
}

/// What a permission is for.
fn target(permission: &types::Permission) -> &str {
    match permission {
        types::Permission::Read(text)
        | types::Permission::Write(text)
        | types::Permission::Statfs(text)
        | types::Permission::Connect(text)
        | types::Permission::Secret(text)
        | types::Permission::Env(text)
        | types::Permission::Unix(text) => text,
        types::Permission::DataDir | types::Permission::Stdout => "",
    }
}

fn schema(text: &str) -> Result<Value, String> {
    let schema: Value =
        serde_json::from_str(text).map_err(|error| format!("its settings schema is not JSON: {error}"))?;
    if !schema.is_object() {
        return Err("its settings schema is not a JSON object".into());
    }
    check_schema(&schema, 0, &mut 0)?;
    Ok(schema)
}

/// Names of settings stand in messages and in the configuration as they are; what else a schema says is cleaned where
/// it is shown.
fn check_schema(value: &Value, depth: usize, values: &mut usize) -> Result<(), String> {
    *values += 1;
    if *values > SCHEMA_VALUES_MAX {
        return Err(format!("its settings schema has more than {SCHEMA_VALUES_MAX} values"));
    }
    if depth > SCHEMA_DEPTH_MAX {
        return Err(format!("its settings schema nests deeper than {SCHEMA_DEPTH_MAX} levels"));
    }
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            if name.len() > NAME_BYTES_MAX || !is_clean(name) {
                let name = clean(name, NAME_BYTES_MAX);
                return Err(format!("its settings schema has the name {name:?}, which cannot be shown as it is"));
            }
            check_schema(value, depth + 1, values)
        }),
        Value::Array(items) => items.iter().try_for_each(|item| check_schema(item, depth + 1, values)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> types::Description {
        types::Description {
            name: "a".into(),
            version: "1.0.0".into(),
            summary: "does".into(),
            permissions: Vec::new(),
            settings_schema: "{}".into(),
            default_interval_ms: None,
        }
    }

    fn rejected(change: impl FnOnce(&mut types::Description)) -> String {
        let mut raw = raw();
        change(&mut raw);
        let error = read(raw).unwrap_err();
        assert!(error.len() < MESSAGE_BYTES_MAX && is_clean(&error), "{error}");
        error
    }

    fn wanted(path: &str, reason: &str) -> types::PermissionRequest {
        types::PermissionRequest { permission: types::Permission::Read(path.into()), reason: reason.into() }
    }

    #[test]
    fn what_is_too_long_or_too_much_is_rejected_in_a_short_line() {
        let long = "x".repeat(7 << 20);
        assert!(rejected(|raw| raw.name = long.clone()).starts_with("its name \"xxx"));
        assert!(rejected(|raw| raw.version = long.clone()).contains("7340032 bytes, and 255"));
        assert!(rejected(|raw| raw.summary = long.clone()).contains("and 1024 is the most"));
        let seven = || (0..7).map(|_| wanted(&"/".repeat(1 << 20), "so")).collect();
        assert!(rejected(|raw| raw.permissions = seven()).contains("16384 is the most"));
        assert!(rejected(|raw| raw.permissions = vec![wanted("/a", &long)]).contains("16384 is the most"));
        assert!(rejected(|raw| raw.permissions = vec![wanted(&"/a".repeat(1000), "")]).contains("it requests \"/a/a"));
        assert!(
            rejected(|raw| raw.permissions = vec![wanted("/proc\n/etc", "")]).contains("it requests \"/proc /etc\"")
        );
        assert!(rejected(|raw| raw.permissions = vec![wanted("/", ""); 101]).contains("101 permissions"));
        assert!(
            rejected(|raw| raw.settings_schema = format!("{{\"{}\":1}}", "k".repeat(256))).contains("cannot be shown")
        );
        assert!(rejected(|raw| raw.settings_schema = "{\"a\u{202e}\":1}".into()).contains("cannot be shown"));
        let deep = format!("{}1{}", "{\"a\":".repeat(60), "}".repeat(60));
        assert!(rejected(|raw| raw.settings_schema = deep).contains("nests deeper"));
        let wide = format!("{{\"a\":[{}0]}}", "0,".repeat(20_000));
        assert!(rejected(|raw| raw.settings_schema = wide).contains("more than 10000 values"));
    }

    #[test]
    fn what_is_for_people_is_one_line() {
        let mut raw = raw();
        raw.version = "1.0\x1b[2J".into();
        raw.summary = "good\n2026 ERROR\u{202e}".into();
        raw.permissions = vec![wanted("/proc", "because\r\nso")];
        let read = read(raw).unwrap();
        assert_eq!((read.version.as_str(), read.summary.as_str()), ("1.0 [2J", "good 2026 ERROR"));
        assert_eq!(read.requests[0].reason, "because  so");
    }

    #[test]
    fn an_interval_is_held_to_what_a_schedule_can_keep() {
        for (asked, kept) in [
            (None, None),
            (Some(0), None),
            (Some(1), Some(100)),
            (Some(2000), Some(2000)),
            (Some(u32::MAX), Some(604_800_000)),
        ] {
            let raw = types::Description { default_interval_ms: asked, ..raw() };
            assert_eq!(read(raw).unwrap().default_interval_ms, kept, "{asked:?}");
        }
    }
}
