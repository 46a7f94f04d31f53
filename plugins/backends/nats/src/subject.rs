//! The subject that a series is published under.
//!
//! A subject is made of tokens with dots between them. Spaces would end it, `*` and `>` are wildcards, and some first
//! tokens lead to the server's own services: a metric's name must reach none of those.

use saker_sdk::encode::template::{Reference, Template};
use saker_sdk::prelude::*;

/// The longest subject, in bytes. A server closes the connection at a line of 4096, which holds more than the subject.
pub(crate) const SUBJECT_MAX: usize = 3000;

/// How subjects are made.
pub(crate) struct Subjects {
    template: Template,
    /// What all of them match.
    all: String,
}

impl Subjects {
    /// Reads the setting `subject`.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let wrong = |what: String| OpenError::Settings(format!("subject: {what}"));
        let template = Template::parse("subject", text)?;
        let is_wrong = |char: char| char.is_whitespace() || char.is_control() || matches!(char, '*' | '>');
        if template.fixed_parts().any(|part| part.contains(is_wrong)) {
            return Err(wrong("a space, `*` or `>` cannot be part of it".into()));
        }
        let all = if template.is_fixed() {
            text.replace("$$", "$")
        } else {
            // Up to the last dot before the first reference.
            let first = text.split_once("${").map_or("", |(first, _)| first);
            match first.rsplit_once('.') {
                Some((before, _)) => format!("{before}.>"),
                None => return Err(wrong("must begin with a word of its own, such as saker.${metric}".into())),
            }
        };
        if all.starts_with(['$', '_']) {
            return Err(wrong("`$` and `_` at its beginning are the server's own".into()));
        }
        let series = Series {
            endpoint: "x".into(),
            metric: "x".into(),
            tags: vec![],
            metric_type: MetricType::Gauge,
            step_s: 1,
        };
        if template.expand_with(&series, push_value).split('.').any(str::is_empty) {
            return Err(wrong("must have something between its dots".into()));
        }
        Ok(Self { template, all })
    }

    /// The subject of a series.
    pub(crate) fn of(&self, series: &Series) -> String {
        self.template.expand_with(series, push_value)
    }

    /// What a stream has to be made for to get all of them.
    pub(crate) fn all(&self) -> &str {
        &self.all
    }
}

/// Appends a value as tokens: a metric as many as it has, everything else as one.
fn push_value(reference: &Reference, value: &str, subject: &mut String) {
    if *reference != Reference::Metric {
        return push_token(value, subject);
    }
    for (place, token) in value.split('.').enumerate() {
        if place > 0 {
            subject.push('.');
        }
        push_token(token, subject);
    }
}

fn push_token(token: &str, subject: &mut String) {
    if token.is_empty() {
        subject.push('_');
    }
    let is_wrong = |char: char| char.is_whitespace() || char.is_control() || matches!(char, '*' | '>' | '.');
    subject.extend(token.chars().map(|char| if is_wrong(char) { '_' } else { char }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(subject: &str, endpoint: &str, metric: &str, tag: &str) -> String {
        let series = Series {
            endpoint: endpoint.into(),
            metric: metric.into(),
            tags: vec![("k".into(), tag.into())],
            metric_type: MetricType::Gauge,
            step_s: 1,
        };
        Subjects::parse(subject).unwrap().of(&series)
    }

    #[test]
    fn a_metric_keeps_its_dots_and_other_values_are_one_token() {
        let subject = "saker.${endpoint}.${metric}.${tags.k}";
        assert_eq!(of(subject, "web-1.example", "cpu.core.idle", "0"), "saker.web-1_example.cpu.core.idle.0");
        assert_eq!(of(subject, "h", "..a b.*", ""), "saker.h._._.a_b._._");
        assert_eq!(of("s.${tags}", "h", "m", "é>\u{1}"), "s.k=é__");
        assert_eq!(of("saker", "h", "m", "t"), "saker");
    }

    #[test]
    fn a_stream_is_made_for_what_all_subjects_begin_with() {
        for (subject, all) in [
            ("saker.${endpoint}.${metric}", "saker.>"),
            ("a.b.c-${metric}", "a.b.>"),
            ("metrics", "metrics"),
            ("a.b$$", "a.b$"),
        ] {
            assert_eq!(Subjects::parse(subject).unwrap().all(), all);
        }
    }

    #[test]
    fn subjects_that_lead_elsewhere_or_nowhere_are_rejected() {
        for (subject, what) in [
            ("${metric}", "must begin with a word of its own"),
            ("saker-${metric}", "must begin with a word of its own"),
            ("$$JS.${metric}", "`$` and `_` at its beginning"),
            ("_INBOX.x", "`$` and `_` at its beginning"),
            ("a b", "a space"),
            ("a.>", "a space"),
            ("a..b", "must have something between its dots"),
            ("a.${metric}.", "must have something between its dots"),
            ("${x}", "`${x}` refers to nothing"),
        ] {
            let Err(OpenError::Settings(message)) = Subjects::parse(subject).map(drop) else { panic!("{subject}") };
            assert!(message.starts_with(&format!("subject: {what}")), "{message}");
        }
    }
}
