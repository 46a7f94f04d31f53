//! Names that are made of a series' parts, such as a key, a subject or a topic. Worked out once per series, in `define`.
//!
//! The text of a setting may refer to the series, in the way of the `tag` processor: `${endpoint}`, `${metric}`,
//! `${tags.KEY}` (empty if there is no such tag), `${tags}` (all of them, `k=v,k=v`), and `$$` for a dollar sign.

use saker_names::flat;

use crate::bindings::types::{OpenError, Series};

/// A text with references to a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Reference(Reference),
}

/// What of a series a part of a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Its endpoint.
    Endpoint,
    /// Its metric.
    Metric,
    /// The value of one tag.
    Tag(String),
    /// All tags, `k=v,k=v`.
    Tags,
}

impl Template {
    /// Reads the text of the setting `name`.
    ///
    /// # Errors
    /// [`OpenError::Settings`], naming the setting and the reference that cannot be meant.
    pub fn parse(name: &str, text: &str) -> Result<Self, OpenError> {
        let wrong = |what: String| OpenError::Settings(format!("{name}: {what}"));
        let mut parts = Vec::new();
        let mut fixed = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            fixed.push_str(before);
            if let Some(behind) = after.strip_prefix('$') {
                fixed.push('$');
                rest = behind;
                continue;
            }
            let inside = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((reference, behind)) = inside else {
                return Err(wrong("a `$` that begins no `${…}`; a dollar sign is written `$$`".into()));
            };
            let reference = Reference::parse(reference).ok_or_else(|| {
                let known = "there is ${endpoint}, ${metric}, ${tags} and ${tags.KEY}";
                wrong(format!("`${{{reference}}}` refers to nothing; {known}"))
            })?;
            if !fixed.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut fixed)));
            }
            parts.push(Part::Reference(reference));
            rest = behind;
        }
        fixed.push_str(rest);
        if !fixed.is_empty() {
            parts.push(Part::Text(fixed));
        }
        if parts.is_empty() {
            return Err(wrong("must not be empty".into()));
        }
        Ok(Self(parts))
    }

    /// Whether the name is the same for every series.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether the name depends on this part of a series.
    #[must_use]
    pub fn refers_to(&self, reference: &Reference) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Reference(other) if other == reference))
    }

    /// The pieces that are the same in every name.
    pub fn fixed_parts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Reference(_) => None,
        })
    }

    /// The name for a series.
    #[must_use]
    pub fn expand(&self, series: &Series) -> String {
        self.expand_with(series, |_, value, name| name.push_str(value))
    }

    /// The name for a series, where `push` appends each value in the way that the destination allows it.
    #[must_use]
    pub fn expand_with(&self, series: &Series, mut push: impl FnMut(&Reference, &str, &mut String)) -> String {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Reference(reference) => match reference {
                    Reference::Endpoint => push(reference, &series.endpoint, &mut name),
                    Reference::Metric => push(reference, &series.metric, &mut name),
                    Reference::Tag(key) => {
                        let tag = series.tags.iter().find(|(other, _)| other == key);
                        push(reference, tag.map_or("", |(_, value)| value), &mut name);
                    }
                    Reference::Tags => push(reference, &tags(series), &mut name),
                },
            }
        }
        name
    }
}

impl Reference {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "endpoint" => Self::Endpoint,
            "metric" => Self::Metric,
            "tags" => Self::Tags,
            _ => Self::Tag(text.strip_prefix("tags.").filter(|key| !key.is_empty())?.into()),
        })
    }
}

/// The tags of a series as Open-Falcon writes them: `k=v,k=v`, see [`flat`].
#[must_use]
pub fn tags(series: &Series) -> String {
    flat::tags(series.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::series;

    #[test]
    fn references_stand_for_the_parts_of_a_series() {
        let series = series("disk.io.util", &[("device", "sda"), ("host.id", "7")]);
        for (text, name) in [
            ("saker", "saker"),
            ("a/${endpoint}/${metric}", "a/h/disk.io.util"),
            ("${tags.device}-${tags.host.id}-${tags.none}-", "sda-7--"),
            ("${metric}{${tags}}", "disk.io.util{device=sda,host.id=7}"),
            ("$$${metric}$$", "$disk.io.util$"),
        ] {
            let template = Template::parse("key", text).unwrap();
            assert_eq!(template.expand(&series), name);
            assert_eq!(template.is_fixed(), !text.contains("${"), "{text}");
            assert_eq!(template.refers_to(&Reference::Metric), text.contains("${metric}"), "{text}");
        }
    }

    #[test]
    fn a_reference_to_nothing_is_named_with_what_there_is() {
        for (text, what) in [
            ("", "key: must not be empty"),
            ("$", "key: a `$` that begins no"),
            ("a$b", "key: a `$` that begins no"),
            ("${metric", "key: a `$` that begins no"),
            ("${}", "key: `${}` refers to nothing; there is ${endpoint}"),
            ("${tags.}", "key: `${tags.}` refers to nothing"),
            ("${host}", "key: `${host}` refers to nothing"),
        ] {
            let Err(OpenError::Settings(message)) = Template::parse("key", text) else { panic!("{text}") };
            assert!(message.starts_with(what), "{message}");
        }
    }

    #[test]
    fn values_are_written_as_the_destination_allows_them_and_fixed_text_stays() {
        let template = Template::parse("subject", "a.${metric}.b").unwrap();
        let name = template.expand_with(&series("x.y", &[]), |reference, value, name| {
            assert_eq!(*reference, Reference::Metric);
            name.push_str(&value.replace('.', "_"));
        });
        assert_eq!(name, "a.x_y.b");
        assert_eq!(template.fixed_parts().collect::<Vec<_>>(), ["a.", ".b"]);
    }
}
