//! What a series is known by in a storage system, under names that are all different.

use std::collections::BTreeMap;

/// Names with their values: each name once, sorted by its bytes.
///
/// Names may become the same when a storage system allows fewer characters, or when a tag has the name that the backend
/// gives to something else, such as the endpoint. Then the later one is called `exported_…`, as Prometheus does
/// with a target's labels, so that both values are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Adds a label. One without a value is left out: to every storage system it is the same as none, or an error.
    pub fn add(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let mut name = name.to_owned();
        while self.0.contains_key(&name) {
            name.insert_str(0, "exported_");
        }
        self.0.insert(name, value.into());
    }

    /// The labels, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_exported_and_an_empty_value_left_out() {
        let mut labels = Labels::default();
        for (name, value) in [("b", "1"), ("a", "2"), ("b", "3"), ("b", "4"), ("c", "")] {
            labels.add(name, value);
        }
        let all: Vec<_> = labels.iter().collect();
        assert_eq!(all, [("a", "2"), ("b", "1"), ("exported_b", "3"), ("exported_exported_b", "4")]);
    }
}
