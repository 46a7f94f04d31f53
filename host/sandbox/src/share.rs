//! What a collector uses of a processor, over a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::failure::Kill;

/// The time that is looked back on.
pub const SHARE_WINDOW: Duration = Duration::from_secs(60);
/// Readings that are kept; beyond, two that follow each other become one. A call a second makes sixty.
const READINGS_MAX: usize = 128;

/// The processor time of the calls of the last minute.
#[derive(Clone, Debug, Default)]
pub struct Share {
    readings: VecDeque<(Instant, Duration)>,
}

impl Share {
    /// A call has used so much. An error, if that makes more than `percent` of one core over a minute; then the minute
    /// begins anew.
    ///
    /// # Errors
    /// [`Kill::Cpu`]
    pub fn used(&mut self, cpu: Duration, percent: u32, now: Instant) -> Result<(), Kill> {
        while self.readings.front().is_some_and(|(then, _)| now.duration_since(*then) > SHARE_WINDOW) {
            self.readings.pop_front();
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

    #[test]
    fn a_minute_of_calls_counts_together_and_what_is_older_does_not() {
        let (start, mut share) = (Instant::now(), Share::default());
        let second = Duration::from_secs(1);
        for n in 0..600 {
            assert_eq!(share.used(second / 3, 50, start + second * n), Ok(()), "a third of a core, second {n}");
        }
        let mut over = None;
        for n in 600..660 {
            over = over.or(share.used(second, 50, start + second * n).err().map(|kill| (n, kill)));
        }
        let (n, kill) = over.unwrap();
        assert_eq!(kill, Kill::Cpu { percent: 51, limit: 50 });
        assert!((612..620).contains(&n), "{n}");
    }

    #[test]
    fn many_short_calls_take_no_more_room_and_lose_nothing() {
        let (start, mut share) = (Instant::now(), Share::default());
        let ms = Duration::from_millis(1);
        let over = (0..60_000).find(|&n| share.used(ms, 50, start + ms * n).is_err());
        assert!(share.readings.len() <= READINGS_MAX);
        assert!(over.is_some_and(|n| n < 31_000), "{over:?}");
    }
}
