//! The labels of a series in a query. Sorted by name, shared, without empty ones.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The label that holds the metric's name.
pub const METRIC_NAME: &str = "__name__";

type Text = Arc<str>;

/// Labels of a series. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Text, Text)]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl Labels {
    /// Labels of names and values in any order. Of a name that comes twice the first stays, and empty values go.
    #[must_use]
    pub fn collect<'a>(labels: impl IntoIterator<Item = (Cow<'a, str>, &'a str)>) -> Self {
        let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
        let mut labels: Vec<(Text, Text)> = labels.map(|(name, value)| ((*name).into(), value.into())).collect();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        labels.dedup_by(|a, b| a.0 == b.0);
        Self(labels.into())
    }

    /// The value of a label; empty if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        // Labels are few: looking at each is faster than halving.
        self.0.iter().find(|(found, _)| **found == *name).map_or("", |(_, value)| value)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The metric's name; empty if it has none.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Those that are wanted.
    #[must_use]
    pub fn filtered(&self, wanted: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| wanted(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| wanted(name)).cloned().collect())
    }

    /// All but the metric's name.
    #[must_use]
    pub fn without_name(&self) -> Self {
        self.filtered(|name| name != METRIC_NAME)
    }

    /// With a label set to a value, or without it if the value is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut labels: Vec<(Text, Text)> = self.0.iter().filter(|(found, _)| **found != *name).cloned().collect();
        if !value.is_empty() {
            let place = labels.partition_point(|(found, _)| **found < *name);
            labels.insert(place, (name.into(), value.into()));
        }
        Self(labels.into())
    }

    /// About how many bytes they hold, if nobody shares their texts.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| 2 * (size_of::<Text>() + 16) + name.len() + value.len()).sum()
    }
}

/// As Prometheus writes a series: `cpu_busy{core="0", instance="web-1"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        let mut labels = self.iter().filter(|(name, _)| *name != METRIC_NAME).peekable();
        if labels.peek().is_none() && !self.metric().is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (place, (name, value)) in labels.enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={}", crate::printer::quoted(value))?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_single_and_never_empty() {
        let labels = [("b", "2"), ("a", "1"), ("b", "3"), ("c", ""), (METRIC_NAME, "m")];
        let labels = Labels::collect(labels.map(|(name, value)| (Cow::Borrowed(name), value)));
        assert_eq!(labels.to_string(), r#"m{a="1", b="2"}"#);
        assert_eq!(labels.with("aa", "x").without_name().to_string(), r#"{a="1", aa="x", b="2"}"#);
        assert_eq!(labels.with("a", "").with("b", "").to_string(), "m");
        assert_eq!(Labels::default().to_string(), "{}");
        assert_eq!((labels.get("a"), labels.get("none")), ("1", ""));
    }
}
