//! The `smallest-processor`: says in which rack a host stands, and drops metrics by their beginning.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of the processor. The agent checks them against this before it opens an instance.
    pub struct Settings {
        /// The rack. Has no default: the operator must say it.
        pub rack: String,
        /// How the names of metrics begin that nobody wants.
        pub drop: Vec<String> = Vec::new(),
    }
}

/// One instance.
pub struct SmallestProcessor {
    settings: Settings,
}

impl Processor for SmallestProcessor {
    type Settings = Settings;

    fn describe() -> Description {
        Description::new("smallest-processor", env!("CARGO_PKG_VERSION"), "Tags every series with the host's rack")
    }

    fn open(settings: Settings) -> Result<Self, OpenError> {
        if settings.rack.is_empty() {
            return Err(OpenError::Settings("rack: empty; write the rack's name".into()));
        }
        Ok(Self { settings })
    }

    fn map_series(&mut self, mut series: Series) -> Result<Verdict, ProcessError> {
        if self.settings.drop.iter().any(|beginning| series.metric.starts_with(beginning.as_str())) {
            return Ok(Verdict::Drop);
        }
        series.tags.retain(|(key, _)| key != "rack");
        series.tags.push(("rack".into(), self.settings.rack.clone()));
        Ok(Verdict::Change(series))
    }
}

saker_sdk::export_processor!(SmallestProcessor);

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(metric: &str, tags: &[(&str, &str)]) -> Verdict {
        let settings = saker_sdk::settings::parse(r#"{"rack": "r12", "drop": ["snmp."]}"#).unwrap();
        let series = Series {
            endpoint: "web-1".into(),
            metric: metric.into(),
            tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        SmallestProcessor::open(settings).unwrap().map_series(series).unwrap()
    }

    #[test]
    fn a_series_gets_the_rack_in_place_of_any_other() {
        let Verdict::Change(series) = judged("load.one", &[("rack", "old"), ("zone", "a")]) else { panic!() };
        assert_eq!(series.tags, [("zone".into(), "a".into()), ("rack".into(), "r12".into())]);
    }

    #[test]
    fn what_nobody_wants_is_dropped() {
        assert!(matches!(judged("snmp.in", &[]), Verdict::Drop));
    }

    #[test]
    fn a_rack_without_a_name_is_rejected() {
        let settings = saker_sdk::settings::parse(r#"{"rack": ""}"#).unwrap();
        assert!(matches!(SmallestProcessor::open(settings), Err(OpenError::Settings(_))));
    }
}
