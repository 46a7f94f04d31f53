//! When an instance that fails may be called again.
//!
//! ```text
//!            fails                    5 kills within 10 minutes
//! running ──────────► backing off ────────────────────────────► quarantined
//!    ▲                    │                                          │
//!    └────── succeeds ────┘◄── an hour, new file or settings, resumed ┘
//! ```

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use saker_model::{Backoff, BackoffConfig};

use crate::failure::CallError;

/// How patient to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthConfig {
    /// The pauses after failures.
    pub backoff: BackoffConfig,
    /// So many kills or traps…
    pub quarantine_kills: usize,
    /// …within this time lead to quarantine.
    pub quarantine_window: Duration,
    /// After this time in quarantine it is tried once more.
    pub quarantine_retry: Duration,
    /// The pause after a call that hangs in the system: it costs nothing to look whether that is over.
    pub hung_pause: Duration,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            backoff: BackoffConfig { min: Duration::from_secs(1), max: Duration::from_secs(300) },
            quarantine_kills: 5,
            quarantine_window: Duration::from_secs(600),
            quarantine_retry: Duration::from_secs(3600),
            hung_pause: Duration::from_secs(10),
        }
    }
}

/// How an instance fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// Its last call succeeded, or it has not been called.
    Running,
    /// It failed, and is called again at this time at the earliest.
    BackingOff(Instant),
    /// It was killed too often, and is tried again at this time.
    Quarantined(Instant),
}

impl HealthState {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::BackingOff(_) => "backing off",
            Self::Quarantined(_) => "quarantined",
        }
    }
}

/// The state machine above. It is told what happens, and decides; it never waits.
#[derive(Clone, Debug)]
pub struct Health {
    config: HealthConfig,
    state: HealthState,
    backoff: Backoff,
    kills: VecDeque<Instant>,
}

impl Health {
    /// A healthy start.
    #[must_use]
    pub fn new(config: HealthConfig) -> Self {
        // Another seed for each, so that instances that fail together do not come back together.
        let seed = RandomState::new().build_hasher().finish();
        let backoff = Backoff::new(config.backoff, seed);
        Self { config, state: HealthState::Running, backoff, kills: VecDeque::new() }
    }

    /// Somebody wants it to be tried at once, whatever has been.
    pub fn resume(&mut self) {
        self.succeeded();
        self.kills.clear();
    }

    /// It used more than its share of a processor, and is left alone for so long; again and again leads to quarantine.
    pub fn throttled(&mut self, pause: Duration, now: Instant) {
        let until = match self.state {
            HealthState::Running => now,
            HealthState::BackingOff(until) | HealthState::Quarantined(until) => until,
        };
        let quarantined = matches!(self.state, HealthState::Quarantined(_));
        self.state = if self.killed(now) {
            HealthState::Quarantined(until.max(now + self.config.quarantine_retry))
        } else if quarantined {
            HealthState::Quarantined(until.max(now + pause))
        } else {
            HealthState::BackingOff(until.max(now + pause))
        };
    }

    /// How it fares.
    #[must_use]
    pub fn state(&self) -> HealthState {
        self.state
    }

    /// Whether it may be called.
    #[must_use]
    pub fn may_call(&self, now: Instant) -> bool {
        match self.state {
            HealthState::Running => true,
            HealthState::BackingOff(until) | HealthState::Quarantined(until) => now >= until,
        }
    }

    /// A call succeeded.
    pub fn succeeded(&mut self) {
        self.state = HealthState::Running;
        self.backoff.reset();
    }

    /// A call failed. One that hangs in the system says nothing about the plugin: it counts as no failure of its own.
    pub fn failed(&mut self, error: &CallError, now: Instant) {
        if matches!(error, CallError::Hung(_)) {
            self.state = HealthState::BackingOff(now + self.config.hung_pause);
            return;
        }
        let pause = self.backoff.pause();
        let again_after_quarantine = matches!(self.state, HealthState::Quarantined(_));
        let killed = matches!(error, CallError::Killed(_));
        self.state = if killed && (self.killed(now) || again_after_quarantine) {
            self.kills.clear();
            HealthState::Quarantined(now + self.config.quarantine_retry)
        } else {
            HealthState::BackingOff(now + pause)
        };
    }

    /// Counts a kill; whether it was one too many.
    fn killed(&mut self, now: Instant) -> bool {
        self.kills.push_back(now);
        while self.kills.front().is_some_and(|&then| now.duration_since(then) > self.config.quarantine_window) {
            self.kills.pop_front();
        }
        self.kills.len() >= self.config.quarantine_kills
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Kill, PluginFault};
    use crate::hang::Hang;

    fn killed() -> CallError {
        Kill::Memory { limit: 1 }.into()
    }

    fn pause(health: &Health, now: Instant) -> Duration {
        match health.state() {
            HealthState::Running => Duration::ZERO,
            HealthState::BackingOff(until) | HealthState::Quarantined(until) => until.duration_since(now),
        }
    }

    #[test]
    fn pauses_double_with_jitter_up_to_a_cap_and_a_success_ends_them() {
        let now = Instant::now();
        let mut health = Health::new(HealthConfig::default());
        let error = PluginFault::Other("x".into()).into();
        for full in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map(Duration::from_secs) {
            health.failed(&error, now);
            let pause = pause(&health, now);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        assert!(!health.may_call(now) && health.may_call(now + Duration::from_secs(300)));
        health.succeeded();
        assert!(health.may_call(now));
        health.failed(&error, now);
        assert!(pause(&health, now) <= Duration::from_secs(1));
    }

    #[test]
    fn two_that_fail_together_do_not_come_back_together() {
        let now = Instant::now();
        let pauses: Vec<_> = (0..8)
            .map(|_| {
                let mut health = Health::new(HealthConfig::default());
                health.failed(&killed(), now);
                pause(&health, now)
            })
            .collect();
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }

    #[test]
    fn whoever_is_resumed_may_be_called_and_begins_anew() {
        let now = Instant::now();
        let mut health = Health::new(HealthConfig::default());
        (0..5).for_each(|_| health.failed(&killed(), now));
        assert!(matches!(health.state(), HealthState::Quarantined(_)) && !health.may_call(now));
        health.resume();
        assert!(health.may_call(now));
        health.failed(&killed(), now);
        assert!(matches!(health.state(), HealthState::BackingOff(_)), "one kill does not lead back to quarantine");
    }

    #[test]
    fn who_uses_too_much_is_left_alone_and_then_quarantined() {
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let mut health = Health::new(HealthConfig::default());
        for _ in 0..4 {
            health.throttled(minute, now);
            assert_eq!(health.state(), HealthState::BackingOff(now + minute));
        }
        health.throttled(minute, now);
        assert!(matches!(health.state(), HealthState::Quarantined(_)));
    }

    #[test]
    fn a_call_that_fails_and_uses_too_much_pauses_for_the_longer_of_both() {
        let (now, minute) = (Instant::now(), Duration::from_secs(60));
        let mut health = Health::new(HealthConfig::default());
        health.failed(&PluginFault::Other("x".into()).into(), now);
        health.throttled(minute, now);
        assert_eq!(health.state(), HealthState::BackingOff(now + minute));
        (0..5).for_each(|_| health.failed(&killed(), now));
        health.throttled(minute, now);
        assert_eq!(health.state(), HealthState::Quarantined(now + Duration::from_secs(3600)));
    }

    #[test]
    fn the_fifth_kill_within_the_window_leads_to_quarantine() {
        let start = Instant::now();
        let mut health = Health::new(HealthConfig::default());
        for minute in [0, 1, 2, 3, 4] {
            assert!(matches!(health.state(), HealthState::Running | HealthState::BackingOff(_)));
            health.failed(&killed(), start + Duration::from_secs(60 * minute));
        }
        assert_eq!(health.state(), HealthState::Quarantined(start + Duration::from_secs(240 + 3600)));
        let later = start + Duration::from_secs(4000);
        health.failed(&killed(), later);
        assert_eq!(
            health.state(),
            HealthState::Quarantined(later + Duration::from_secs(3600)),
            "one more kill is enough"
        );
    }

    #[test]
    fn what_hangs_in_the_system_is_looked_at_again_soon_and_never_quarantined() {
        let now = Instant::now();
        let mut health = Health::new(HealthConfig::default());
        let hung = CallError::from(Hang::Call { export: "collect", limit: Duration::from_secs(5), wait: "x".into() });
        for _ in 0..100 {
            health.failed(&hung, now);
            assert_eq!(health.state(), HealthState::BackingOff(now + Duration::from_secs(10)));
        }
        health.failed(&killed(), now);
        assert!(pause(&health, now) <= Duration::from_secs(1), "nor is the next pause longer for it");
    }

    #[test]
    fn kills_far_apart_and_plain_errors_do_not_quarantine() {
        let start = Instant::now();
        let mut health = Health::new(HealthConfig::default());
        for hour in 0..10 {
            health.failed(&killed(), start + Duration::from_secs(3600 * hour));
            health.failed(&PluginFault::Unavailable("x".into()).into(), start + Duration::from_secs(3600 * hour));
        }
        assert!(matches!(health.state(), HealthState::BackingOff(_)));
    }
}
