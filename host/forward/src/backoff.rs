//! Pauses between attempts at a destination, which may ask for longer ones.

use std::time::Duration;

use saker_model::Backoff;

/// The longest pause that a destination may ask for, unless pauses are that long anyway: one that asks for a day is wrong,
/// not busy.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// The next pause, not less than the destination asked for.
pub(crate) fn next_pause(backoff: &mut Backoff, asked: Option<Duration>) -> Duration {
    backoff.pause().max(asked.unwrap_or_default().min(ASKED_MAX.max(backoff.max())))
}

#[cfg(test)]
mod tests {
    use saker_model::BackoffConfig;

    use super::*;

    #[test]
    fn what_the_destination_asks_for_is_honoured_within_reason() {
        let config = BackoffConfig { min: Duration::from_millis(100), max: Duration::from_secs(3) };
        let mut backoff = Backoff::new(config, 7);
        assert_eq!(next_pause(&mut backoff, Some(Duration::from_secs(5))), Duration::from_secs(5));
        assert_eq!(next_pause(&mut backoff, Some(Duration::from_secs(86_400))), ASKED_MAX);
        assert!(next_pause(&mut backoff, None) <= config.max);
    }
}
