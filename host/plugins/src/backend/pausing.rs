//! When a destination whose backend is killed is left alone. Its queue keeps what comes meanwhile.

use std::time::{Duration, Instant};

use saker_sandbox::{CallError, Health, HealthConfig, HealthState, Kill};

/// Traps in a row that are part of finding the point that is to blame: a full batch of 10,000 is halved fourteen times,
/// each time by a session that breaks.
const TRAPS_MAX: u32 = 20;
/// How long a destination pauses that is killed again and again. Points wait for it, so it is tried sooner than a
/// collector is, of which only the next value counts.
const PAUSE: Duration = Duration::from_secs(300);

/// How a destination fares.
pub(super) struct KillPause {
    health: Health,
    traps_in_a_row: u32,
}

impl Default for KillPause {
    fn default() -> Self {
        let config = HealthConfig { quarantine_retry: PAUSE, ..HealthConfig::default() };
        Self { health: Health::new(config), traps_in_a_row: 0 }
    }
}

impl KillPause {
    pub(super) fn state(&self) -> HealthState {
        self.health.state()
    }

    /// The time that it is still left alone for, if it is.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        match self.health.state() {
            HealthState::Running => None,
            HealthState::BackingOff(until) | HealthState::Quarantined(until) => {
                until.checked_duration_since(now).filter(|left| !left.is_zero())
            }
        }
    }

    /// It has answered, whatever it said.
    pub(super) fn succeeded(&mut self) {
        if self.traps_in_a_row > 0 || self.health.state() != HealthState::Running {
            self.resume();
        }
    }

    /// Its backend did not come to an end by itself. An error of the backend's own is for the sender to pause for.
    pub(super) fn failed(&mut self, error: &CallError, now: Instant) {
        match error {
            CallError::Killed(Kill::Trap { .. } | Kill::Stack { .. }) if self.traps_in_a_row < TRAPS_MAX => {
                self.traps_in_a_row += 1;
            }
            CallError::Killed(_) | CallError::Hung(_) => self.health.failed(error, now),
            CallError::Plugin(_) | CallError::Denied(_) | CallError::Grant(_) | CallError::Host(_) => {}
        }
    }

    /// It is to be tried at once.
    pub(super) fn resume(&mut self) {
        self.health.resume();
        self.traps_in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late() -> CallError {
        Kill::Deadline { export: "write", limit: Duration::from_secs(10) }.into()
    }

    #[test]
    fn a_destination_killed_again_and_again_pauses_until_resumed() {
        let now = Instant::now();
        let mut pausing = KillPause::default();
        for _ in 0..4 {
            pausing.failed(&late(), now);
            assert!(matches!(pausing.state(), HealthState::BackingOff(_)));
        }
        pausing.failed(&late(), now);
        assert_eq!((pausing.state(), pausing.left(now)), (HealthState::Quarantined(now + PAUSE), Some(PAUSE)));
        assert_eq!(pausing.left(now + PAUSE), None);
        pausing.resume();
        assert_eq!(pausing.left(now), None);
        (0..5).for_each(|_| pausing.failed(&late(), now));
        pausing.succeeded();
        pausing.failed(&late(), now);
        assert!(matches!(pausing.state(), HealthState::BackingOff(_)), "an answer makes good for all before");
    }

    #[test]
    fn a_point_that_makes_a_backend_trap_is_found_before_it_pauses() {
        let now = Instant::now();
        let trap: CallError = Kill::Trap { reason: "unreachable".into(), frames: Vec::new() }.into();
        let mut pausing = KillPause::default();
        (0..TRAPS_MAX).for_each(|_| pausing.failed(&trap, now));
        assert_eq!(pausing.left(now), None);
        (0..5).for_each(|_| pausing.failed(&trap, now));
        assert!(matches!(pausing.state(), HealthState::Quarantined(_)));
    }

    #[test]
    fn errors_of_the_backends_own_do_not_pause_it() {
        let now = Instant::now();
        let mut pausing = KillPause::default();
        for _ in 0..50 {
            pausing.failed(&saker_sandbox::PluginFault::Unavailable("away".into()).into(), now);
            pausing.failed(&CallError::Host("x".into()), now);
        }
        assert_eq!(pausing.left(now), None);
        for _ in 0..50 {
            pausing.failed(&saker_sandbox::Hang::NoThread { waited: Duration::from_secs(5) }.into(), now);
        }
        assert_eq!(pausing.left(now), Some(Duration::from_secs(10)));
    }
}
