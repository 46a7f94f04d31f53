//! A series in Prometheus' names: `cpu.busy` of `web-1` is `cpu_busy{instance="web-1"}`.
//!
//! What a name may not hold becomes `_`, and `_` stands before a digit that would come first. The endpoint is the label
//! `instance`. The tags `instance` and `job` become `exported_instance` and `exported_job`, whatever else there is, as
//! Prometheus does with those of a target that it scrapes; so does any tag whose label is taken already. A name does not
//! depend on the type: nothing is added to a counter's.
//!
//! Two metrics can meet in one name (`cpu.busy` and `cpu_busy`). A reader of names takes them for one series; a writer of
//! one text, such as an exposition, leaves the second out and counts it.

use std::borrow::Cow;

use crate::Labels;

/// The label that holds the metric's name.
pub const NAME: &str = "__name__";
/// The label that holds the endpoint, where nobody has set another.
pub const INSTANCE: &str = "instance";
/// The label that tells what brought the values.
pub const JOB: &str = "job";

/// The metric's name, its labels and those of the target: `endpoint` is a label's name and its value, `job` a value.
/// What is empty is left out.
#[must_use]
pub fn labels<'a>(
    metric: &str,
    endpoint: (&str, &str),
    job: &str,
    tags: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Labels {
    let mut labels = Labels::default();
    labels.add(NAME, &metric_name(metric));
    labels.add(JOB, job);
    if !endpoint.0.is_empty() {
        labels.add(endpoint.0, endpoint.1);
    }
    for (key, value) in tags {
        match &*label_name(key) {
            name @ (INSTANCE | JOB) => labels.add(&format!("exported_{name}"), value),
            name => labels.add(name, value),
        }
    }
    labels
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
#[must_use]
pub fn metric_name(metric: &str) -> Cow<'_, str> {
    sanitised(metric, |letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':')
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
#[must_use]
pub fn label_name(key: &str) -> Cow<'_, str> {
    sanitised(key, |letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn sanitised(name: &str, allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    let begins_ill = name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit());
    if !begins_ill && name.chars().all(&allowed) {
        return name.into();
    }
    let mut clean = String::with_capacity(name.len() + 1);
    if begins_ill {
        clean.push('_');
    }
    clean.extend(name.chars().map(|letter| if allowed(letter) { letter } else { '_' }));
    clean.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(metric: &str, endpoint_label: &str, job: &str, tags: &[(&str, &str)]) -> Vec<String> {
        let labels = labels(metric, (endpoint_label, "web1"), job, tags.iter().copied());
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn names_have_the_characters_that_prometheus_allows() {
        for (metric, name) in [
            ("cpu.idle", "cpu_idle"),
            ("a:b-c d", "a:b_c_d"),
            ("5xx", "_5xx"),
            ("größe", "gr__e"),
            ("", "_"),
            ("_é", "__"),
        ] {
            assert_eq!(metric_name(metric), name);
        }
        for (key, name) in [("host.name", "host_name"), ("a:b", "a_b"), ("0", "_0"), ("Zone", "Zone"), ("💡", "_")] {
            assert_eq!(label_name(key), name);
        }
    }

    #[test]
    fn labels_are_sorted_by_their_bytes_and_values_stay_as_they_are() {
        assert_eq!(
            all("df.used", INSTANCE, "saker", &[("Zone", "é \"x\""), ("mount", "/a\\b,c=d")]),
            ["Zone=é \"x\"", "__name__=df_used", "instance=web1", "job=saker", "mount=/a\\b,c=d"]
        );
    }

    #[test]
    fn endpoint_and_job_can_be_named_otherwise_or_left_out() {
        assert_eq!(all("m", "host", "a", &[]), ["__name__=m", "host=web1", "job=a"]);
        assert_eq!(all("m", "", "", &[("empty", "")]), ["__name__=m"]);
    }

    #[test]
    fn tags_that_meet_what_prometheus_keeps_for_itself_are_exported() {
        let own = [("__name__", "x"), ("instance", "y"), ("job", "z")];
        let exported = ["exported___name__=x", "exported_instance=y", "exported_job=z"];
        let target = ["instance=web1", "job=saker"];
        assert_eq!(all("m", INSTANCE, "saker", &own), [&["__name__=m"], &exported[..], &target].concat());
        // The same name whether or not the target's labels are there.
        assert_eq!(all("m", "", "", &own), [&["__name__=m"], &exported[..]].concat());
        assert_eq!(all("m", "", "", &[("a-b", "1"), ("a.b", "2")]), ["__name__=m", "a_b=1", "exported_a_b=2"]);
    }
}
