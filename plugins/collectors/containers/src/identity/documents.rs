//! The documents that runtimes keep and answer with. Most of them is of no concern here, and their environment is never
//! kept.

use saker_sdk::settings::serde_json::{self, Value};

use super::Identity;

/// Names of Kubernetes, as labels: containerd's and CRI-O's annotations tell them under other names.
const KUBERNETES: [(&str, &str); 8] = [
    ("io.kubernetes.cri.container-name", "io.kubernetes.container.name"),
    ("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"),
    ("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"),
    ("io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"),
    ("io.kubernetes.cri-o.KubeName", "io.kubernetes.pod.name"),
    ("io.kubernetes.cri-o.Namespace", "io.kubernetes.pod.namespace"),
    ("io.kubernetes.cri.container-type", "io.kubernetes.container.type"),
    ("io.kubernetes.cri-o.ContainerType", "io.kubernetes.container.type"),
];

/// Where a name stands among annotations, the best first.
const NAMES: [&str; 4] =
    ["nerdctl/name", "io.kubernetes.cri-o.Name", "io.kubernetes.cri.container-name", "io.kubernetes.container.name"];
const IMAGES: [&str; 3] = ["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "nerdctl/image-name"];
/// Labels as JSON within an annotation.
const LABELS: [&str; 1] = ["io.kubernetes.cri-o.Labels"];

/// Adds what an OCI runtime's `config.json` says: its annotations. False if it is none.
pub(super) fn add_bundle(identity: &mut Identity, text: &[u8]) -> bool {
    let Ok(document) = serde_json::from_slice::<Value>(text) else { return false };
    let Some(annotations) = document.get("annotations").and_then(Value::as_object) else { return document.is_object() };
    let text = |key: &str| annotations.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(name) = NAMES.iter().find_map(|key| text(key)) {
        identity.name = name.to_owned();
    }
    if let Some(image) = IMAGES.iter().find_map(|key| text(key)) {
        identity.image = image.to_owned();
    }
    let plain = annotations.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    identity.labels.extend(plain.filter(|(key, _)| !LABELS.contains(&key.as_str())));
    for (from, to) in KUBERNETES {
        identity.labels.extend(text(from).map(|value| (to.to_owned(), value.to_owned())));
    }
    for labels in LABELS.iter().filter_map(|key| serde_json::from_str::<Value>(text(key)?).ok()) {
        identity.labels.extend(texts(&labels));
    }
    true
}

/// Adds what Docker's or Podman's answer to `/containers/ID/json` says. False if it is none.
pub(super) fn add_inspected(identity: &mut Identity, text: &[u8]) -> bool {
    let Ok(document) = serde_json::from_slice::<Value>(text) else { return false };
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    if text("/Id") != Some(&identity.id) {
        return false;
    }
    identity.name = text("/Name").unwrap_or_default().trim_start_matches('/').to_owned();
    identity.image = text("/Config/Image").unwrap_or_default().to_owned();
    identity.labels.extend(document.pointer("/Config/Labels").into_iter().flat_map(texts));
    identity.started_s = text("/State/StartedAt").and_then(seconds);
    true
}

fn texts(object: &Value) -> impl Iterator<Item = (String, String)> + use<> {
    let texts = object.as_object().into_iter().flatten();
    let texts: Vec<_> = texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    texts.into_iter()
}

/// `2026-11-29T13:12:58.123456789Z` in seconds since 1970-01-01 UTC, in whole milliseconds. Nothing if it is none, or
/// the year 1, which stands for never.
fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|word| word.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, offset_s) = match time.find(['Z', '+', '-']) {
        Some(at) => (&time[..at], offset(&time[at..])?),
        None => return None,
    };
    let mut time = time.splitn(3, ':');
    let (hour, minute) = (time.next()?.parse::<i64>().ok()?, time.next()?.parse::<i64>().ok()?);
    let second: f64 = time.next()?.parse().ok()?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) || !second.is_finite() {
        return None;
    }
    // Days since 1970-01-01 of the proleptic Gregorian calendar, years beginning in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let whole = days * 86_400 + hour * 3600 + minute * 60 - offset_s;
    Some(((whole as f64 + second) * 1000.0).floor() / 1000.0)
}

fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (hours, minutes) = text[1..].split_once(':')?;
    let offset = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    Some(if text.starts_with('-') { -offset } else { offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_zones() {
        for (text, expected) in [
            ("2026-11-29T13:12:58.123456789Z", Some(1_795_957_978.123)),
            ("2026-11-29T15:12:58+02:00", Some(1_795_957_978.0)),
            ("1970-01-01T00:00:00Z", Some(0.0)),
            ("2024-02-29T00:00:00-01:30", Some(1_709_170_200.0)),
            ("0001-01-01T00:00:00Z", None),
            ("2026-11-29", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-29T13:12:58", None),
            ("2026-11-29T13:12:xZ", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
