//! What is wrong with lines, in the log: a sender that nobody answers has no other way to learn it.

use std::net::SocketAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::reading::Report;

/// So seldom it is said; what comes between is counted with the next.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Says from time to time what is wrong.
pub(super) struct FaultLog {
    listener: &'static str,
    inner: Mutex<FaultsInner>,
}

#[derive(Default)]
struct FaultsInner {
    said: Option<Instant>,
    /// Since it was said.
    faulty: u64,
}

impl FaultLog {
    pub(super) fn new(listener: &'static str) -> Self {
        Self { listener, inner: Mutex::default() }
    }

    /// Notes the faults of what somebody has sent.
    pub(super) fn note(&self, from: SocketAddr, report: &Report) {
        if report.faulty == 0 {
            return;
        }
        let Some(faulty) = self.due(report.faulty) else { return };
        let what = report.faults.first().map_or("", |fault| fault.what.as_str());
        let listener = self.listener;
        tracing::warn!(listener, %from, "{faulty} lines or values were rejected; of the last, the first: {what}");
    }

    /// How many there were since it was last said, if it is to be said again.
    fn due(&self, faulty: u64) -> Option<u64> {
        let (mut inner, now) = (self.inner.lock(), Instant::now());
        inner.faulty += faulty;
        if inner.said.is_some_and(|said| now - said < LOG_EVERY) {
            return None;
        }
        inner.said = Some(now);
        Some(std::mem::take(&mut inner.faulty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_million_faults_are_said_in_one_line_each_ten_seconds() {
        let log = FaultLog::new("test");
        assert_eq!(log.due(1), Some(1));
        for _ in 0..1_000_000 {
            assert_eq!(log.due(1), None);
        }
        tokio::time::advance(LOG_EVERY).await;
        assert_eq!(log.due(2), Some(1_000_002));
    }
}
