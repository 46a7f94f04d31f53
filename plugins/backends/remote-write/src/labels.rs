//! What Prometheus knows a series by: its labels, with those that the operator has chosen.

use saker_sdk::encode::{Labels, prometheus};
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
        let valid = endpoint_label.is_empty() || prometheus::label_name(&endpoint_label) == endpoint_label;
        if !valid || endpoint_label.starts_with("__") || endpoint_label == prometheus::JOB {
            let what = "must be letters, digits and _, not beginning with a digit or __, and not job";
            return Err(OpenError::Settings(format!("endpoint_label: {what}; found {endpoint_label:?}")));
        }
        Ok(Self { endpoint_label, job })
    }

    /// All labels of a series.
    pub(crate) fn labels(&self, series: &Series) -> Labels {
        let tags = series.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        prometheus::labels(&series.metric, (&self.endpoint_label, &series.endpoint), &self.job, tags)
    }
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
    fn an_endpoint_label_that_prometheus_would_reject_is_named() {
        for label in ["a.b", "0a", "__name__", "__x", "job", "é"] {
            let Err(OpenError::Settings(message)) = Naming::new(label.into(), String::new()) else { panic!("{label}") };
            assert!(message.starts_with("endpoint_label: "), "{message}");
        }
    }
}
