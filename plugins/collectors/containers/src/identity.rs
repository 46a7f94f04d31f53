//! What a container is called: from its path, from what its runtime keeps in files, or from one question to the runtime.

mod documents;
mod sources;

use crate::names::Container;

pub(crate) use sources::{Answer, Sources};

/// What is known of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) namespace: &'static str,
    pub(crate) image: String,
    /// All of them, until those that are not allowed are taken away.
    pub(crate) labels: Vec<(String, String)>,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) started_s: Option<f64>,
}

/// Bytes of a text that a runtime tells: with all labels and the path, what the agent takes as the names of a series.
const TEXT_MAX: usize = 400;
/// Labels that are told of a container: with what it is called, what the agent takes as tags.
const LABELS_MAX: usize = 20;
/// Bytes of a label's key, with `label.` in front what the agent takes as a tag's.
const KEY_MAX: usize = 100;

impl Identity {
    /// What the path tells alone.
    pub(crate) fn of(container: &Container<'_>) -> Self {
        let name = if container.runtime.is_named_by_path() { container.id.to_owned() } else { String::new() };
        Self { id: container.id.to_owned(), name, namespace: container.runtime.namespace(), ..Self::default() }
    }

    /// Keeps the labels that fit one of the patterns, and of all texts what a tag may hold.
    pub(crate) fn confine(&mut self, allowed: &[String]) {
        self.labels.retain(|(key, _)| saker_sdk::glob::any(allowed, key));
        self.labels.sort();
        self.labels.dedup_by(|one, other| one.0 == other.0);
        self.labels.retain(|(key, _)| key.len() <= KEY_MAX);
        self.labels.truncate(LABELS_MAX);
        let labels = self.labels.iter_mut().flat_map(|(key, value)| [key, value]);
        for text in [&mut self.name, &mut self.image].into_iter().chain(labels) {
            *text = saker_sdk::text::tag_value(text);
            let end = text.floor_char_boundary(TEXT_MAX);
            text.truncate(end);
        }
    }
}
