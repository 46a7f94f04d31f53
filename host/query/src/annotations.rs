//! What a query's author should know about an answer that is given all the same.

use crate::place::QuerySpan;

/// So many warnings, and so many infos, are worth reading; the rest is counted.
const NOTES_MAX: usize = 10;

/// Warnings and infos, each once.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    warnings: Notes,
    infos: Notes,
}

#[derive(Clone, Debug, Default)]
struct Notes {
    texts: Vec<String>,
    omitted: usize,
}

impl Notes {
    fn add(&mut self, text: String) {
        if self.texts.contains(&text) {
            return;
        }
        if self.texts.len() < NOTES_MAX {
            self.texts.push(text);
        } else {
            self.omitted += 1;
        }
    }

    fn texts(&self, kind: &str) -> Vec<String> {
        let omitted = (self.omitted > 0).then(|| format!("{} more {kind} annotations omitted", self.omitted));
        self.texts.iter().cloned().chain(omitted).collect()
    }
}

impl Annotations {
    /// Adds a warning: the answer may not be what was wanted.
    pub(crate) fn warn(&mut self, text: impl AsRef<str>, span: QuerySpan, query: &str) {
        self.warnings.add(format!("PromQL warning: {} ({})", text.as_ref(), span.place(query)));
    }

    /// Adds an info: the query may not be what was meant.
    pub(crate) fn inform(&mut self, text: impl AsRef<str>, span: QuerySpan, query: &str) {
        self.infos.add(format!("PromQL info: {} ({})", text.as_ref(), span.place(query)));
    }

    /// The warnings.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.texts("warning")
    }

    /// The infos.
    #[must_use]
    pub fn infos(&self) -> Vec<String> {
        self.infos.texts("info")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_once_with_their_place_and_beyond_ten_they_are_counted() {
        let mut notes = Annotations::default();
        for place in 0..15 {
            for _ in 0..2 {
                notes.warn("look", QuerySpan { start: place, end: place }, "0123456789abcdef");
            }
        }
        let warnings = notes.warnings();
        assert_eq!(warnings.len(), 11);
        assert_eq!(warnings[0], "PromQL warning: look (1:1)");
        assert_eq!(warnings[10], "10 more warning annotations omitted");
        assert!(notes.infos().is_empty());
    }
}
