//! Variables of the environment in the values of a configuration: `${NAME}`, and `$${` for those who mean `${`.
//!
//! Plugins' settings are left as they are: in a backend's template `${metric}` is a part of the series.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The table that belongs to a plugin.
pub(crate) const SETTINGS: &str = "settings";

/// A value that names a variable that is not there.
pub(crate) struct UnsetVariable {
    pub(crate) span: Range<usize>,
    pub(crate) key: String,
    pub(crate) what: String,
}

/// Expands every text in a table; answers those that cannot be.
pub(crate) fn expand_table(table: &mut DeTable<'_>, variables: &BTreeMap<String, String>) -> Vec<UnsetVariable> {
    let mut failed = Vec::new();
    below("", table, variables, &mut failed);
    failed
}

fn below(path: &str, table: &mut DeTable<'_>, variables: &BTreeMap<String, String>, failed: &mut Vec<UnsetVariable>) {
    for (name, value) in table.iter_mut() {
        let name = name.get_ref();
        if name != SETTINGS {
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            within(&path, value, variables, failed);
        }
    }
}

fn within(
    path: &str,
    value: &mut Spanned<DeValue<'_>>,
    variables: &BTreeMap<String, String>,
    failed: &mut Vec<UnsetVariable>,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::Table(table) => below(path, table, variables, failed),
        DeValue::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                within(&format!("{path}[{index}]"), item, variables, failed);
            }
        }
        DeValue::String(text) => match expand(text, variables) {
            Ok(Cow::Borrowed(_)) => {}
            Ok(Cow::Owned(expanded)) => *text = Cow::Owned(expanded),
            Err(what) => failed.push(UnsetVariable { span, key: path.to_owned(), what }),
        },
        _ => {}
    }
}

/// A text with its variables in their places.
///
/// # Errors
/// Says which variable is not there, or what is no name of one.
pub(crate) fn expand<'a>(text: &'a str, variables: &BTreeMap<String, String>) -> Result<Cow<'a, str>, String> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        rest = &after[2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded += before;
            expanded += "${";
            continue;
        }
        expanded += before;
        let (name, after) = rest.split_once('}').filter(|(name, _)| is_name(name)).ok_or_else(|| {
            format!("expected the name of a variable and a }} after ${{ in {text:?}; to mean ${{ itself, write $${{")
        })?;
        let cure = "set it where the agent is started, or write the value itself; to mean ${ itself, write $${";
        expanded += variables.get(name).ok_or_else(|| format!("the environment has no variable {name}; {cure}"))?;
        rest = after;
    }
    expanded += rest;
    Ok(Cow::Owned(expanded))
}

fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_anywhere_in_a_text_and_a_doubled_dollar_is_one() {
        let variables = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B_2".to_owned(), "${A}".to_owned())]);
        let expand = |text| expand(text, &variables).map(Cow::into_owned);
        assert_eq!(expand("x${A}-${A}y"), Ok("x1-1y".into()));
        assert_eq!(expand("${B_2}"), Ok("${A}".into()), "once and not again");
        assert_eq!(expand("$${A} $A $ {A}"), Ok("${A} $A $ {A}".into()));
        assert_eq!(expand("cost: 5$"), Ok("cost: 5$".into()));
        assert!(expand("${C}").unwrap_err().starts_with("the environment has no variable C; set it where"));
        for text in ["${", "${}", "${A", "${A:-x}", "${1}", "${a b}"] {
            assert!(
                expand(text).unwrap_err().starts_with("expected the name of a variable and a } after ${"),
                "{text}"
            );
        }
    }
}
