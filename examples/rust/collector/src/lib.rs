//! The `smallest-collector`: how many processes have wanted a processor of late, from `/proc/loadavg`.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of the collector. The agent checks them against this before it opens an instance.
    pub struct Settings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
    }
}

/// One instance: what it keeps from run to run.
pub struct SmallestCollector {
    path: String,
}

impl Collector for SmallestCollector {
    type Settings = Settings;

    fn describe() -> Description {
        Description::new("smallest-collector", env!("CARGO_PKG_VERSION"), "The load averages of this host")
            .requests(read("/proc"), "the figures are in /proc/loadavg")
    }

    fn open(settings: Settings) -> Result<Self, OpenError> {
        Ok(Self { path: format!("{}/loadavg", settings.proc) })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        values(&text::read(&self.path)?, &self.path)
    }
}

saker_sdk::export_collector!(SmallestCollector);

/// The file begins with three means: over one, five and fifteen minutes.
fn values(text: &str, path: &str) -> Result<Vec<Sample>, CollectError> {
    let &[one, five, fifteen, ..] = text.split_whitespace().collect::<Vec<_>>().as_slice() else {
        return Err(CollectError::malformed(path, &format!("three numbers, found {text:?}")));
    };
    Ok(vec![
        Sample::gauge("load.one", text::number(one, path)?),
        Sample::gauge("load.five", text::number(five, path)?),
        Sample::gauge("load.fifteen", text::number(fifteen, path)?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_means_are_reported() {
        let values = values("0.20 0.18 0.12 1/80 11206\n", "loadavg").unwrap();
        let found: Vec<_> = values.iter().map(|value| (value.metric.as_str(), value.value)).collect();
        assert_eq!(found, [("load.one", 0.20), ("load.five", 0.18), ("load.fifteen", 0.12)]);
    }

    #[test]
    fn nonsense_is_named_with_its_place() {
        for text in ["", "0.20 0.18", "0.20 0.18 many"] {
            let error = values(text, "/proc/loadavg").unwrap_err();
            assert!(matches!(error, CollectError::Malformed(text) if text.starts_with("/proc/loadavg: ")));
        }
    }
}
