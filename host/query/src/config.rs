//! What `[query]` says.

use std::sync::Arc;
use std::time::Duration;

use saker_config::{ByteSize, ConfigTable};
use saker_pipeline::reader::ReadLimits;

use crate::eval::EvalSettings;
use crate::peers::{PEERS_MAX, Peer};

/// How queries are run, and what one may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryConfig {
    /// Threads that evaluate, each one query at a time.
    pub threads: usize,
    /// Queries that may wait for a thread; beyond that they are rejected.
    pub waiting: usize,
    /// What one query may cost.
    pub limits: ReadLimits,
    /// How far back a selector looks for a value.
    pub lookback: Duration,
    /// Series that one selector may find.
    pub series: usize,
    /// Queries that take longer are logged.
    pub slow: Duration,
    /// Other agents that hold series which are asked for here.
    pub peers: Arc<[Peer]>,
}

/// Two dashboards at once; the rest of the machine is the agent's and everybody else's.
const THREADS: usize = 2;
/// More threads than this help no query.
const THREADS_MAX: usize = 64;
/// A dashboard's panels, several times.
const WAITING: usize = 100;

impl Default for QueryConfig {
    fn default() -> Self {
        let settings = EvalSettings::default();
        Self {
            threads: THREADS,
            waiting: WAITING,
            limits: ReadLimits::default(),
            lookback: Duration::from_millis(settings.lookback_ms.unsigned_abs()),
            series: settings.series_max,
            slow: Duration::from_secs(1),
            peers: Arc::default(),
        }
    }
}

impl QueryConfig {
    /// Reads `[query]`.
    #[must_use]
    pub fn read(mut table: ConfigTable<'_>) -> Self {
        let default = Self::default();
        let threads = table.at_least("threads", default.threads, 1);
        if threads > THREADS_MAX {
            table.wrong("threads", format!("must be at most {THREADS_MAX}"));
        }
        let limits = ReadLimits {
            samples: table.at_least("max_samples", default.limits.samples as usize, 1) as u64,
            memory_bytes: table.get("max_memory_bytes", ByteSize(default.limits.memory_bytes as usize)).0 as u64,
            time: table.get("timeout", default.limits.time),
        };
        let lookback = table.get("lookback", default.lookback);
        if lookback.as_millis() == 0 || lookback > LOOKBACK_MAX {
            table.wrong("lookback", "must be 1ms to 1d");
        }
        let peers = peers(&mut table);
        let config = Self {
            threads: threads.clamp(1, THREADS_MAX),
            waiting: table.get("max_waiting", default.waiting),
            limits,
            lookback: lookback.clamp(Duration::from_millis(1), LOOKBACK_MAX),
            series: table.at_least("max_series", default.series, 1),
            slow: table.get("slow", default.slow),
            peers,
        };
        table.finish();
        config
    }

    /// How queries are evaluated.
    #[must_use]
    pub fn settings(&self) -> EvalSettings {
        EvalSettings {
            lookback_ms: i64::try_from(self.lookback.as_millis()).unwrap_or(i64::MAX),
            series_max: self.series,
            ..EvalSettings::default()
        }
    }
}

fn peers(table: &mut ConfigTable<'_>) -> Arc<[Peer]> {
    let urls: Vec<String> = table.get("peers", Vec::new());
    if urls.len() > PEERS_MAX {
        let why =
            format!("must be at most {PEERS_MAX}: every question goes to all; docs/query.md says what to use beyond");
        table.wrong("peers", why);
    }
    let mut peers = Vec::new();
    for url in urls {
        match Peer::parse(&url) {
            Some(peer) if !peers.contains(&peer) => peers.push(peer),
            Some(_) => table.wrong("peers", format!("{url:?} is there twice")),
            None => table.wrong("peers", format!("must be http://HOST:PORT, not {url:?}")),
        }
    }
    peers.truncate(PEERS_MAX);
    peers.into()
}

/// A value that is a day old says nothing of now.
const LOOKBACK_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use saker_config::{ConfigSource, ReadContext};

    fn read(arguments: &[(&str, &str)]) -> (QueryConfig, usize) {
        let arguments = arguments.iter().map(|(key, value)| (format!("query.{key}"), (*value).to_owned())).collect();
        let source = ConfigSource { arguments, ..ConfigSource::default() };
        let reading = ReadContext::new(&source);
        let config = QueryConfig::read(reading.root(None).table("query"));
        (config, reading.finish(true).0.len())
    }

    #[test]
    fn what_is_not_given_is_at_its_default() {
        assert_eq!(read(&[]), (QueryConfig::default(), 0));
    }

    #[test]
    fn every_key_is_read_and_nonsense_is_a_mistake() {
        let (config, mistakes) = read(&[
            ("threads", "4"),
            ("max_waiting", "7"),
            ("max_samples", "1000"),
            ("max_memory_bytes", "1MiB"),
            ("timeout", "5s"),
            ("lookback", "1m"),
            ("max_series", "9"),
            ("slow", "2s"),
            ("peers", "http://b:1988/"),
        ]);
        let limits = ReadLimits { samples: 1000, memory_bytes: 1 << 20, time: Duration::from_secs(5) };
        let expected = QueryConfig {
            threads: 4,
            waiting: 7,
            limits,
            lookback: Duration::from_secs(60),
            series: 9,
            slow: Duration::from_secs(2),
            peers: [Peer::parse("http://b:1988").unwrap()].into(),
        };
        assert_eq!((config, mistakes), (expected, 0));
        for wrong in [
            ("threads", "0"),
            ("threads", "1000"),
            ("lookback", "0s"),
            ("lookback", "9d"),
            ("max_series", "0"),
            ("peers", "b:1988"),
            ("peers", "http://b"),
        ] {
            assert_eq!(read(&[wrong]).1, 1, "{wrong:?}");
        }
    }
}
