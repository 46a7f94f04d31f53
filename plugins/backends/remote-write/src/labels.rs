//! What Prometheus knows a series by: its labels, in the characters that they may have.

use saker_sdk::encode::Labels;
use saker_sdk::{OpenError, Series};

/// Which labels are added to a series' tags.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    endpoint_label: String,
    job: String,
}

impl Naming {
    /// A label for the endpoint and a value for `job`; empty leaves either out.
    pub(crate) fn new(endpoint_label: String, job: String) -> Result<Self, OpenError> {
        let valid = endpoint_label.is_empty() || label_name(&endpoint_label) == endpoint_label;
        if !valid || endpoint_label.starts_with("__") || endpoint_label == "job" {
            let what = "must be letters, digits and _, not beginning with a digit or __, and not job";
            return Err(OpenError::Settings(format!("endpoint_label: {what}; found {endpoint_label:?}")));
        }
        Ok(Self { endpoint_label, job })
    }

    /// All labels of a series.
    pub(crate) fn labels(&self, series: &Series) -> Labels {
        let mut labels = Labels::default();
        labels.add("__name__", &metric_name(&series.metric));
        labels.add("job", &self.job);
        if !self.endpoint_label.is_empty() {
            labels.add(&self.endpoint_label, &series.endpoint);
        }
        for (key, value) in &series.tags {
            labels.add(&label_name(key), value);
        }
        labels
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
fn metric_name(metric: &str) -> String {
    sanitised(metric, |letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':')
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
fn label_name(key: &str) -> String {
    sanitised(key, |letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// The name with `_` for every other character, and before a leading digit.
fn sanitised(name: &str, allowed: impl Fn(char) -> bool) -> String {
    let mut clean = String::with_capacity(name.len() + 1);
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        clean.push('_');
    }
    clean.extend(name.chars().map(|letter| if allowed(letter) { letter } else { '_' }));
    clean
}

#[cfg(test)]
mod tests {
    use saker_sdk::MetricType;

    use super::*;

    fn labels(endpoint_label: &str, job: &str, metric: &str, tags: &[(&str, &str)]) -> Vec<String> {
        let series = Series {
            endpoint: "web1".into(),
            metric: metric.into(),
            tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        let naming = Naming::new(endpoint_label.into(), job.into()).unwrap();
        naming.labels(&series).iter().map(|(name, value)| format!("{name}={value}")).collect()
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
            labels("instance", "saker", "df.used", &[("Zone", "é \"x\""), ("mount", "/a\\b")]),
            ["Zone=é \"x\"", "__name__=df_used", "instance=web1", "job=saker", "mount=/a\\b"]
        );
    }

    #[test]
    fn endpoint_and_job_can_be_named_otherwise_or_left_out() {
        assert_eq!(labels("host", "a", "m", &[]), ["__name__=m", "host=web1", "job=a"]);
        assert_eq!(labels("", "", "m", &[("empty", "")]), ["__name__=m"]);
    }

    #[test]
    fn tags_that_meet_are_both_kept() {
        assert_eq!(
            labels("instance", "saker", "m", &[("__name__", "x"), ("instance", "y"), ("job", "z")]),
            [
                "__name__=m",
                "exported___name__=x",
                "exported_instance=y",
                "exported_job=z",
                "instance=web1",
                "job=saker"
            ]
        );
        assert_eq!(labels("", "", "m", &[("a-b", "1"), ("a.b", "2")]), ["__name__=m", "a_b=1", "exported_a_b=2"]);
    }

    #[test]
    fn an_endpoint_label_that_prometheus_would_refuse_is_named() {
        for label in ["a.b", "0a", "__name__", "__x", "job", "é"] {
            let Err(OpenError::Settings(message)) = Naming::new(label.into(), String::new()) else { panic!("{label}") };
            assert!(message.starts_with("endpoint_label: "), "{message}");
        }
    }
}
