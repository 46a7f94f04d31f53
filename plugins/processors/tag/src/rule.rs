//! One rule: when it applies, and what it does then.

use saker_sdk::prelude::*;

use crate::RuleSettings;
use crate::change::Change;
use crate::condition::Condition;

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    when: Condition,
    unless: Option<Condition>,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    /// A series that fits is dropped.
    Drop,
    /// A series that does not fit is dropped.
    Keep,
    Change(Change),
}

impl Rule {
    /// Reads a rule; on failure, names the field that is wrong.
    pub(crate) fn parse(settings: &RuleSettings) -> Result<Self, String> {
        let when = Condition::parse(&settings.when).map_err(|error| format!("when.{error}"))?;
        let unless = Condition::parse(&settings.unless).map_err(|error| format!("unless.{error}"))?;
        check_groups(&when)?;
        let change = Change::parse(settings, &when)?;
        let mut actions = change.fields();
        let (has_drop, has_keep) = (settings.drop, settings.keep);
        actions.extend(has_drop.then_some("drop"));
        actions.extend(has_keep.then_some("keep"));
        let action = match (has_drop, has_keep, &actions[..]) {
            (_, _, []) => return Err("does nothing; give it an action, such as `add` or `drop`".into()),
            (true, _, ["drop"]) => Action::Drop,
            (_, true, ["keep"]) => Action::Keep,
            (false, false, _) => Action::Change(change),
            (_, _, [others @ .., last]) => {
                let others = others.join("`, `");
                return Err(format!("{last}: contradicts `{others}`; make two rules of it"));
            }
        };
        if !matches!(action, Action::Change(_)) && when.is_empty() && unless.is_empty() {
            return Err(format!("{}: needs a condition in `when` or `unless`", actions[0]));
        }
        let unless = (!unless.is_empty()).then_some(unless);
        Ok(Self { when, unless, action })
    }

    /// What becomes of a series: none if it is dropped. On failure, says which field would make what.
    pub(crate) fn apply(&self, series: Series) -> Result<Option<Series>, String> {
        let spared = self.unless.as_ref().is_some_and(|unless| unless.fit(&series).is_some());
        let fits = if spared { None } else { self.when.fit(&series) };
        match (&self.action, fits) {
            (Action::Drop, Some(_)) | (Action::Keep, None) => Ok(None),
            (Action::Change(change), Some(fits)) => change.apply(&series, &fits).map(Some),
            (Action::Drop | Action::Change(_), None) | (Action::Keep, Some(_)) => Ok(Some(series)),
        }
    }
}

/// The names of groups must tell them apart, and from what else a text can refer to.
fn check_groups(when: &Condition) -> Result<(), String> {
    let names: Vec<_> = when.named_groups().map(|(.., name)| name).collect();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(format!("when: two groups have the name `{name}`"));
        }
        if matches!(*name, "metric" | "endpoint") {
            return Err(format!("when: a group must not have the name `{name}`, which stands for the series' own"));
        }
    }
    Ok(())
}
