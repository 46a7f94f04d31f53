//! Reads tables key by key and goes on after a mistake, so that one look finds them all.
//!
//! A key can be given in three places, the later winning: the file, the environment, the command line. Its name in the
//! environment is `SAKER_` and its path in upper case, every other character an underscore: `[listen] http` is
//! `SAKER_LISTEN_HTTP`. Since the reader asks for each key that there is, that rule has no exceptions.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::expansion::{SETTINGS, expand, expand_table};
use crate::{ConfigSource, FromConfig, Location, Problem, RawValue};

/// What all tables of one reading share.
pub struct ReadContext<'a> {
    source: &'a ConfigSource,
    problems: RefCell<Vec<Problem>>,
    /// The syntax of the file is broken.
    broken: Cell<bool>,
    /// Where variables are named that are not there.
    unexpanded: RefCell<Vec<Location>>,
    used: RefCell<BTreeSet<String>>,
    /// The keys that were asked for of each table, by its path: several components may each read their own of one.
    known: RefCell<BTreeMap<String, Vec<&'static str>>>,
}

/// A table of the file, or a place where one could be.
pub struct ConfigTable<'a> {
    reading: &'a ReadContext<'a>,
    path: String,
    entries: Option<&'a DeTable<'a>>,
    place: Location,
}

/// A key that is not there and none of the known ones is this many edits away: no suggestion.
const SUGGESTION_EDITS_MAX: usize = 3;

impl<'a> ReadContext<'a> {
    /// A reading of a source, of which nothing is read yet.
    #[must_use]
    pub fn new(source: &'a ConfigSource) -> Self {
        Self {
            source,
            problems: RefCell::default(),
            broken: Cell::default(),
            unexpanded: RefCell::default(),
            used: RefCell::default(),
            known: RefCell::default(),
        }
    }

    /// The whole configuration as a table. `parsed` is the file's.
    pub fn root(&'a self, parsed: Option<&'a Spanned<DeTable<'a>>>) -> ConfigTable<'a> {
        let place = match &self.source.file {
            Some((path, _)) => Location::File { path: path.clone(), line: 1, column: 1 },
            None => Location::Default,
        };
        ConfigTable { reading: self, path: String::new(), entries: parsed.map(Spanned::get_ref), place }
    }

    /// Notes what the parser of the file's syntax has found.
    pub fn syntax(&self, error: &toml::de::Error) {
        let Some((path, text)) = &self.source.file else { return };
        let place = Location::in_file(path, text, &error.span().unwrap_or_default());
        self.broken.set(true);
        self.note(place, "", error.message().replace('\n', " "));
    }

    /// Notes a mistake.
    pub fn note(&self, place: Location, key: &str, what: impl Into<String>) {
        // A value that could not be expanded is wrong in every other way as well.
        if self.unexpanded.borrow().contains(&place) {
            return;
        }
        let problem = Problem { place, key: key.into(), what: what.into() };
        let mut problems = self.problems.borrow_mut();
        // A table that is read twice has its mistakes once.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Whether the file's syntax is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Puts the environment's variables into the file's values.
    pub fn expand(&self, table: &mut Spanned<DeTable<'_>>) {
        for unknown in expand_table(table.get_mut(), &self.source.variables) {
            self.note_unexpanded(self.place_of(unknown.span), &unknown.key, unknown.what);
        }
    }

    fn note_unexpanded(&self, place: Location, key: &str, what: String) {
        self.note(place.clone(), key, what);
        self.unexpanded.borrow_mut().push(place);
    }

    /// The keys that were asked for, whether they are given or not.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.used.borrow().iter().filter(|name| !name.starts_with("SAKER_")).cloned().collect()
    }

    /// All mistakes, in the order of the file, and what is none and yet hardly meant. Only if every table has been read
    /// is it known which names from the environment and the command line belong to no key.
    pub fn finish(self, all_read: bool) -> (Vec<Problem>, Vec<Problem>) {
        let used = self.used.take();
        let mut problems = self.problems.take();
        let mut warnings = Vec::new();
        if !all_read {
            return (problems, warnings);
        }
        // Others name variables so, too: a cluster gives each of its services some, such as SAKER_SERVICE_HOST.
        for name in self.source.environment.keys().filter(|name| !used.contains(*name)) {
            let what = format!("no key has this name{}", suggestion(name, used.iter().map(String::as_str)));
            warnings.push(Problem { place: Location::Environment(name.clone()), key: String::new(), what });
        }
        for key in self.source.arguments.keys().filter(|key| !used.contains(*key)) {
            let keys = used.iter().map(String::as_str).filter(|key| !key.starts_with("SAKER_"));
            let what = format!("there is no such key{}", suggestion(key, keys));
            problems.push(Problem { place: Location::CommandLine, key: key.clone(), what });
        }
        problems.sort_by_key(|problem| problem.place.order());
        (problems, warnings)
    }

    fn place_of(&self, span: std::ops::Range<usize>) -> Location {
        match &self.source.file {
            Some((path, text)) => Location::in_file(path, text, &span),
            None => Location::Default,
        }
    }
}

impl<'a> ConfigTable<'a> {
    /// A path: one in the file is meant from the file's folder, one from elsewhere from the current folder. An empty one
    /// is none.
    pub fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.optional::<String>(key).filter(|path| !path.is_empty())?;
        match (self.place_of(key), self.folder()) {
            (Location::File { .. }, Some(folder)) => Some(folder.join(path)),
            _ => Some(path.into()),
        }
    }

    /// A list of paths, each meant as that of [`path`](Self::path).
    pub fn paths(&mut self, key: &'static str) -> Vec<PathBuf> {
        let paths: Vec<String> = self.get(key, Vec::new());
        let in_file = matches!(self.place_of(key), Location::File { .. });
        let folder = self.folder().filter(|_| in_file).unwrap_or(Path::new("")).to_owned();
        paths.into_iter().map(|path| folder.join(path)).collect()
    }

    fn folder(&self) -> Option<&Path> {
        self.reading.source.file.as_ref().and_then(|(path, _)| path.parent())
    }

    /// How many tables a list of tables has.
    #[must_use]
    pub fn count(&self, key: &str) -> usize {
        let list = self.entries.and_then(|entries| entries.get(key)).and_then(|value| value.get_ref().as_array());
        list.map_or(0, |list| list.len())
    }

    /// Notes a mistake of a table in a table, such as `[destination.NAME]`.
    pub fn wrong_in(&self, group: &str, name: &str, what: &str) {
        let table = self.inner(group);
        let place = table.inner(name).place();
        self.reading.note(place, &table.key(name), what);
    }

    /// Notes a mistake of a key that is some tables further in.
    pub fn wrong_below(&self, tables: &[&str], key: &str, what: &str) {
        match tables {
            [] => self.wrong(key, what),
            [first, rest @ ..] => self.inner(first).wrong_below(rest, key, what),
        }
    }

    /// The file that the configuration is read from.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.reading.source.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// Whether this table is written in the file.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.entries.is_some()
    }

    /// The path of a key in this table.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where this table begins.
    #[must_use]
    pub fn place(&self) -> Location {
        self.place.clone()
    }

    /// Where a key's value is written; the table's own place if it is not.
    #[must_use]
    pub fn place_of(&self, key: &str) -> Location {
        match self.given(key) {
            Some((_, place)) => place,
            None => self.place(),
        }
    }

    /// Notes a mistake in a key's value that only a look at more than the value finds.
    pub fn wrong(&self, key: &str, what: impl Into<String>) {
        self.reading.note(self.place_of(key), &self.key(key), what);
    }

    /// The value of a key, or a default.
    pub fn get<T: FromConfig>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of a key, if it is given and right.
    pub fn optional<T: FromConfig>(&mut self, key: &'static str) -> Option<T> {
        self.asks_for(key);
        let (given, place) = self.given(key)?;
        match T::read(&given) {
            Ok(value) => Some(value),
            Err(what) => {
                self.reading.note(place, &self.key(key), what);
                None
            }
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, default: T, words: &[(&str, T)]) -> T {
        let Some(given) = self.optional::<String>(key) else { return default };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == given) {
            return *value;
        }
        let all: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let (last, others) = all.split_last().expect("there are words to choose from");
        self.wrong(key, format!("expected {} or {last}, found {given:?}", others.join(", ")));
        default
    }

    /// A number that must not be less.
    pub fn at_least(&mut self, key: &'static str, default: usize, least: usize) -> usize {
        let number = self.get(key, default);
        if number < least {
            self.wrong(key, format!("must be at least {least}"));
        }
        number
    }

    /// The value of a key that must be given.
    pub fn required<T: FromConfig>(&mut self, key: &'static str, example: &str) -> Option<T> {
        if self.given(key).is_none() {
            self.asks_for(key);
            self.reading.note(self.place(), &self.key(key), format!("missing; write for example: {key} = {example}"));
            return None;
        }
        self.optional(key)
    }

    /// A table in this one, empty if it is not there.
    pub fn table(&mut self, key: &'static str) -> ConfigTable<'a> {
        self.asks_for(key);
        self.inner(key)
    }

    /// The tables in a table whose keys are names that the operator has chosen, such as `[destination.NAME]`; `also`
    /// are names that are there without being written.
    pub fn named(&mut self, key: &'static str, also: &[&str]) -> Vec<(String, ConfigTable<'a>)> {
        self.asks_for(key);
        let group = self.inner(key);
        let mut names: BTreeSet<String> = also.iter().map(|&name| name.to_owned()).collect();
        names.extend(group.entries.iter().flat_map(|entries| entries.keys()).map(|name| name.get_ref().to_string()));
        names
            .into_iter()
            .filter_map(|name| {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
                if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with('.') {
                    group.wrong(
                        &name,
                        "a name is 1 to 64 letters, digits, '-', '_' and '.', and begins with none of '.'",
                    );
                    return None;
                }
                let table = group.inner(&name);
                Some((name, table))
            })
            .collect()
    }

    /// The tables of a list of tables, such as `[[route]]`.
    pub fn list(&mut self, key: &'static str) -> Vec<ConfigTable<'a>> {
        self.asks_for(key);
        let Some(value) = self.entries.and_then(|entries| entries.get(key)) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, format!("expected a list of tables; write [[{key}]]"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let path = format!("{}[{index}]", self.key(key));
            let place = self.reading.place_of(item.span());
            match item.get_ref().as_table() {
                Some(entries) => {
                    tables.push(ConfigTable { reading: self.reading, path, entries: Some(entries), place });
                }
                None => self.reading.note(place, &path, format!("expected a table; write [[{key}]]")),
            }
        }
        tables
    }

    /// The names of the keys that are written in this table.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.entries.iter().flat_map(|entries| entries.keys()).map(|name| name.get_ref().to_string()).collect()
    }

    /// The value of a key whose name is not known beforehand.
    #[must_use]
    pub fn free<T: FromConfig>(&self, key: &str) -> Option<T> {
        let (given, place) = self.given(key)?;
        T::read(&given).map_err(|what| self.reading.note(place, &self.key(key), what)).ok()
    }

    /// Whether anything is written for a key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.given(key).is_some()
    }

    /// The places of everything below a key, by path within it (`a.b`), for a text that is checked later.
    #[must_use]
    pub fn places_below(&self, key: &str) -> BTreeMap<String, Location> {
        let mut places = BTreeMap::new();
        if let Some(value) = self.entries.and_then(|entries| entries.get(key)) {
            self.collect_places("", value, &mut places);
        }
        places
    }

    fn collect_places(&self, path: &str, value: &Spanned<DeValue<'_>>, places: &mut BTreeMap<String, Location>) {
        places.insert(path.to_owned(), self.reading.place_of(value.span()));
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value.get_ref() {
            DeValue::Table(table) => {
                for (name, value) in table {
                    self.collect_places(&below(name.get_ref()), value, places);
                }
            }
            DeValue::Array(array) => {
                for (index, value) in array.iter().enumerate() {
                    self.collect_places(&format!("{path}[{index}]"), value, places);
                }
            }
            _ => {}
        }
    }

    /// Ends the reading of this table, which is for the last to do who reads of it: what it holds beside the keys that were
    /// asked for is a mistake.
    pub fn finish(self) {
        let known = self.reading.known.borrow().get(&self.path).cloned().unwrap_or_default();
        for (name, _) in self.entries.iter().flat_map(|entries| entries.iter()) {
            if !known.contains(&name.get_ref().as_ref()) {
                let what = format!("there is no such key{}", suggestion(name.get_ref(), known.iter().copied()));
                self.reading.note(self.reading.place_of(name.span()), &self.key(name.get_ref()), what);
            }
        }
    }

    fn asks_for(&self, key: &'static str) {
        let mut all = self.reading.known.borrow_mut();
        let known = all.entry(self.path.clone()).or_default();
        if !known.contains(&key) {
            known.push(key);
        }
    }

    fn inner(&self, key: &str) -> ConfigTable<'a> {
        let value = self.entries.and_then(|entries| entries.get(key));
        let entries = value.and_then(|value| value.get_ref().as_table());
        if let Some(value) = value
            && entries.is_none()
        {
            let found = value.get_ref().type_str();
            self.reading.note(
                self.reading.place_of(value.span()),
                &self.key(key),
                format!("expected a table, found {found}"),
            );
        }
        let place = value.map_or_else(|| self.place(), |value| self.reading.place_of(value.span()));
        ConfigTable { reading: self.reading, path: self.key(key), entries, place }
    }

    /// What is given for a key, by whoever wins, and where.
    fn given(&self, key: &str) -> Option<(RawValue<'a>, Location)> {
        let path = self.key(key);
        let variable = variable(&path);
        let source = self.reading.source;
        let mut used = self.reading.used.borrow_mut();
        let argument = source.arguments.get(&path);
        let from_environment = source.environment.get(&variable);
        used.insert(variable.clone());
        used.insert(path);
        if let Some(text) = argument {
            return Some((self.expanded(key, text, &Location::CommandLine), Location::CommandLine));
        }
        if let Some(text) = from_environment {
            let place = Location::Environment(variable);
            return Some((self.expanded(key, text, &place), place));
        }
        let value = self.entries?.get(key)?;
        Some((RawValue::Toml(value.get_ref()), self.reading.place_of(value.span())))
    }
}

impl<'a> ConfigTable<'a> {
    /// A value from outside the file, with the environment's variables in it.
    fn expanded(&self, key: &str, text: &'a str, place: &Location) -> RawValue<'a> {
        let expanded =
            if key == SETTINGS { Ok(Cow::Borrowed(text)) } else { expand(text, &self.reading.source.variables) };
        match expanded {
            Ok(text) => RawValue::Text(text),
            Err(what) => {
                self.reading.note_unexpanded(place.clone(), &self.key(key), what);
                RawValue::Text(text.into())
            }
        }
    }
}

/// The name of a key in the environment.
fn variable(path: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    std::iter::once("SAKER_".to_owned()).chain([path.chars().map(upper).collect()]).collect()
}

/// "; did you mean …?", or nothing.
#[must_use]
pub fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    let near = known.iter().map(|&key| (strsim::damerau_levenshtein(wrong, key), key)).min();
    match near {
        Some((edits, key)) if edits <= SUGGESTION_EDITS_MAX && edits < key.len() => {
            format!("; did you mean \"{key}\"?")
        }
        _ if !known.is_empty() && known.len() <= 12 => format!("; there is {}", known.join(", ")),
        _ => String::new(),
    }
}
