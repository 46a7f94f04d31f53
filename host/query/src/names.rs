//! Our names as Prometheus has them, in one place for queries, the host's exposition and remote write.
//!
//! `cpu.busy` becomes `cpu_busy`: every character that a Prometheus name may not have becomes an underscore, and a name
//! that begins with a digit gets one in front. The endpoint is the label `instance`; a tag that is called `instance` or
//! `job` becomes `exported_instance` or `exported_job`, as a scraping Prometheus would name it. A name does not depend on
//! the metric's type: no `_total` is added. Two names that meet are one.

use std::borrow::Cow;

use saker_pipeline::reader::{Identity, Label, MatchOp, Matcher, Pattern};

use crate::ast::LabelMatcher;
use crate::labels::{Labels, METRIC_NAME};

/// The label that holds the endpoint.
pub const INSTANCE: &str = "instance";

/// How names of what is stored become names in a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// As described above. Queries may use the original names too, in quotes.
    #[default]
    Prometheus,
    /// As they are stored, for data that comes from a Prometheus.
    Verbatim,
}

/// The name of a metric as Prometheus has it.
#[must_use]
pub fn metric_name(metric: &str) -> Cow<'_, str> {
    legal(metric, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

/// The name of the label that holds a tag.
#[must_use]
pub fn label_name(tag: &str) -> Cow<'_, str> {
    match tag {
        "instance" => Cow::Borrowed("exported_instance"),
        "job" => Cow::Borrowed("exported_job"),
        tag => plain_label_name(tag),
    }
}

/// Whether a label may be written without quotes.
#[must_use]
pub fn is_plain_label(name: &str) -> bool {
    !name.is_empty() && matches!(plain_label_name(name), Cow::Borrowed(_))
}

/// Whether a metric's name may be written without quotes.
#[must_use]
pub fn is_plain_metric(name: &str) -> bool {
    !name.is_empty() && matches!(metric_name(name), Cow::Borrowed(_))
}

fn plain_label_name(name: &str) -> Cow<'_, str> {
    legal(name, |c| c.is_ascii_alphanumeric() || c == '_')
}

fn legal(name: &str, allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    let digit_first = name.starts_with(|c: char| c.is_ascii_digit());
    if !digit_first && name.chars().all(&allowed) {
        return Cow::Borrowed(name);
    }
    let mut legal = String::with_capacity(name.len() + 1);
    if digit_first {
        legal.push('_');
    }
    legal.extend(name.chars().map(|c| if allowed(c) { c } else { '_' }));
    Cow::Owned(legal)
}

impl Naming {
    /// The labels of a series: its name, its endpoint and its tags. Of two tags that become one label the first stays;
    /// empty ones are none.
    #[must_use]
    pub fn labels(self, identity: &Identity) -> Labels {
        let metric = match self {
            Self::Prometheus => metric_name(&identity.metric),
            Self::Verbatim => Cow::Borrowed(&*identity.metric),
        };
        let ours = [(METRIC_NAME, metric), (INSTANCE, Cow::Borrowed(&*identity.endpoint))];
        let tags = identity.tags.iter().map(|(tag, value)| match self {
            Self::Prometheus => (label_name(tag), &**value),
            Self::Verbatim => (Cow::Borrowed(&**tag), &**value),
        });
        let ours = ours.iter().map(|(name, value)| (Cow::Borrowed(*name), &**value));
        Labels::collect(ours.chain(tags))
    }

    /// A label's name in a query as results have it: a tag's own name, in quotes, is as good.
    #[must_use]
    pub fn query_label(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Prometheus => plain_label_name(name),
            Self::Verbatim => Cow::Borrowed(name),
        }
    }
}

/// Whether a label's value meets a condition.
pub(crate) fn matches_text(matcher: &LabelMatcher, text: &str) -> bool {
    let pattern = || Pattern::new(&matcher.value).is_ok_and(|pattern| pattern.matches(text));
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
    naming: Naming,
    checks: Vec<Check>,
}

#[derive(Debug)]
struct Check {
    label: String,
    value: String,
    pattern: Option<Pattern>,
    wanted: bool,
}

impl Conditions {
    /// The conditions of a selector.
    ///
    /// # Errors
    /// If a pattern is wrong, which the parser has made sure of for queries.
    pub fn new(
        naming: Naming,
        name: Option<&str>,
        matchers: &[LabelMatcher],
    ) -> Result<Self, saker_pipeline::reader::MatcherError> {
        let named = name.map(|name| LabelMatcher { label: METRIC_NAME.into(), op: MatchOp::Equal, value: name.into() });
        let checks = named.iter().chain(matchers).map(|matcher| {
            let pattern = match matcher.op {
                MatchOp::Equal | MatchOp::NotEqual => None,
                MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::new(&matcher.value).map_err(|source| {
                    saker_pipeline::reader::MatcherError { pattern: matcher.value.clone(), source }
                })?),
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

    fn pushed_down(&self, naming: Naming) -> Option<Matcher> {
        let op = match (&self.pattern, self.wanted) {
            (None, true) => MatchOp::Equal,
            (None, false) => MatchOp::NotEqual,
            (Some(_), true) => MatchOp::Regex,
            (Some(_), false) => MatchOp::NotRegex,
        };
        let value = self.value.clone();
        match self.label.as_str() {
            INSTANCE if naming == Naming::Prometheus => Some(Matcher { label: Label::Endpoint, op, value }),
            METRIC_NAME if naming == Naming::Verbatim => Some(Matcher { label: Label::Metric, op, value }),
            METRIC_NAME if op == MatchOp::Equal => Some(metric_matcher(&value)),
            label if naming == Naming::Verbatim => Some(Matcher { label: Label::Tag(label.into()), op, value }),
            _ => None,
        }
    }
}

/// A matcher for every metric that is called so, here or in Prometheus.
fn metric_matcher(name: &str) -> Matcher {
    if !name.contains('_') {
        return Matcher { label: Label::Metric, op: MatchOp::Equal, value: name.into() };
    }
    // Any character may have become an underscore, and one in front of a digit may have been added.
    let digit_first = name.strip_prefix('_').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let (optional, rest) = digit_first.map_or(("", name), |rest| ("[^a-zA-Z0-9:]?", rest));
    let mut pattern = String::from(optional);
    for c in rest.chars() {
        match c {
            '_' => pattern.push_str("[^a-zA-Z0-9:]"),
            c if c.is_ascii_alphanumeric() => pattern.push(c),
            c => {
                pattern.push('\\');
                pattern.push(c);
            }
        }
    }
    Matcher { label: Label::Metric, op: MatchOp::Regex, value: pattern }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::ExprKind;
    use saker_pipeline::reader::MatcherSet;

    fn identity(metric: &str, tags: &[(&str, &str)]) -> Identity {
        let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Identity { endpoint: "web-1".into(), metric: metric.into(), tags }
    }

    #[test]
    fn names_become_prometheus_names() {
        for (name, expected) in [
            ("cpu.busy", "cpu_busy"),
            ("net-if/in", "net_if_in"),
            ("9lives", "_9lives"),
            ("a:b_c", "a:b_c"),
            ("größe", "gr__e"),
        ] {
            assert_eq!(metric_name(name), expected);
        }
        for (name, expected) in [
            ("disk.name", "disk_name"),
            ("a:b", "a_b"),
            ("instance", "exported_instance"),
            ("job", "exported_job"),
            ("core", "core"),
        ] {
            assert_eq!(label_name(name), expected);
        }
    }

    #[test]
    fn labels_are_name_endpoint_and_tags_and_of_two_that_meet_the_first() {
        let identity =
            identity("disk.io", &[("disk.name", "sda"), ("disk_name", "sdb"), ("instance", "x"), ("none", "")]);
        assert_eq!(
            Naming::Prometheus.labels(&identity).to_string(),
            r#"disk_io{disk_name="sda", exported_instance="x", instance="web-1"}"#
        );
    }

    #[test]
    fn a_selector_finds_a_series_by_either_name_and_the_reader_lets_it_through() {
        let identity = identity("net.if-in", &[("if.name", "eth0")]);
        let labels = Naming::Prometheus.labels(&identity);
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
            let conditions = Conditions::new(Naming::Prometheus, selector.name.as_deref(), &selector.matchers).unwrap();
            let passed = MatcherSet::new(&conditions.pushed_down()).unwrap().matches(&identity);
            assert_eq!(passed && conditions.matches(&identity, &labels), expected, "{query}");
        }
        let digit = Identity { metric: "9lives".into(), ..identity };
        assert!(MatcherSet::new(&[metric_matcher("_9lives")]).unwrap().matches(&digit));
    }
}
