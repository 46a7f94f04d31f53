//! Pauses between attempts.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A pause doubles no more often than this: beyond, every pause is the longest.
const DOUBLINGS_MAX: u32 = 20;

/// How long to wait after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// After the first; it doubles with every failure in a row.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

/// Pauses that double, with jitter, so that those that fail together do not come back in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    failures: u32,
    seed: u64,
}

impl Backoff {
    /// No failure yet. `seed` sets the jitter: each that pauses should have another.
    #[must_use]
    pub fn new(config: BackoffConfig, seed: u64) -> Self {
        Self { config, failures: 0, seed }
    }

    /// An attempt has succeeded: the next pause is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The longest pause.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.config.max
    }

    /// An attempt has failed: the pause before the next, between half and all of the doubled time.
    pub fn pause(&mut self) -> Duration {
        let full = self.config.min.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(self.config.max);
        self.failures = self.failures.saturating_add(1);
        let random = xxh3_64_with_seed(&self.failures.to_le_bytes(), self.seed) >> 40;
        full.mul_f64(0.5 + 0.5 * random as f64 / (1 << 24) as f64)
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
            let pause = backoff.pause();
            let full = Duration::from_millis(full_ms);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= CONFIG.min);
    }

    #[test]
    fn two_with_other_seeds_do_not_pause_alike() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(CONFIG, seed);
            (0..4).map(|_| backoff.pause()).collect::<Vec<_>>()
        };
        assert_ne!(pauses(1), pauses(2));
    }
}
