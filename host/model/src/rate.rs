//! A rate that something may happen at: lines about failures, lines that plugins print.

use std::time::{Duration, Instant};

/// A token bucket: what happens takes a token, and time brings new ones. What finds none is counted.
#[derive(Clone, Debug)]
pub struct Rate {
    per_s: f64,
    burst: f64,
    tokens: f64,
    filled: Option<Instant>,
    dropped: u64,
}

impl Rate {
    /// So many at once, and then one in each `every`.
    #[must_use]
    pub fn new(burst: u32, every: Duration) -> Self {
        let burst = f64::from(burst);
        Self { per_s: every.as_secs_f64().recip(), burst, tokens: burst, filled: None, dropped: 0 }
    }

    /// Takes a token, if there is one: then it answers how many found none since the last one that did.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        let passed = self.filled.map_or(0.0, |filled| now.saturating_duration_since(filled).as_secs_f64());
        self.tokens = (self.tokens + passed * self.per_s).min(self.burst);
        self.filled = Some(now);
        if self.tokens < 1.0 {
            self.dropped += 1;
            return None;
        }
        self.tokens -= 1.0;
        Some(std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_at_a_time_and_the_rest_is_counted() {
        let (start, mut rate) = (Instant::now(), Rate::new(3, Duration::from_secs(10)));
        let passed: Vec<_> = (0..1000).filter_map(|_| rate.take(start)).collect();
        assert_eq!(passed, [0, 0, 0]);
        assert_eq!(rate.take(start + Duration::from_secs(10)), Some(997));
        assert_eq!(rate.take(start + Duration::from_secs(11)), None);
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..10).filter(|_| rate.take(later).is_some()).count(), 3, "an hour brings no larger burst");
    }
}
