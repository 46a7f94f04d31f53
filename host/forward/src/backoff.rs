//! Pauses between attempts.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How long to wait after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// After the first; it doubles with every failure in a row.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

/// The longest pause that a destination may ask for, unless pauses are that long anyway: one that asks for a day is wrong,
/// not busy.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// Pauses that double, with jitter, so that many agents do not come back to a server in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    config: BackoffConfig,
    failures: u32,
    seed: u64,
}

impl Backoff {
    /// `seed` sets the jitter: each node of each agent has another.
    pub(crate) fn new(config: BackoffConfig, seed: u64) -> Self {
        Self { config, failures: 0, seed }
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next pause: between half and all of the doubled time, and not less than the destination asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let full = self.config.min.saturating_mul(1 << self.failures.min(20)).min(self.config.max);
        self.failures = self.failures.saturating_add(1);
        let random = xxh3_64_with_seed(&self.failures.to_le_bytes(), self.seed) >> 40;
        let jittered = full.mul_f64(0.5 + 0.5 * random as f64 / (1 << 24) as f64);
        jittered.max(asked.unwrap_or_default().min(ASKED_MAX.max(self.config.max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BackoffConfig = BackoffConfig { min: Duration::from_millis(100), max: Duration::from_secs(3) };

    #[test]
    fn pauses_double_with_jitter_up_to_a_cap() {
        let mut backoff = Backoff::new(CONFIG, 7);
        for full_ms in [100, 200, 400, 800, 1600, 3000, 3000] {
            let pause = backoff.next(None);
            let full = Duration::from_millis(full_ms);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next(None) <= CONFIG.min);
    }

    #[test]
    fn two_agents_do_not_pause_alike() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(CONFIG, seed);
            (0..4).map(|_| backoff.next(None)).collect::<Vec<_>>()
        };
        assert_ne!(pauses(1), pauses(2));
    }

    #[test]
    fn what_the_destination_asks_for_is_honoured_within_reason() {
        let mut backoff = Backoff::new(CONFIG, 7);
        assert_eq!(backoff.next(Some(Duration::from_secs(5))), Duration::from_secs(5));
        assert_eq!(backoff.next(Some(Duration::from_secs(86_400))), ASKED_MAX);
    }
}
