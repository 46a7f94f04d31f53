//! Texts that a rule writes. They may refer to the series and to what the rule's patterns have found:
//!
//! - `$1`, `$2`, …: the first, second, … `*` or group of the metric's pattern (`${1}` if a digit follows);
//! - `${name}`: the group `(?<name>…)` of any of the rule's patterns;
//! - `${metric}`, `${endpoint}`, `${tags.KEY}`: the series' own, empty if it has no such tag;
//! - `$$`: a dollar sign.

use saker_sdk::prelude::*;

use crate::condition::{Condition, SeriesPart};
use crate::pattern::Fit;

/// One text.
#[derive(Clone, Debug)]
pub(crate) struct TagTemplate(Vec<TemplatePart>);

#[derive(Clone, Debug)]
enum TemplatePart {
    Text(String),
    Series(SeriesPart),
    /// What a group of a pattern stands for.
    Group {
        place: usize,
        number: usize,
    },
}

impl TagTemplate {
    /// Reads a text; on failure, says which reference is wrong.
    pub(crate) fn parse(text: &str, condition: &Condition) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            if !before.is_empty() {
                parts.push(TemplatePart::Text(before.into()));
            }
            let (part, behind) = reference(after, condition)?;
            parts.push(part);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(TemplatePart::Text(rest.into()));
        }
        Ok(Self(parts))
    }

    /// A piece that stands in every outcome and is `wrong`.
    pub(crate) fn fixed_part(&self, wrong: impl Fn(&str) -> bool) -> Option<&str> {
        self.0.iter().find_map(|part| match part {
            TemplatePart::Text(text) => wrong(text).then_some(text.as_str()),
            TemplatePart::Series(_) | TemplatePart::Group { .. } => None,
        })
    }

    /// Whether nothing can ever come out.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text for a series that the rule's patterns fit like this.
    pub(crate) fn expand(&self, series: &Series, fits: &[Fit]) -> String {
        let mut text = String::new();
        for part in &self.0 {
            text.push_str(match part {
                TemplatePart::Text(text) => text,
                TemplatePart::Series(subject) => subject.of(series).unwrap_or_default(),
                TemplatePart::Group { place, number } => fits.get(*place).map_or("", |fit| fit.group(*number)),
            });
        }
        text
    }
}

/// Reads what stands behind a dollar sign; answers with what stands behind that.
fn reference<'t>(text: &'t str, condition: &Condition) -> Result<(TemplatePart, &'t str), String> {
    if let Some(rest) = text.strip_prefix('$') {
        return Ok((TemplatePart::Text("$".into()), rest));
    }
    let (name, rest) = match text.strip_prefix('{') {
        Some(inside) => inside.split_once('}').ok_or_else(|| format!("`${text}` has no closing brace"))?,
        None => text.split_at(text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len())),
    };
    if name.is_empty() {
        return Err("a `$` that begins no reference; a dollar sign is written `$$`".into());
    }
    let part = match name {
        "metric" => TemplatePart::Series(SeriesPart::Metric),
        "endpoint" => TemplatePart::Series(SeriesPart::Endpoint),
        _ => match name.strip_prefix("tags.") {
            Some(key) => TemplatePart::Series(SeriesPart::Tag(key.into())),
            None => group(name, condition)?,
        },
    };
    Ok((part, rest))
}

fn group(name: &str, condition: &Condition) -> Result<TemplatePart, String> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        let (place, groups) = condition.metric().unwrap_or_default();
        return match name.parse() {
            Ok(number @ 1..) if number <= groups => Ok(TemplatePart::Group { place, number }),
            _ => Err(format!("`${name}` refers to nothing: `when.metric` has {groups} `*` or groups")),
        };
    }
    let found = condition.named_groups().find(|(.., other)| *other == name);
    let (place, number, _) = found.ok_or_else(|| {
        let wanted = format!("no pattern in `when` has a group (?<{name}>…)");
        format!("`${{{name}}}` refers to nothing: {wanted}; a tag is `${{tags.{name}}}`")
    })?;
    Ok(TemplatePart::Group { place, number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::series;

    const WHEN: &str =
        r#"{"metric": "disk.*.*", "endpoint": "/web(\\d+)/", "tags": {"device": "/(?<disk>sd.)(?<part>\\d+)?/"}}"#;

    fn condition(json: &str) -> Condition {
        Condition::parse(&saker_sdk::settings::parse(json).unwrap()).unwrap()
    }

    #[test]
    fn references_are_replaced() {
        let series = series("web7", "disk.io.util", "device=sda2,zone=");
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("host.$1.$2", "host.io.util"),
            ("$2$1", "utilio"),
            ("${1}0", "io0"),
            ("$1s", "ios"),
            ("${disk}/${part}", "sda/2"),
            ("${endpoint}:${metric}", "web7:disk.io.util"),
            ("<${tags.device}${tags.zone}${tags.none}>", "<sda2>"),
            ("$$1 }{", "$1 }{"),
        ] {
            let condition = condition(WHEN);
            let template = TagTemplate::parse(text, &condition).unwrap();
            assert_eq!(template.expand(&series, &condition.fit(&series).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_to_nothing_is_named() {
        for (text, when, expected) in [
            ("$3", WHEN, "`$3` refers to nothing: `when.metric` has 2 `*` or groups"),
            ("$0", WHEN, "`$0` refers to nothing: `when.metric` has 2 `*` or groups"),
            (
                "$99999999999999999999",
                "{}",
                "`$99999999999999999999` refers to nothing: `when.metric` has 0 `*` or groups",
            ),
            ("$1", r#"{"endpoint": "*"}"#, "`$1` refers to nothing: `when.metric` has 0 `*` or groups"),
            ("a$", WHEN, "a `$` that begins no reference; a dollar sign is written `$$`"),
            ("$x", WHEN, "a `$` that begins no reference; a dollar sign is written `$$`"),
            ("${}", WHEN, "a `$` that begins no reference; a dollar sign is written `$$`"),
            ("${x", WHEN, "`${x` has no closing brace"),
            (
                "${dc}",
                WHEN,
                "`${dc}` refers to nothing: no pattern in `when` has a group (?<dc>…); a tag is `${tags.dc}`",
            ),
        ] {
            assert_eq!(TagTemplate::parse(text, &condition(when)).unwrap_err(), expected, "{text}");
        }
    }
}
