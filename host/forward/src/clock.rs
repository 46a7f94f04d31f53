//! The clocks that the age of a queue goes by: the boot's own, which nobody can set, and the wall clock, which tells what
//! passed between two boots and may be wrong.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// Where a boot is named.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What tells the time.
pub trait Clock: Send + Sync {
    /// Which boot this is; none if nobody says so, and then every process counts as one of another boot.
    fn boot(&self) -> Option<u128>;

    /// The time that the boot has run for, what it slept included. It never goes back and cannot be set.
    fn running(&self) -> Duration;

    /// Milliseconds since 1970-01-01 UTC, as far as the machine knows.
    fn wall_ms(&self) -> u64;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    boot: Option<u128>,
}

impl Default for SystemClock {
    fn default() -> Self {
        let digits = std::fs::read_to_string(BOOT_ID).map(|id| id.trim().replace('-', ""));
        Self { boot: digits.ok().and_then(|digits| u128::from_str_radix(&digits, 16).ok()) }
    }
}

impl Clock for SystemClock {
    fn boot(&self) -> Option<u128> {
        self.boot
    }

    fn running(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
pub(crate) mod by_hand {
    //! A machine whose clocks are set by hand.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Clock, Duration};

    pub(crate) const START_MS: u64 = 1_790_000_000_000;
    const MINUTE_MS: u64 = 60_000;
    const STEP_MS: u64 = 100;

    #[derive(Default)]
    pub(crate) struct Machine {
        boot: AtomicU64,
        running_ms: AtomicU64,
        wall_ms: AtomicU64,
    }

    impl Machine {
        pub(crate) fn new() -> Arc<Self> {
            let machine = Self::default();
            machine.boot(START_MS);
            Arc::new(machine)
        }

        /// It boots, and its clock says this.
        pub(crate) fn boot(&self, wall_ms: u64) {
            self.boot.fetch_add(1, Ordering::Relaxed);
            self.running_ms.store(MINUTE_MS, Ordering::Relaxed);
            self.set(wall_ms);
        }

        /// Somebody sets its clock.
        pub(crate) fn set(&self, wall_ms: u64) {
            self.wall_ms.store(wall_ms, Ordering::Relaxed);
        }

        /// Time passes, in steps: who reads one clock before and the other after a step sees no clock that was set.
        pub(crate) fn run(&self, ms: u64) {
            let mut left = ms;
            while left > 0 {
                let step = left.min(STEP_MS);
                self.running_ms.fetch_add(step, Ordering::Relaxed);
                self.wall_ms.fetch_add(step, Ordering::Relaxed);
                left -= step;
            }
        }
    }

    impl Clock for Machine {
        fn boot(&self) -> Option<u128> {
            Some(self.boot.load(Ordering::Relaxed).into())
        }

        fn running(&self) -> Duration {
            Duration::from_millis(self.running_ms.load(Ordering::Relaxed))
        }

        fn wall_ms(&self) -> u64 {
            self.wall_ms.load(Ordering::Relaxed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_names_its_boot_and_tells_how_long_it_has_run() {
        let clock = SystemClock::default();
        assert_eq!(clock.boot(), SystemClock::default().boot());
        let before = clock.running();
        assert!(clock.running() >= before && before > Duration::ZERO && clock.wall_ms() > 0);
    }
}
