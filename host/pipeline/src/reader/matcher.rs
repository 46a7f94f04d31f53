//! Which series a question is about.

use super::Identity;
use super::pattern::{Pattern, PatternError};

/// What of a series a matcher looks at. A tag that a series does not have is an empty text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// The endpoint.
    Endpoint,
    /// The metric's name.
    Metric,
    /// The value of a tag.
    Tag(String),
}

/// How a matcher compares. Patterns match a whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// How it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A condition that a series must meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// What it looks at.
    pub label: Label,
    /// How it compares.
    pub op: MatchOp,
    /// With what: a text or a pattern.
    pub value: String,
}

/// A matcher whose pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?}: {source}")]
pub struct MatcherError {
    /// The pattern as it was written.
    pub pattern: String,
    /// What is wrong with it.
    pub source: PatternError,
}

/// Matchers made ready: patterns are compiled once, not once a series.
#[derive(Debug)]
pub struct MatcherSet(Vec<(Label, Test)>);

#[derive(Debug)]
enum Test {
    Text { value: String, wanted: bool },
    Pattern { pattern: Pattern, wanted: bool },
}

impl MatcherSet {
    /// Makes matchers ready.
    ///
    /// # Errors
    /// [`MatcherError`], if a pattern is wrong.
    pub fn new(matchers: &[Matcher]) -> Result<Self, MatcherError> {
        matchers
            .iter()
            .map(|matcher| Ok((matcher.label.clone(), Test::new(matcher)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a series meets all of them.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        self.0.iter().all(|(label, test)| {
            test.matches(match label {
                Label::Endpoint => &identity.endpoint,
                Label::Metric => &identity.metric,
                Label::Tag(name) => identity.tag(name).unwrap_or_default(),
            })
        })
    }
}

impl Test {
    fn new(matcher: &Matcher) -> Result<Self, MatcherError> {
        let wanted = matches!(matcher.op, MatchOp::Equal | MatchOp::Regex);
        if matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual) {
            return Ok(Self::Text { value: matcher.value.clone(), wanted });
        }
        let pattern =
            Pattern::new(&matcher.value).map_err(|source| MatcherError { pattern: matcher.value.clone(), source })?;
        Ok(Self::Pattern { pattern, wanted })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Text { value, wanted } => (value == text) == *wanted,
            Self::Pattern { pattern, wanted } => pattern.matches(text) == *wanted,
        }
    }
}
