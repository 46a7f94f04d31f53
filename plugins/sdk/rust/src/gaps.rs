//! What a run lacks, and why: a figure that makes no sense costs itself and nothing beside it.
//!
//! ```
//! use saker_sdk::Sample;
//! use saker_sdk::gaps::{Gaps, count};
//!
//! let mut gaps = Gaps::default();
//! let mut values = Vec::new();
//! for (name, text) in [("forks", "7"), ("switches", "18446744073709551615")] {
//!     match count(text) {
//!         Some(number) => values.push(Sample::counter(name, number as f64)),
//!         None => gaps.of("/proc/stat").odd(name, "a count", text),
//!     }
//! }
//! // One of two is there. If none were, that would be an error with the reason.
//! assert_eq!(gaps.finish(values).unwrap().len(), 1);
//! ```

use std::collections::{BTreeMap, HashSet};

use crate::bindings::types::Sample;
use crate::collector::CollectError;
use crate::host;
use crate::kept::KeptFile;
use crate::text;

/// The counter that tells how often something was left out.
pub const COUNTER: &str = "left_out";
/// What is told once is remembered for so many things; what comes beyond is counted only.
const TOLD_MAX: usize = 100;
/// Files that stay open: those of one instance, which may have a hundred open at a time. What comes beyond is opened each
/// time.
const KEPT_MAX: usize = 50;
/// Letters of what was found, in a message.
const FOUND_CHARS: usize = 80;
/// From here on, a total of the kernel's is a negative number in disguise: a counter of bytes at 100 Gbit/s takes 23
/// years to get there.
pub const COUNT_END: u64 = 1 << 63;

/// What the runs of one instance lack.
#[derive(Debug, Default)]
pub struct Gaps {
    told: HashSet<String>,
    /// Files that are read at every run, by their paths.
    kept: BTreeMap<String, KeptFile>,
    /// The gravest of this run's reasons.
    failure: Option<CollectError>,
}

/// Where something is read, such as a file.
#[derive(Debug)]
pub struct GapSource<'a> {
    gaps: &'a mut Gaps,
    path: &'a str,
}

/// A whole number that can be a count, or a level of things that are counted.
#[must_use]
pub fn count(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number < COUNT_END)
}

impl Gaps {
    /// A place where figures may make no sense.
    pub fn of<'a>(&'a mut self, path: &'a str) -> GapSource<'a> {
        GapSource { gaps: self, path }
    }

    /// The text of a file that belongs to what the collector cannot do without.
    pub fn read(&mut self, path: &str) -> Option<String> {
        match self.read_kept(path) {
            Ok(text) => Some(text),
            Err(error) => self.lacks(path, error, true),
        }
    }

    /// The text of a file that not every kernel or container has. Its absence is no news, a missing permission is.
    pub fn read_if_there(&mut self, path: &str) -> Option<String> {
        match self.read_kept(path) {
            Ok(text) => Some(text),
            Err(error) => self.lacks(path, error, false),
        }
    }

    fn read_kept(&mut self, path: &str) -> Result<String, CollectError> {
        if let Some(file) = self.kept.get_mut(path) {
            return file.read();
        }
        if self.kept.len() == KEPT_MAX {
            return text::read(path);
        }
        self.kept.entry(path.to_owned()).or_insert_with(|| KeptFile::new(path)).read()
    }

    /// Something is left out for want of a file.
    pub fn lacks<T>(&mut self, path: &str, error: CollectError, news: bool) -> Option<T> {
        let reason = match &error {
            CollectError::Denied(_) => format!("no permission to read it; to allow it: grant.read = [{path:?}]"),
            CollectError::Unavailable(reason) | CollectError::Malformed(reason) | CollectError::Other(reason) => {
                reason.clone()
            }
        };
        if news || matches!(error, CollectError::Denied(_)) {
            self.leave_out(path, &reason);
        }
        self.fails(error);
        None
    }

    /// The run's values; or, if there are none, the gravest reason why.
    ///
    /// # Errors
    /// A missing permission, which somebody can grant, before what makes no sense, and that before what is not there.
    pub fn finish(&mut self, values: Vec<Sample>) -> Result<Vec<Sample>, CollectError> {
        match self.failure.take() {
            Some(error) if values.is_empty() => Err(error),
            _ => Ok(values),
        }
    }

    /// Counts something that is left out, and the first time says so.
    fn leave_out(&mut self, what: &str, reason: &str) {
        host::counter_add(COUNTER, 1.0);
        if !self.told.contains(what) && self.told.len() < TOLD_MAX {
            self.told.insert(what.to_owned());
            host::log(host::Level::Warn, &format!("{what} is left out: {reason}"));
        }
    }

    fn fails(&mut self, error: CollectError) {
        let weight = |error: &CollectError| match error {
            CollectError::Denied(_) => 3,
            CollectError::Malformed(_) => 2,
            _ => 1,
        };
        if self.failure.as_ref().is_none_or(|before| weight(before) < weight(&error)) {
            self.failure = Some(error);
        }
    }
}

impl GapSource<'_> {
    /// Something here makes no sense, and is left out: its name, what was expected, and what stands there.
    pub fn odd(&mut self, name: &str, expected: &str, found: &str) {
        let shown: String = found.chars().take(FOUND_CHARS).collect();
        let cut = if shown.len() < found.len() { "…" } else { "" };
        let reason = format!("expected {expected}, found {:?}", format!("{shown}{cut}"));
        self.gaps.leave_out(&format!("{}: {name}", self.path), &reason);
        self.gaps.fails(CollectError::Malformed(format!("{}: {reason}", self.path)));
    }

    /// Nothing here is what was expected.
    pub fn malformed(&mut self, expected: &str) {
        self.gaps.fails(CollectError::malformed(self.path, expected));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types::Permission;
    use crate::testing;

    fn value() -> Vec<Sample> {
        vec![Sample::gauge("x", 1.0)]
    }

    #[test]
    fn what_makes_no_sense_is_told_once_and_counted_every_time() {
        let mut gaps = Gaps::default();
        for found in ["-1", "-2", &"x".repeat(5000)] {
            gaps.of("/proc/stat").odd("intr", "a count", found);
            assert!(gaps.finish(value()).is_ok());
        }
        gaps.of("/proc/stat").odd("ctxt", "a count", "-1");
        assert_eq!(testing::custom_metric(COUNTER), Some(4.0));
        let told: Vec<_> = testing::logged().into_iter().map(|(_, line)| line).collect();
        let line = |name| format!("/proc/stat: {name} is left out: expected a count, found \"-1\"");
        assert_eq!(told, [line("intr"), line("ctxt")]);
    }

    #[test]
    fn of_nothing_but_gaps_the_gravest_is_the_reason() {
        let mut gaps = Gaps::default();
        assert!(gaps.read("/nowhere/stat").is_none());
        assert!(
            matches!(gaps.finish(Vec::new()), Err(CollectError::Unavailable(text)) if text.contains("/nowhere/stat"))
        );
        assert_eq!(gaps.finish(Vec::new()).map(|values| values.len()), Ok(0), "each run has its own");
        gaps.of("/proc/x").odd("y", "a count", &"z".repeat(5000));
        let denied = CollectError::Denied(Permission::Read("/proc/x".into()));
        assert_eq!(gaps.lacks::<()>("/proc/x", denied.clone(), false), None);
        assert!(gaps.read_if_there("/nowhere").is_none());
        assert_eq!(gaps.finish(Vec::new()).unwrap_err(), denied);
    }

    #[test]
    fn what_is_remembered_and_shown_is_bounded() {
        let mut gaps = Gaps::default();
        for number in 0..1000 {
            gaps.of("p").odd(&number.to_string(), "a count", &"é".repeat(1 << 20));
        }
        let logged = testing::logged();
        assert_eq!(logged.len(), TOLD_MAX);
        assert!(logged.iter().all(|(_, line)| line.len() < 300), "{}", logged[0].1);
    }

    #[test]
    fn a_count_is_whole_and_no_negative_number_in_disguise() {
        assert_eq!(["0", "7", "9223372036854775807"].map(count), [Some(0), Some(7), Some(u64::MAX / 2)]);
        assert_eq!(["", "x", "-1", "1.5", "9223372036854775808", "18446744073709551615"].map(count), [None; 6]);
    }
}
