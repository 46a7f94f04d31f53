//! Our names as Prometheus has them, which [`saker_model::prometheus`] says for everybody, and how a query's names find ours.

use std::borrow::Cow;
use std::sync::Arc;

use saker_model::prometheus::{self, INSTANCE, label_name, metric_name};
use saker_pipeline::reader::{Identity, Matcher, MatcherLabel, TextCondition};

use crate::ast::{LabelMatcher, MatchOp};
use crate::labels::{Labels, METRIC_NAME};
use crate::pattern::{PatternError, TextPattern};

/// How names of what is stored become names in a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamingMode {
    /// As described above. Queries may use the original names too, in quotes.
    #[default]
    Prometheus,
    /// As they are stored, for data that comes from a Prometheus.
    Verbatim,
}

/// Whether a label may be written without quotes.
#[must_use]
pub fn is_plain_label(name: &str) -> bool {
    !name.is_empty() && matches!(label_name(name), Cow::Borrowed(_))
}

/// Whether a metric's name may be written without quotes.
#[must_use]
pub fn is_plain_metric(name: &str) -> bool {
    !name.is_empty() && matches!(metric_name(name), Cow::Borrowed(_))
}

impl NamingMode {
    /// The labels of a series: its name, its endpoint and its tags. A tag whose label is taken is exported; empty ones
    /// are none.
    #[must_use]
    pub fn labels(self, identity: &Identity) -> Labels {
        let tags = identity.tags.iter().map(|(tag, value)| (&**tag, &**value));
        match self {
            Self::Prometheus => {
                let labels = prometheus::labels(&identity.metric, (INSTANCE, &identity.endpoint), "", tags);
                Labels::collect(labels.iter().map(|(name, value)| (Cow::Borrowed(name), value)))
            }
            Self::Verbatim => {
                let ours = [(METRIC_NAME, &*identity.metric), (INSTANCE, &*identity.endpoint)];
                Labels::collect(ours.into_iter().chain(tags).map(|(name, value)| (Cow::Borrowed(name), value)))
            }
        }
    }

    /// A label's name in a query as results have it: a tag's own name, in quotes, is as good.
    #[must_use]
    pub fn query_label(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Prometheus => label_name(name),
            Self::Verbatim => Cow::Borrowed(name),
        }
    }
}

/// Whether a label's value meets a condition.
pub(crate) fn matches_text(matcher: &LabelMatcher, text: &str) -> bool {
    let pattern = || TextPattern::new(&matcher.value).is_ok_and(|pattern| pattern.matches(text));
    match matcher.op {
        MatchOp::Equal => matcher.value == text,
        MatchOp::NotEqual => matcher.value != text,
        MatchOp::Regex => pattern(),
        MatchOp::NotRegex => !pattern(),
    }
}

/// The conditions of a selector: those that the reader can check, and all of them for afterwards. What the reader checks
/// may let too much through, for it does not know Prometheus' names.
#[derive(Debug)]
pub struct Conditions {
    naming: NamingMode,
    checks: Vec<Check>,
}

#[derive(Debug)]
struct Check {
    label: String,
    value: String,
    pattern: Option<TextPattern>,
    wanted: bool,
}

impl Conditions {
    /// The conditions of a selector.
    ///
    /// # Errors
    /// If a pattern is wrong, which the parser has made sure of for queries.
    pub fn new(naming: NamingMode, name: Option<&str>, matchers: &[LabelMatcher]) -> Result<Self, PatternError> {
        let named = name.map(|name| LabelMatcher { label: METRIC_NAME.into(), op: MatchOp::Equal, value: name.into() });
        let checks = named.iter().chain(matchers).map(|matcher| {
            let pattern = match matcher.op {
                MatchOp::Equal | MatchOp::NotEqual => None,
                MatchOp::Regex | MatchOp::NotRegex => Some(TextPattern::new(&matcher.value)?),
            };
            let label = naming.query_label(&matcher.label).into_owned();
            let wanted = matches!(matcher.op, MatchOp::Equal | MatchOp::Regex);
            Ok(Check { label, value: matcher.value.clone(), pattern, wanted })
        });
        Ok(Self { naming, checks: checks.collect::<Result<_, _>>()? })
    }

    /// What the reader can check.
    #[must_use]
    pub fn pushed_down(&self) -> Vec<Matcher> {
        self.checks.iter().filter_map(|check| check.pushed_down(self.naming)).collect()
    }

    /// Whether a series meets all of them. A name meets a condition by Prometheus' form or by the original one.
    #[must_use]
    pub fn matches(&self, identity: &Identity, labels: &Labels) -> bool {
        self.checks.iter().all(|check| {
            let original = check.label == METRIC_NAME && check.test(&identity.metric);
            (original || check.test(labels.get(&check.label))) == check.wanted
        })
    }
}

impl Check {
    fn test(&self, text: &str) -> bool {
        self.pattern.as_ref().map_or(self.value == text, |pattern| pattern.matches(text))
    }

    fn condition(&self) -> TextCondition {
        match (&self.pattern, self.wanted) {
            (None, true) => TextCondition::Is(self.value.clone()),
            (None, false) => TextCondition::IsNot(self.value.clone()),
            (Some(pattern), wanted) => {
                let pattern = pattern.clone();
                TextCondition::Meets(Arc::new(move |text| pattern.matches(text) == wanted))
            }
        }
    }

    fn pushed_down(&self, naming: NamingMode) -> Option<Matcher> {
        let is_name = self.pattern.is_none() && self.wanted;
        let (label, condition) = match self.label.as_str() {
            INSTANCE if naming == NamingMode::Prometheus => (MatcherLabel::Endpoint, self.condition()),
            METRIC_NAME if naming == NamingMode::Verbatim => (MatcherLabel::Metric, self.condition()),
            METRIC_NAME if is_name => (MatcherLabel::Metric, metric_condition(&self.value)),
            label if naming == NamingMode::Verbatim => (MatcherLabel::Tag(label.into()), self.condition()),
            _ => return None,
        };
        Some(Matcher { label, condition })
    }
}

/// What every metric meets that is called so, here or in Prometheus.
fn metric_condition(name: &str) -> TextCondition {
    if !name.contains('_') {
        return TextCondition::Is(name.into());
    }
    let name = name.to_owned();
    TextCondition::Meets(Arc::new(move |metric| metric == name || metric_name(metric) == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::ExprKind;

    fn identity(metric: &str, tags: &[(&str, &str)]) -> Identity {
        let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Identity { endpoint: "web-1".into(), metric: metric.into(), tags }
    }

    #[test]
    fn of_two_labels_that_meet_the_second_is_exported() {
        let identity =
            identity("disk.io", &[("disk.name", "sda"), ("disk_name", "sdb"), ("instance", "x"), ("none", "")]);
        assert_eq!(
            NamingMode::Prometheus.labels(&identity).to_string(),
            r#"disk_io{disk_name="sda", exported_disk_name="sdb", exported_instance="x", instance="web-1"}"#
        );
    }

    #[test]
    fn a_selector_finds_a_series_by_either_name() {
        let identity = identity("net.if-in", &[("if.name", "eth0")]);
        let labels = NamingMode::Prometheus.labels(&identity);
        for (query, expected) in [
            ("net_if_in", true),
            ("net_if:in", false),
            (r#"{"net.if-in"}"#, true),
            (r#"{"net.if_in"}"#, false),
            (r#"{__name__=~"net_if.*"}"#, true),
            (r#"{__name__=~"net\\.if.*"}"#, true),
            (r#"{__name__!="net_if_in", instance=~".+"}"#, false),
            (r#"{__name__!~"net\\.if.*", instance=~".+"}"#, false),
            (r#"net_if_in{if_name="eth0"}"#, true),
            (r#"net_if_in{"if.name"="eth0"}"#, true),
            (r#"net_if_in{instance="web-1"}"#, true),
            (r#"net_if_in{instance="web-2"}"#, false),
            (r#"net_if_in{"if.name"!="eth0"}"#, false),
            (r#"net_if_in{none=""}"#, true),
        ] {
            let ExprKind::Selector(selector) = crate::parse(query).unwrap().kind else { panic!("{query}") };
            let conditions =
                Conditions::new(NamingMode::Prometheus, selector.name.as_deref(), &selector.matchers).unwrap();
            let passed = conditions.pushed_down().iter().all(|matcher| matcher.matches(&identity));
            assert_eq!(passed && conditions.matches(&identity, &labels), expected, "{query}");
        }
        let digit = Identity { metric: "9lives".into(), ..identity };
        assert!(metric_condition("_9lives").is_met_by(&digit.metric));
    }
}
