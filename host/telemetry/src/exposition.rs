//! How single metrics are written.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use saker_model::DurationHistogram;

/// Names of labels and their values.
pub type Labels = Vec<(&'static str, String)>;

/// What is measured of one metric: a value for each set of labels.
pub type LabelledValues = Vec<(Labels, f64)>;

struct LabelSet(Labels);

impl EncodeLabelSet for LabelSet {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>().encode(encoder)
    }
}

/// Where a component writes its metrics.
pub struct Out<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl<'a, 'b> Out<'a, 'b> {
    pub(crate) fn new(encoder: &'a mut DescriptorEncoder<'b>) -> Self {
        Self(encoder)
    }

    /// Writes a counter. Its name is given without `_total`.
    ///
    /// # Errors
    /// Those of the text that is written.
    pub fn counter(&mut self, name: &str, help: &str, samples: LabelledValues) -> fmt::Result {
        self.family(name, help, samples, ConstCounter::new(0.0).metric_type(), ConstCounter::new)
    }

    /// Writes a gauge.
    ///
    /// # Errors
    /// Those of the text that is written.
    pub fn gauge(&mut self, name: &str, help: &str, samples: LabelledValues) -> fmt::Result {
        self.family(name, help, samples, ConstGauge::new(0.0).metric_type(), ConstGauge::new)
    }

    /// Writes a histogram of durations in seconds, by its labels.
    ///
    /// # Errors
    /// Those of the text that is written.
    pub fn durations<'h>(
        &mut self,
        name: &str,
        help: &str,
        histograms: impl IntoIterator<Item = (Labels, &'h DurationHistogram)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, histogram) in histograms {
            if labels.is_empty() {
                return Durations(histogram).encode(family);
            }
            Durations(histogram).encode(family.encode_family(&LabelSet(labels))?)?;
        }
        Ok(())
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        samples: LabelledValues,
        kind: MetricType,
        make: impl Fn(f64) -> M,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            let metric = make(value);
            if labels.is_empty() {
                // A descriptor is spent on its first unlabelled sample, and there is only one.
                return metric.encode(family);
            }
            metric.encode(family.encode_family(&LabelSet(labels))?)?;
        }
        Ok(())
    }
}

struct Durations<'h>(&'h DurationHistogram);

impl EncodeMetric for Durations<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let buckets = self.0.buckets();
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<LabelSet>(self.0.sum().as_secs_f64(), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// One sample without labels.
#[must_use]
pub fn one(value: f64) -> LabelledValues {
    vec![(Vec::new(), value)]
}

/// Counts by the values of one label.
pub fn by(label: &'static str, counts: impl Iterator<Item = (&'static str, u64)>) -> LabelledValues {
    counts.map(|(name, count)| (vec![(label, name.to_owned())], count as f64)).collect()
}
