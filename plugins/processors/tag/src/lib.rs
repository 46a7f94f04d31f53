//! The `tag` processor: tags, renames and drops series by rules that the operator writes. README.md has the rules'
//! fields and examples.
//!
//! Each new series passes once through all rules in their order, each rule seeing what the one before has made; what
//! comes out is remembered by the agent.

mod change;
mod condition;
mod pattern;
mod rule;
mod tags;
mod template;

use std::collections::BTreeMap;

use saker_sdk::prelude::*;

use crate::rule::Rule;

saker_sdk::settings! {
    /// Settings of the `tag` processor.
    pub struct TagSettings {
        /// The rules, in the order in which they are applied.
        pub rules: Vec<RuleSettings> = Vec::new(),
    }
}

saker_sdk::settings! {
    /// One rule. Texts may refer to the series and to what the patterns in `when` have found.
    pub struct RuleSettings {
        /// The rule applies to series that fit all of this. Left out, it applies to every series.
        pub when: ConditionSettings = nothing_asked(),
        /// The rule does not apply to series that fit all of this.
        pub unless: ConditionSettings = nothing_asked(),
        /// Tags to set, whatever they were.
        pub add: BTreeMap<String, String> = BTreeMap::new(),
        /// Tags to set where the series has none of this key.
        pub default: BTreeMap<String, String> = BTreeMap::new(),
        /// Keys of tags, and what they are to be called.
        pub rename: BTreeMap<String, String> = BTreeMap::new(),
        /// Patterns for keys of tags that are taken away.
        pub remove: Vec<String> = Vec::new(),
        /// The new name of the metric.
        pub rename_metric: Option<String> = None,
        /// Whose series it is to be.
        pub endpoint: Option<String> = None,
        /// Drops the series that the rule applies to.
        pub drop: bool = false,
        /// Drops the series that the rule does not apply to.
        pub keep: bool = false,
    }
}

saker_sdk::settings! {
    /// Patterns, all of which must fit. `*` stands for any run of characters; `/…/` is a regular expression.
    pub struct ConditionSettings {
        /// For the name of the metric.
        pub metric: Option<String> = None,
        /// For the endpoint.
        pub endpoint: Option<String> = None,
        /// For the values of tags, by their keys. A series without such a tag does not fit.
        pub tags: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The processor.
pub struct Tagger {
    rules: Vec<Rule>,
}

impl Processor for Tagger {
    type Settings = TagSettings;

    fn describe() -> Description {
        Description::new("tag", env!("CARGO_PKG_VERSION"), "Tags, renames and drops series by rules")
    }

    fn open(settings: TagSettings) -> Result<Self, OpenError> {
        let rules = settings.rules.iter().enumerate().map(|(index, rule)| {
            Rule::parse(rule).map_err(|error| OpenError::Settings(format!("rule {}: {error}", index + 1)))
        });
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    fn map_series(&mut self, series: Series) -> Result<Verdict, ProcessError> {
        let mut mapped = series.clone();
        for (index, rule) in self.rules.iter().enumerate() {
            mapped = match rule.apply(mapped) {
                Ok(Some(mapped)) => mapped,
                Ok(None) => return Ok(Verdict::Drop),
                Err(error) => {
                    let number = index + 1;
                    let whose = format!("{} of {}", series.metric, series.endpoint);
                    return Err(ProcessError::Other(format!("rule {number}: {error} ({whose})")));
                }
            };
        }
        Ok(if mapped == series { Verdict::Keep } else { Verdict::Change(mapped) })
    }
}

saker_sdk::export_processor!(Tagger);

fn nothing_asked() -> ConditionSettings {
    ConditionSettings { metric: None, endpoint: None, tags: BTreeMap::new() }
}

#[cfg(test)]
mod tests;
