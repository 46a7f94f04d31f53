//! Takes a name and its labels apart: `name{label="value",…}`, or with the name in quotes among the labels. Done once for
//! each series that is new.

use super::line::What;

/// The label that is the name as well.
const NAME: &str = "__name__";
/// Labels that are looked at: more than any series may have, so that one with more is rejected for having too many.
const LABELS_MAX: usize = 257;

/// A name and its labels.
pub(super) fn read(key: &str) -> Result<(String, Vec<(String, String)>), What> {
    let (name, labels) = key.split_once('{').map_or((key, None), |(name, rest)| (name, Some(rest)));
    let mut found = Found { name: name.trim_end().to_owned(), labels: Vec::new() };
    if let Some(labels) = labels {
        found.read(labels)?;
    }
    if found.name.is_empty() { Err(What::NoName) } else { Ok((found.name, found.labels)) }
}

struct Found {
    name: String,
    labels: Vec<(String, String)>,
}

impl Found {
    /// What stands behind the opening brace.
    fn read(&mut self, mut rest: &str) -> Result<(), What> {
        while self.labels.len() < LABELS_MAX {
            rest = rest.trim_start();
            if rest.starts_with('}') {
                return Ok(());
            }
            let is_quoted = rest.starts_with('"');
            let (name, behind) = if is_quoted { quoted(rest)? } else { bare(rest)? };
            let behind = behind.trim_start();
            let behind = match behind.strip_prefix('=') {
                Some(value) => {
                    let (value, behind) = quoted(value.trim_start())?;
                    self.add(name, value)?;
                    behind.trim_start()
                }
                None if is_quoted && self.name.is_empty() => {
                    self.name = name;
                    behind
                }
                None => return Err(What::BadLabels),
            };
            rest = match behind.strip_prefix(',') {
                Some(behind) => behind,
                None if behind.starts_with('}') => behind,
                None => return Err(What::BadLabels),
            };
        }
        Ok(())
    }

    fn add(&mut self, name: String, value: String) -> Result<(), What> {
        match &*name {
            "" => return Err(What::BadLabels),
            NAME if self.name.is_empty() => self.name = value,
            _ => self.labels.push((name, value)),
        }
        Ok(())
    }
}

/// A name without quotes.
fn bare(text: &str) -> Result<(String, &str), What> {
    let end = text.find(['=', '"', ',', '{', '}']).ok_or(What::BadLabels)?;
    Ok((text[..end].trim_end().to_owned(), &text[end..]))
}

/// A text in quotes, and what stands behind it.
fn quoted(text: &str) -> Result<(String, &str), What> {
    let rest = text.strip_prefix('"').ok_or(What::BadLabels)?;
    let mut value = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &rest[at + 1..])),
            '\\' => match characters.next().map(|(_, next)| next) {
                Some('n') => value.push('\n'),
                Some(next @ ('"' | '\\')) => value.push(next),
                Some(next) => value.extend(['\\', next]),
                None => break,
            },
            _ => value.push(character),
        }
    }
    Err(What::BadLabels)
}
