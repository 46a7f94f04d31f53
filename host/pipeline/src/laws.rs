//! Looks from time to time whether the counters add up, and says so once if they do not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Breach, Law};
use parking_lot::Mutex;

/// How often it looks.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// What was found so far.
#[derive(Debug, Default)]
pub struct LawWatch {
    broken: Mutex<BTreeSet<(Law, String)>>,
    breaches: [AtomicU64; Law::ALL.len()],
}

impl LawWatch {
    /// Notes what does not add up now. What has not before is counted, and said with its numbers.
    pub fn look(&self, found: &[Breach]) {
        let mut broken = self.broken.lock();
        for Breach { law, of, numbers } in found {
            if broken.insert((*law, of.clone())) {
                self.breaches[*law as usize].fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    law = law.as_str(),
                    "the counters of {of} do not add up, which is a mistake in saker: {numbers}"
                );
            }
        }
        // Counters only grow: what adds up again was read too early, or has lost as much elsewhere.
        broken.retain(|(law, of)| found.iter().any(|breach| breach.law == *law && breach.of == *of));
    }

    /// How often each law was found broken.
    pub fn breaches(&self) -> impl Iterator<Item = (Law, u64)> + '_ {
        Law::ALL.into_iter().map(|law| (law, self.breaches[law as usize].load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_is_counted_when_it_begins() {
        let laws = LawWatch::default();
        let breach = |of: &str| Breach { law: Law::Accepted, of: of.into(), numbers: "1 and 2".into() };
        laws.look(&[breach("destination a")]);
        laws.look(&[breach("destination a"), breach("destination b")]);
        laws.look(&[]);
        laws.look(&[breach("destination a")]);
        let counts: Vec<_> = laws.breaches().map(|(_, count)| count).collect();
        assert_eq!(counts, [0, 3, 0]);
    }
}
