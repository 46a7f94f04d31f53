//! saker's laws, read from `/metrics` alone.

use std::collections::BTreeMap;

/// What `/metrics` says at one moment.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<(String, String), f64>);

impl Figures {
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some(((name.to_owned(), labels.trim_end_matches('}').to_owned()), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// The sum of a metric's samples with a label.
    fn of(&self, name: &str, label: &str) -> f64 {
        let fits = |labels: &str| label.is_empty() || labels.split(',').any(|own| own == label);
        self.0.iter().filter(|((own, labels), _)| own == name && fits(labels)).map(|(_, value)| value).sum()
    }

    /// The values of a label of a metric, as `key="value"`.
    fn labels(&self, name: &str, key: &str) -> Vec<String> {
        let of =
            |labels: &str| labels.split(',').find(|label| label.starts_with(&format!("{key}="))).map(str::to_owned);
        let mut found: Vec<_> =
            self.0.keys().filter(|(own, _)| own == name).filter_map(|(_, labels)| of(labels)).collect();
        found.dedup();
        found
    }

    /// Points that wait for all destinations.
    pub(crate) fn queued(&self) -> f64 {
        self.of("saker_destination_queued_points", "")
    }

    /// How many destinations there are.
    pub(crate) fn destinations(&self) -> usize {
        self.labels("saker_destination_queued_points", "destination").len()
    }

    /// What a destination has delivered.
    pub(crate) fn delivered(&self, destination: &str) -> f64 {
        self.of("saker_destination_delivered_points_total", &format!("destination=\"{destination}\""))
    }

    /// Points that were enqueued for all destinations, or go nowhere.
    fn placed(&self) -> f64 {
        self.of("saker_destination_enqueued_points_total", "") + self.of("saker_unrouted_points_total", "")
    }

    /// What does not hold, in words. `steady` is whether the same destinations were there since the start, each point
    /// going to one of them.
    pub(crate) fn broken_laws(&self, steady: bool) -> Vec<String> {
        let mut broken = Vec::new();
        let (received, accepted, rejected) =
            ("saker_received_points_total", "saker_accepted_points_total", "saker_rejected_points_total");
        for source in self.labels(received, "source") {
            let (came, went) = (self.of(received, &source), self.of(accepted, &source) + self.of(rejected, &source));
            if came != went {
                broken.push(format!("{source}: received {came}, accepted + rejected {went}"));
            }
        }
        for destination in self.labels("saker_destination_queued_points", "destination") {
            let of = |name: &str| self.of(&format!("saker_destination_{name}"), &destination);
            let came = of("enqueued_points_total") + of("recovered_points_total");
            let went = of("delivered_points_total") + of("queued_points") + of("dropped_points_total");
            if came != went {
                broken.push(format!("{destination}: enqueued + recovered {came}, delivered + queued + dropped {went}"));
            }
        }
        let accepted = self.of(accepted, "");
        if steady && accepted != self.placed() {
            broken.push(format!("accepted {accepted}, enqueued {}", self.placed()));
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP x y\nsaker_received_points_total{source=\"push\"} 10\n\
                        saker_accepted_points_total{source=\"push\"} 7\n\
                        saker_rejected_points_total{source=\"push\",reason=\"a\"} 1\n\
                        saker_rejected_points_total{source=\"push\",reason=\"b\"} 2\n\
                        saker_destination_enqueued_points_total{destination=\"a\"} 7\nsaker_destination_recovered_points_total{destination=\"a\"} 3\n\
                        saker_destination_delivered_points_total{destination=\"a\"} 4\nsaker_destination_queued_points{destination=\"a\"} 5\n\
                        saker_destination_dropped_points_total{destination=\"a\",reason=\"expired\"} 1\n";

    #[test]
    fn each_law_is_held_to_what_the_figures_say() {
        assert_eq!(Figures::parse(GOOD).broken_laws(true), [""; 0]);
        assert_eq!(Figures::parse(GOOD).queued(), 5.0);
        for (from, to, law) in [
            ("push\"} 10", "push\"} 11", "received 11"),
            ("queued_points{destination=\"a\"} 5", "queued_points{destination=\"a\"} 4", "enqueued + recovered 10"),
            ("push\"} 7", "push\"} 8", "accepted 8, enqueued 7"),
        ] {
            let broken = Figures::parse(&GOOD.replace(from, to)).broken_laws(true);
            assert!(broken.iter().any(|broken| broken.contains(law)), "{law}: {broken:?}");
        }
    }
}
