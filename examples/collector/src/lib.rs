//! A collector for `/proc/sys/fs/file-nr`: how many files are open on this host, and how many may be.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of the `file-nr` collector.
    pub struct FileNrSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
    }
}

/// The collector.
pub struct FileNr {
    path: String,
}

impl Collector for FileNr {
    type Settings = FileNrSettings;

    fn describe() -> Description {
        Description::new("file-nr", env!("CARGO_PKG_VERSION"), "How many files are open, and how many may be")
            .wants(read("/proc"), "the figures are in /proc/sys/fs/file-nr")
    }

    fn open(settings: FileNrSettings) -> Result<Self, OpenError> {
        Ok(Self { path: format!("{}/sys/fs/file-nr", settings.proc) })
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        values(&text::read(&self.path)?, &self.path)
    }
}

saker_sdk::export_collector!(FileNr);

/// The file holds three numbers: allocated, unused (always 0 since Linux 2.6), and the most there may be.
fn values(text: &str, path: &str) -> Result<Vec<MetricValue>, CollectError> {
    let [allocated, _, most] = *text.split_whitespace().collect::<Vec<_>>() else {
        return Err(CollectError::malformed(path, &format!("three numbers, found {text:?}")));
    };
    Ok(vec![
        MetricValue::gauge("filenr.allocated", text::number(allocated, path)?),
        MetricValue::gauge("filenr.max", text::number(most, path)?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_third_number_are_reported() {
        let values = values("2656\t0\t9223372\n", "file-nr").unwrap();
        let found: Vec<_> = values.iter().map(|value| (value.metric.as_str(), value.value)).collect();
        assert_eq!(found, [("filenr.allocated", 2656.0), ("filenr.max", 9_223_372.0)]);
    }

    #[test]
    fn nonsense_is_named_with_its_place() {
        for text in ["", "many\n", "1 2", "1 2 x"] {
            let error = values(text, "/proc/sys/fs/file-nr").unwrap_err();
            assert!(matches!(error, CollectError::Malformed(text) if text.starts_with("/proc/sys/fs/file-nr: ")));
        }
    }
}
