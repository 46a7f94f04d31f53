//! Tags that a request adds to all of its series: `?extra_label=name=value`, as VictoriaMetrics has it, and the labels in
//! the paths of a pushgateway.

use std::sync::Arc;

use saker_model::LIMITS;
use xxhash_rust::xxh3::xxh3_64;

/// What ends a name or a value in a scope: no name and no value can hold it.
const END: char = '\0';

/// Tags of a request. They win over those of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExtraTags(Vec<(String, String)>);

/// What makes a known key that of one request and not of another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    text: Option<Arc<str>>,
    seed: u64,
}

impl ExtraTags {
    /// Adds `name=value`; the last of a name holds.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() || !text.contains('=') {
            return Err(format!("extra_label must be name=value, found {text:?}"));
        }
        self.set(name.to_owned(), value.to_owned())
    }

    pub(crate) fn set(&mut self, name: String, value: String) -> Result<(), String> {
        if name.contains(END) || value.contains(END) {
            return Err("a label must not hold a null character".to_owned());
        }
        match self.0.iter().position(|(known, _)| *known == name) {
            Some(place) => self.0[place].1 = value,
            None if self.0.len() == LIMITS.tags_most => {
                return Err(format!("more than {} labels for all series", LIMITS.tags_most));
            }
            None => self.0.push((name, value)),
        }
        Ok(())
    }

    /// Has them win over a series' own.
    pub(crate) fn apply(&self, tags: &mut Vec<(String, String)>) {
        for (name, value) in &self.0 {
            tags.retain(|(known, _)| known != name);
            tags.push((name.clone(), value.clone()));
        }
    }

    /// The scope of keys under these tags and something more that a request says, such as a database.
    pub(crate) fn scope(&self, more: &str) -> Scope {
        if self.0.is_empty() {
            // The first letter tells it from a scope with tags, whatever somebody calls a database.
            return if more.is_empty() { Scope::default() } else { Scope::of(&format!("-{more}")) };
        }
        let mut text = format!("+{}{END}{more}", more.len());
        self.0.iter().for_each(|(name, value)| text.extend([name, "\0", value, "\0"]));
        Scope::of(&text)
    }
}

impl Scope {
    fn of(text: &str) -> Self {
        Self { text: Some(text.into()), seed: xxh3_64(text.as_bytes()) }
    }

    #[inline]
    pub(crate) fn text(&self) -> Option<&Arc<str>> {
        self.text.as_ref()
    }

    #[inline]
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extra(labels: &[&str]) -> ExtraTags {
        let mut extra = ExtraTags::default();
        labels.iter().for_each(|label| extra.add(label).unwrap());
        extra
    }

    #[test]
    fn they_win_over_a_series_own_and_the_last_of_a_name_wins_over_the_others() {
        let mut tags = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        extra(&["b=3", "c=x", "c=4=5"]).apply(&mut tags);
        assert_eq!(tags, [("a", "1"), ("b", "3"), ("c", "4=5")].map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn what_is_no_label_is_told() {
        for (label, expected) in [
            ("", "extra_label must be name=value, found \"\""),
            ("a", "extra_label must be name=value, found \"a\""),
            ("=b", "extra_label must be name=value, found \"=b\""),
            ("a=\0", "a label must not hold a null character"),
        ] {
            assert_eq!(ExtraTags::default().add(label).unwrap_err(), expected);
        }
        let mut many = ExtraTags::default();
        (0..256).for_each(|number| many.add(&format!("{number}=x")).unwrap());
        assert_eq!(many.add("more=x").unwrap_err(), "more than 256 labels for all series");
    }

    #[test]
    fn each_set_of_tags_has_a_scope_of_its_own() {
        let scopes = [
            (&["a=b"][..], ""),
            (&["a=b", "c=d"], ""),
            (&["a=b"], "a"),
            (&["ab="], ""),
            (&[], "a"),
            (&[], ""),
            (&[], "+0\0a\0b\0"),
        ];
        let scopes = scopes.map(|(labels, more)| extra(labels).scope(more).text().cloned());
        for (at, scope) in scopes.iter().enumerate() {
            assert!(!scopes[..at].contains(scope), "{scope:?}");
        }
    }
}
