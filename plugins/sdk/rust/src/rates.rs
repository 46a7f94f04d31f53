//! Totals that grow, such as the kernel's counters, and how they have changed from one run to the next.
//!
//! ```
//! use saker_sdk::rates::Rates;
//! # use saker_sdk::Run;
//! # let run = |timestamp_ms| Run { timestamp_ms, interval_ms: 10_000 };
//!
//! let mut rates = Rates::restore();
//! rates.begin(&run(1_000));
//! assert_eq!(rates.change("eth0", [4_000, 100]), None, "nothing to compare with yet");
//! rates.begin(&run(11_000));
//! let change = rates.change("eth0", [9_000, 100]).unwrap();
//! assert_eq!(change.per_second(), Some([500.0, 0.0]));
//! rates.keep();
//! ```

use std::rc::Rc;

use crate::collector::Run;
use crate::host;

/// The first byte of what is kept: another version's form is not mistaken for this one's.
const FORM: u8 = 1;
/// What the agent keeps for an instance, in bytes.
const STATE_LIMIT: usize = 64 * 1024;

/// What was told in this run and in the one before: rows of `N` totals, by names.
#[derive(Clone, Debug)]
pub struct Rates<const N: usize> {
    before: Option<Reading<N>>,
    now: Option<Reading<N>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading<const N: usize> {
    /// The run's time, in milliseconds since 1970.
    at_ms: i64,
    rows: Vec<(Rc<str>, [u64; N])>,
}

/// A row of totals now and one run before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delta<const N: usize> {
    /// What they are.
    pub now: [u64; N],
    /// What they were.
    pub before: [u64; N],
    /// The time in between: more than nothing.
    pub seconds: f64,
}

impl<const N: usize> Rates<N> {
    /// Goes on from what the predecessor has [kept](Self::keep), if it has: then the first run has rates already.
    #[must_use]
    pub fn restore() -> Self {
        Self { before: None, now: host::load_state().and_then(|bytes| Reading::from_bytes(&bytes)) }
    }

    /// Begins a run: what was told in the last one is compared with from now on. Call it when everything was read, so
    /// that a run that fails loses nothing.
    pub fn begin(&mut self, run: &Run) {
        let rows = Vec::with_capacity(self.now.as_ref().map_or(0, |reading| reading.rows.len()));
        self.before = self.now.replace(Reading { at_ms: run.timestamp_ms, rows });
    }

    /// Tells the totals of one name, once a run, and compares them with those of the run before.
    ///
    /// None if the name is new, if no time has passed or the clock was set back, or before the first
    /// [`begin`](Self::begin).
    pub fn change(&mut self, name: &str, totals: [u64; N]) -> Option<Delta<N>> {
        let now = self.now.as_mut()?;
        // It most likely stands where it stood.
        let then = self.before.as_ref().and_then(|before| {
            let same = |row: &&(Rc<str>, [u64; N])| *row.0 == *name;
            let row = before.rows.get(now.rows.len()).filter(same).or_else(|| before.rows.iter().find(same))?;
            Some((row, now.at_ms.checked_sub(before.at_ms)?))
        });
        now.rows.push((then.map_or_else(|| name.into(), |((name, _), _)| Rc::clone(name)), totals));
        let ((_, before), passed_ms) = then.filter(|(_, passed_ms)| *passed_ms > 0)?;
        Some(Delta { now: totals, before: *before, seconds: passed_ms as f64 / 1000.0 })
    }

    /// Keeps what was told in this run for a successor, in the place of any other state of the plugin. What does not
    /// fit into the agent's 64 KiB, a successor lacks for one run.
    pub fn keep(&self) {
        if let Some(now) = &self.now
            && host::save_state(&now.to_bytes()).is_err()
        {
            host::log(host::Level::Debug, "the totals are too long to be kept for a successor");
        }
    }
}

impl<const N: usize> Delta<N> {
    /// By how much each total has grown in a second, as a mean; none if one has gone back, because its source has
    /// started anew.
    #[must_use]
    pub fn per_second(&self) -> Option<[f64; N]> {
        let mut rates = [0.0; N];
        for ((rate, now), before) in rates.iter_mut().zip(self.now).zip(self.before) {
            *rate = now.checked_sub(before)? as f64 / self.seconds;
        }
        Some(rates)
    }
}

impl<const N: usize> Reading<N> {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(9 + (17 + 8 * N) * self.rows.len());
        bytes.push(FORM);
        bytes.extend(self.at_ms.to_le_bytes());
        for (name, totals) in &self.rows {
            let Ok(length) = u8::try_from(name.len()) else { continue };
            if bytes.len() + 1 + name.len() + 8 * N > STATE_LIMIT {
                break;
            }
            bytes.push(length);
            bytes.extend(name.as_bytes());
            bytes.extend(totals.iter().flat_map(|total| total.to_le_bytes()));
        }
        bytes
    }

    /// None if the bytes are no such thing.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORM])?;
        let (at_ms, mut rest) = rest.split_first_chunk()?;
        let mut rows = Vec::new();
        while let Some((length, after)) = rest.split_first() {
            let (name, mut after) = after.split_at_checked(usize::from(*length))?;
            let mut totals = [0; N];
            for slot in &mut totals {
                let (total, others) = after.split_first_chunk()?;
                *slot = u64::from_le_bytes(*total);
                after = others;
            }
            rows.push((std::str::from_utf8(name).ok()?.into(), totals));
            rest = after;
        }
        Some(Self { at_ms: i64::from_le_bytes(*at_ms), rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn told<const N: usize>(rates: &mut Rates<N>, at_ms: i64, rows: &[(&str, [u64; N])]) -> Vec<Option<Delta<N>>> {
        rates.begin(&Run { timestamp_ms: at_ms, interval_ms: 10_000 });
        rows.iter().map(|(name, totals)| rates.change(name, *totals)).collect()
    }

    #[test]
    fn rates_are_means_over_the_time_that_passed() {
        let mut rates = Rates::restore();
        assert_eq!(told(&mut rates, 5_000, &[("eth0", [0, 0]), ("eth1", [1000, 500])]), [None, None]);
        let changes = told(&mut rates, 25_000, &[("eth1", [6000, 500]), ("eth2", [9, 9])]);
        assert_eq!(changes[0].unwrap().per_second(), Some([250.0, 0.0]), "found where it was not before");
        assert_eq!(changes[1], None, "new");
    }

    #[test]
    fn what_has_started_anew_or_took_no_time_has_no_rate() {
        let mut rates = Rates::restore();
        told(&mut rates, 5_000, &[("eth0", [1000, 1000])]);
        let changes = told(&mut rates, 15_000, &[("eth0", [1001, 10])]);
        assert_eq!(changes[0].unwrap().per_second(), None);
        assert_eq!(told(&mut rates, 15_000, &[("eth0", [1001, 1001])]), [None]);
        assert_eq!(told(&mut rates, 14_000, &[("eth0", [1001, 1001])]), [None]);
        assert_eq!(Rates::restore().change("eth0", [1]), None, "before the first run");
    }

    #[test]
    fn a_successor_goes_on() {
        let mut rates = Rates::restore();
        told(&mut rates, 1_700_000_000_000, &[("eth0", [1, u64::MAX - 9]), ("größe", [3, 4])]);
        rates.keep();
        let changes = told(&mut Rates::restore(), 1_700_000_001_000, &[("größe", [4, 4]), ("eth0", [1, u64::MAX])]);
        assert_eq!(changes[0].unwrap().per_second(), Some([1.0, 0.0]));
        assert_eq!(changes[1].unwrap().per_second(), Some([0.0, 9.0]));
        testing::clear_state();
    }

    #[test]
    fn what_is_no_reading_is_not_read() {
        let bytes = Reading { at_ms: 1, rows: vec![("eth0".into(), [1, 2])] }.to_bytes();
        assert!(Reading::<2>::from_bytes(&bytes).is_some());
        assert_eq!(Reading::<3>::from_bytes(&bytes), None);
        assert_eq!(Reading::<2>::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Reading::<2>::from_bytes(&[]), None);
        assert_eq!(Reading::<2>::from_bytes(b"something else"), None);
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let rows = (0..5000).map(|number| (format!("eth{number:04}").into(), [1, 2])).collect();
        let bytes = Reading { at_ms: 0, rows }.to_bytes();
        assert!(bytes.len() <= STATE_LIMIT);
        assert_eq!(Reading::<2>::from_bytes(&bytes).unwrap().rows.len(), 2730);
    }
}
