//! What an instance uses of a processor, over a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::failure::Kill;

/// The time that is looked back on, and the pause of one that has used too much.
pub const SHARE_WINDOW: Duration = Duration::from_secs(60);
/// Readings that are kept; beyond, two that follow each other become one. A call a second makes sixty.
const READINGS_MAX: usize = 128;

/// The processor time of the last minute: of all calls, whatever they ended as. It is read off a meter that only grows,
/// so what a call uses after it was given up counts as well, with the next reading.
#[derive(Clone, Debug)]
pub struct CpuQuota {
    readings: VecDeque<(Instant, Duration)>,
    read: Duration,
}

impl CpuQuota {
    /// What the meter shows now does not count; what it shows from now on does.
    #[must_use]
    pub fn since(meter: Duration) -> Self {
        Self { readings: VecDeque::new(), read: meter }
    }

    /// The meter shows so much, of which `free` since the last time was work that was asked for. An error, if the rest
    /// makes more than `percent` of one core over a minute; then the minute begins anew.
    ///
    /// # Errors
    /// [`Kill::Cpu`]
    pub fn read(&mut self, meter: Duration, free: Duration, percent: u32, now: Instant) -> Result<(), Kill> {
        let cpu = meter.saturating_sub(std::mem::replace(&mut self.read, meter)).saturating_sub(free);
        while self.readings.front().is_some_and(|(then, _)| now.duration_since(*then) > SHARE_WINDOW) {
            self.readings.pop_front();
        }
        if cpu.is_zero() {
            return Ok(());
        }
        let full = self.readings.len() >= READINGS_MAX;
        match self.readings.back_mut() {
            Some((_, last)) if full => *last += cpu,
            _ => self.readings.push_back((now, cpu)),
        }
        let total: Duration = self.readings.iter().map(|(_, cpu)| *cpu).sum();
        let used = (total.as_secs_f64() / SHARE_WINDOW.as_secs_f64() * 100.0) as u32;
        if used <= percent {
            return Ok(());
        }
        self.readings.clear();
        Err(Kill::Cpu { percent: used, limit: percent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A share, and its meter.
    struct Metered(CpuQuota, Duration);

    impl Metered {
        fn new() -> Self {
            Self(CpuQuota::since(Duration::from_secs(7)), Duration::from_secs(7))
        }

        fn used(&mut self, cpu: Duration, free: Duration, now: Instant) -> Result<(), Kill> {
            self.1 += cpu;
            self.0.read(self.1, free, 50, now)
        }
    }

    #[test]
    fn a_minute_of_calls_counts_together_and_what_is_older_does_not() {
        let (start, mut share) = (Instant::now(), Metered::new());
        let second = Duration::from_secs(1);
        for n in 0..600 {
            let used = share.used(second / 3, Duration::ZERO, start + second * n);
            assert_eq!(used, Ok(()), "a third of a core, second {n}");
        }
        let mut over = None;
        for n in 600..660 {
            let used = share.used(second, Duration::ZERO, start + second * n);
            over = over.or(used.err().map(|kill| (n, kill)));
        }
        let (n, kill) = over.unwrap();
        assert_eq!(kill, Kill::Cpu { percent: 51, limit: 50 });
        assert!((612..620).contains(&n), "{n}");
    }

    #[test]
    fn many_short_calls_take_no_more_room_and_lose_nothing() {
        let (start, mut share) = (Instant::now(), Metered::new());
        let ms = Duration::from_millis(1);
        let over = (0..60_000).find(|&n| share.used(ms, Duration::ZERO, start + ms * n).is_err());
        assert!(share.0.readings.len() <= READINGS_MAX);
        assert!(over.is_some_and(|n| n < 31_000), "{over:?}");
    }

    #[test]
    fn work_that_was_asked_for_is_free_and_what_it_takes_beyond_counts() {
        let (start, mut share) = (Instant::now(), Metered::new());
        let second = Duration::from_secs(1);
        assert!((0..600).all(|n| share.used(second, second * 2, start + second * n).is_ok()));
        let over = (600..700).find(|&n| share.used(second * 10, second, start + second * n).is_err());
        assert_eq!(over, Some(603), "nine seconds of each ten");
    }
}
