//! How the cases ended.

use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use serde_json::{Value, json};

/// Bytes of one line of a report.
const LINE_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;

/// Everything that was tried.
#[derive(Clone, Debug, Default)]
pub struct ConformanceReport {
    /// In the order in which they were tried.
    pub cases: Vec<Case>,
    only: Option<String>,
}

/// One demand of the contract, and whether the plugin meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What is demanded, as a sentence; it never changes, so that scripts can look for it.
    pub name: &'static str,
    /// How it ended.
    pub outcome: CaseOutcome,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseOutcome {
    /// The demand is met; what was seen, in a few words.
    Ok(String),
    /// It is not met.
    Failed {
        /// What happened instead.
        why: String,
        /// What its author should do.
        cure: String,
    },
    /// It could not be tried: why, and what would make it possible.
    Skipped(String),
}

/// How a case ends before its end.
#[derive(Clone, Debug)]
pub(crate) enum CaseFailure {
    Failed { why: String, cure: String },
    Skipped(String),
}

/// What a case answers: what was seen, or why it did not come to that.
pub(crate) type CaseResult = Result<String, CaseFailure>;

pub(crate) fn failed(why: impl Into<String>, cure: impl Into<String>) -> CaseFailure {
    CaseFailure::Failed { why: why.into(), cure: cure.into() }
}

pub(crate) fn skipped(why: impl Into<String>) -> CaseFailure {
    CaseFailure::Skipped(why.into())
}

impl ConformanceReport {
    /// Whether no case failed. One without any case that was met has not passed either.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.count(|outcome| matches!(outcome, CaseOutcome::Failed { .. })) == 0
            && self.count(|outcome| matches!(outcome, CaseOutcome::Ok(_))) > 0
    }

    /// How many cases ended so.
    #[must_use]
    pub fn count(&self, is: impl Fn(&CaseOutcome) -> bool) -> usize {
        self.cases.iter().filter(|case| is(&case.outcome)).count()
    }

    /// The cases as JSON: `name`, `outcome` (`ok`, `failed` or `skipped`), `detail`, and for a failure `cure`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let case = |case: &Case| match &case.outcome {
            CaseOutcome::Ok(detail) => json!({"name": case.name, "outcome": "ok", "detail": detail}),
            CaseOutcome::Failed { why, cure } => {
                json!({"name": case.name, "outcome": "failed", "detail": why, "cure": cure})
            }
            CaseOutcome::Skipped(why) => json!({"name": case.name, "outcome": "skipped", "detail": why}),
        };
        self.cases.iter().map(case).collect()
    }

    /// A report on the cases whose names hold these words; on all if there are none.
    pub(crate) fn on(only: Option<&str>) -> Self {
        Self { cases: Vec::new(), only: only.map(str::to_owned) }
    }

    /// Whether a case is to be tried.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// Tries a case.
    pub(crate) async fn run(&mut self, name: &'static str, case: impl Future<Output = CaseResult>) {
        if self.wants(name) {
            self.add(name, case.await);
        }
    }

    /// Adds a case that is already decided.
    pub(crate) fn add(&mut self, name: &'static str, verdict: CaseResult) {
        if !self.wants(name) {
            return;
        }
        let outcome = match verdict {
            Ok(detail) => CaseOutcome::Ok(plain(&detail)),
            Err(CaseFailure::Failed { why, cure }) => CaseOutcome::Failed { why: plain(&why), cure },
            Err(CaseFailure::Skipped(why)) => CaseOutcome::Skipped(plain(&why)),
        };
        self.cases.push(Case { name, outcome });
    }

    /// Adds cases that were not tried, all for the same reason.
    pub(crate) fn skip(&mut self, names: &[&'static str], why: &str) {
        for name in names {
            self.add(name, Err(skipped(why)));
        }
    }
}

/// What may repeat a plugin's words, as lines that no terminal acts on.
fn plain(text: &str) -> String {
    text.lines().map(|line| clean(line, LINE_BYTES_MAX)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_passes_if_something_was_met_and_nothing_failed() {
        let mut report = ConformanceReport::default();
        report.add("a", Err(skipped("no server")));
        assert!(!report.passed());
        report.add("b", Ok("seen".into()));
        assert!(report.passed());
        report.add("c", Err(failed("it trapped", "do not")));
        assert!(!report.passed());
        assert_eq!(
            report.to_json()[2],
            json!({"name": "c", "outcome": "failed", "detail": "it trapped", "cure": "do not"})
        );
    }
}
