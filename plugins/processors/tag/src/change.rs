//! What a rule changes: tags taken away, renamed and set, and a new metric or endpoint.

use std::collections::BTreeMap;

use saker_sdk::prelude::*;

use crate::RuleSettings;
use crate::condition::Condition;
use crate::pattern::{Fit, Pattern};
use crate::tags;
use crate::template::TagTemplate;

/// All changes of a rule. Texts are made of the series as it comes to the rule; then tags are taken away, renamed, set
/// where absent, and set.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    remove: Vec<Pattern>,
    rename: Vec<(String, String)>,
    default: Vec<(String, TagTemplate)>,
    add: Vec<(String, TagTemplate)>,
    metric: Option<TagTemplate>,
    endpoint: Option<TagTemplate>,
}

impl Change {
    /// Reads the changes; on failure, names the field that is wrong.
    pub(crate) fn parse(settings: &RuleSettings, when: &Condition) -> Result<Self, String> {
        let change = Self {
            remove: removals(&settings.remove)?,
            rename: settings.rename.iter().map(|(from, to)| (from.clone(), to.clone())).collect(),
            default: tag_templates("default", &settings.default, when)?,
            add: tag_templates("add", &settings.add, when)?,
            metric: name_template("rename_metric", settings.rename_metric.as_deref(), when)?,
            endpoint: name_template("endpoint", settings.endpoint.as_deref(), when)?,
        };
        change.check_renames()?;
        change.check_contradictions()?;
        Ok(change)
    }

    /// The fields that are used.
    pub(crate) fn fields(&self) -> Vec<&'static str> {
        let used = [
            ("add", !self.add.is_empty()),
            ("default", !self.default.is_empty()),
            ("rename", !self.rename.is_empty()),
            ("remove", !self.remove.is_empty()),
            ("rename_metric", self.metric.is_some()),
            ("endpoint", self.endpoint.is_some()),
        ];
        used.into_iter().filter_map(|(field, used)| used.then_some(field)).collect()
    }

    /// Changes a series that the rule's patterns fit like this; on failure, says what would become of it.
    pub(crate) fn apply(&self, series: &Series, fits: &[Fit]) -> Result<Series, String> {
        let mut changed = series.clone();
        let tags = &mut changed.tags;
        tags.retain(|(key, _)| !self.remove.iter().any(|pattern| pattern.is_match(key)));
        for (from, to) in &self.rename {
            if let Some(value) = tags::take(tags, from) {
                tags::put(tags, to, value);
            }
        }
        for (key, template) in &self.default {
            if tags::find(tags, key).is_err() {
                put_text("default", tags, key, template.expand(series, fits))?;
            }
        }
        for (key, template) in &self.add {
            put_text("add", tags, key, template.expand(series, fits))?;
        }
        if let Some(template) = &self.metric {
            changed.metric = name("rename_metric", template.expand(series, fits))?;
        }
        if let Some(template) = &self.endpoint {
            changed.endpoint = name("endpoint", template.expand(series, fits))?;
        }
        Ok(changed)
    }

    fn check_renames(&self) -> Result<(), String> {
        for (from, to) in &self.rename {
            tags::check_key(from).map_err(|error| format!("rename: {error}"))?;
            tags::check_key(to).map_err(|error| format!("rename.{from}: {error}"))?;
        }
        Ok(())
    }

    /// A tag that two fields name has no clear fate.
    fn check_contradictions(&self) -> Result<(), String> {
        let added = self.add.iter().map(|(key, _)| ("add", key));
        let defaults = self.default.iter().map(|(key, _)| ("default", key));
        let renamed = self.rename.iter().flat_map(|(from, to)| [("rename", from), ("rename", to)]);
        let named: Vec<_> = added.chain(defaults).chain(renamed).collect();
        for (index, (field, key)) in named.iter().enumerate() {
            if let Some((other, _)) = named[..index].iter().find(|(_, other)| other == key) {
                let place = if other == field { "there twice".into() } else { format!("in `{other}` too") };
                return Err(format!("{field}: the tag `{key}` stands {place}; make two rules of it"));
            }
            if self.remove.iter().any(|pattern| pattern.is_match(key)) {
                return Err(format!("{field}: the tag `{key}` stands in `remove` too; make two rules of it"));
            }
        }
        Ok(())
    }
}

fn removals(keys: &[String]) -> Result<Vec<Pattern>, String> {
    let parse = |key: &String| {
        if key.is_empty() {
            return Err("remove: a tag's key must not be empty".to_owned());
        }
        Pattern::parse(key).map_err(|error| format!("remove: {error}"))
    };
    keys.iter().map(parse).collect()
}

fn tag_templates(
    field: &str,
    tags: &BTreeMap<String, String>,
    when: &Condition,
) -> Result<Vec<(String, TagTemplate)>, String> {
    let parse = |(key, text): (&String, &String)| {
        tags::check_key(key).map_err(|error| format!("{field}: {error}"))?;
        let template = TagTemplate::parse(text, when).map_err(|error| format!("{field}.{key}: {error}"))?;
        if template.is_empty() {
            return Err(format!("{field}.{key}: is empty; to take a tag away write `remove = [\"{key}\"]`"));
        }
        match template.fixed_part(|text| !tags::is_safe(text)) {
            Some(text) => Err(format!("{field}.{key}: {text:?} holds `,`, `=` or a control character")),
            None => Ok((key.clone(), template)),
        }
    };
    tags.iter().map(parse).collect()
}

fn name_template(field: &str, text: Option<&str>, when: &Condition) -> Result<Option<TagTemplate>, String> {
    let Some(text) = text else { return Ok(None) };
    let template = TagTemplate::parse(text, when).map_err(|error| format!("{field}: {error}"))?;
    if template.is_empty() {
        return Err(format!("{field}: is empty"));
    }
    match template.fixed_part(|text| text.contains(char::is_control)) {
        Some(text) => Err(format!("{field}: {text:?} holds a control character")),
        None => Ok(Some(template)),
    }
}

fn name(field: &str, text: String) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!("{field}: comes out empty"));
    }
    if text.contains(char::is_control) { Err(format!("{field}: {text:?} holds a control character")) } else { Ok(text) }
}

/// Sets a tag; a text that has come out empty sets none.
fn put_text(field: &str, tags: &mut Vec<(String, String)>, key: &str, text: String) -> Result<(), String> {
    if !tags::is_safe(&text) {
        return Err(format!("{field}.{key}: {text:?} holds `,`, `=` or a control character"));
    }
    if !text.is_empty() {
        tags::put(tags, key, text);
    }
    Ok(())
}
