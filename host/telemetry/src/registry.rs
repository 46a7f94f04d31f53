//! What is registered, and the text that is made of it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;

use crate::Out;

/// The type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a component counts.
pub trait Metrics: Send + Sync + 'static {
    /// Writes all of it, as it is now.
    ///
    /// # Errors
    /// Those of `out`.
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result;
}

/// The metrics of all components, in the order in which they were registered.
#[derive(Default)]
pub struct MetricRegistry {
    collectors: prometheus_client::registry::Registry,
}

/// A component's metrics, read anew each time.
struct Component<M>(M);

impl MetricRegistry {
    /// Registers a component, once.
    pub fn register<M: Metrics>(&mut self, metrics: M) {
        self.collectors.register_collector(Box::new(Component(metrics)));
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// If a component cannot write what it counts.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.collectors)?;
        Ok(text)
    }
}

impl<M> fmt::Debug for Component<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<M>())
    }
}

impl<M: Metrics> Collector for Component<M> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.write(&mut Out::new(&mut encoder))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use saker_model::DurationHistogram;

    use super::*;

    struct Doors(f64);

    impl Metrics for Doors {
        fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
            out.counter("doors_opened", "Doors that were opened", crate::one(self.0))?;
            out.gauge("doors", "Doors by colour", crate::by("colour", [("red", 2), ("blue", 1)].into_iter()))?;
            out.counter("doors_broken", "Doors that were broken", Vec::new())
        }
    }

    struct Waits(DurationHistogram);

    impl Metrics for Waits {
        fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
            out.durations("wait_seconds", "Waits", [(vec![("at", "the door".into())], &self.0)])
        }
    }

    #[test]
    fn a_histogram_is_told_as_its_sum_its_count_and_growing_buckets() {
        let waits = DurationHistogram::default();
        waits.observe(Duration::from_millis(2));
        waits.observe(Duration::from_secs(1));
        let mut registry = MetricRegistry::default();
        registry.register(Waits(waits));
        let text = registry.text().unwrap();
        for line in [
            "# TYPE wait_seconds histogram",
            "wait_seconds_sum{at=\"the door\"} 1.002",
            "wait_seconds_count{at=\"the door\"} 2",
            "wait_seconds_bucket{le=\"0.001\",at=\"the door\"} 0",
            "wait_seconds_bucket{le=\"0.003\",at=\"the door\"} 1",
            "wait_seconds_bucket{le=\"+Inf\",at=\"the door\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing: {text}");
        }
    }

    #[test]
    fn what_is_registered_is_in_the_text_in_its_order() {
        let mut registry = MetricRegistry::default();
        registry.register(Doors(3.0));
        registry.register(Doors(4.0));
        let text = registry.text().unwrap();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let doors = ["doors{colour=\"red\"} 2.0", "doors{colour=\"blue\"} 1.0"];
        let (first, second) = (["doors_opened_total 3.0"], ["doors_opened_total 4.0"]);
        assert_eq!(samples, [&first[..], &doors, &second, &doors].concat());
        assert!(text.contains("# TYPE doors_broken counter"), "a family without samples is told: {text}");
    }
}
