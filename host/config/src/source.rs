//! Where configuration comes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::{ConfigTable, Problem, ReadContext, Warnings};

/// Where configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct ConfigSource {
    /// The file and its text; none runs on defaults.
    pub file: Option<(PathBuf, String)>,
    /// The environment's variables that begin with `SAKER_`.
    pub environment: BTreeMap<String, String>,
    /// `key=value` from the command line.
    pub arguments: BTreeMap<String, String>,
    /// All variables of the environment, which values may name as `${NAME}`.
    pub variables: BTreeMap<String, String>,
}

impl ConfigSource {
    /// The file, the environment of this process, and `key=value` arguments.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn gather(file: Option<&Path>, set: &[(String, String)]) -> Result<Self, std::io::Error> {
        let file = match file {
            Some(path) => Some((path.to_owned(), std::fs::read_to_string(path)?)),
            None => None,
        };
        let variables: BTreeMap<_, _> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        let ours = variables.iter().filter(|(name, _)| name.starts_with("SAKER_"));
        let environment = ours.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Self { file, environment, arguments: set.iter().cloned().collect(), variables })
    }
}

/// Reads what can be read of a configuration, whose root table `read` takes: what it makes of it with its warnings, and
/// all mistakes. Where the syntax is broken nothing is made, since that would only lead to mistakes that are none.
pub fn look<T>(
    source: &ConfigSource,
    read: impl FnOnce(ConfigTable<'_>) -> T,
) -> (Option<(T, Warnings)>, Vec<Problem>) {
    let reading = ReadContext::new(source);
    let parsed = source.file.as_ref().map(|(_, text)| {
        let (mut table, errors) = DeTable::parse_recoverable(text);
        errors.iter().for_each(|error| reading.syntax(error));
        reading.expand(&mut table);
        table
    });
    if reading.is_broken() {
        return (None, reading.finish(false).0);
    }
    let config = read(reading.root(parsed.as_ref()));
    let (problems, warnings) = reading.finish(true);
    (Some((config, Warnings(warnings))), problems)
}
