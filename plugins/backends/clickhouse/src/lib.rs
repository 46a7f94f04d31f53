//! The `clickhouse` backend: rows in RowBinary over HTTP. README.md has the settings and the tables.
//!
//! `row` makes the rows, `answer` reads what a server says.

mod answer;
mod row;

use std::collections::BTreeMap;

use saker_sdk::bodies::{Bodies, BodyOutcome, Compression, Filled, HttpSender, Request};
use saker_sdk::encode::{Slots, check, header};
use saker_sdk::http::Target;
use saker_sdk::prelude::*;

/// The longest body before it is compressed, in bytes: tens of thousands of rows, and an insert that is not small.
const BODY_MAX: usize = 3 << 20;
/// How much of an answer is read, in bytes: an exception's beginning.
const ANSWER_MAX: usize = 4 << 10;

saker_sdk::settings! {
    /// How a series' tags stand in a row.
    pub enum TagsColumn {
        /// In one column tags Map(String, String).
        Map = "map",
        /// In two columns tags.key and tags.value, both Array(String): for servers before 21.1.
        Arrays = "arrays",
        /// In one column tags String, as k=v,k=v.
        String = "string",
    }
}

saker_sdk::settings! {
    /// Settings of the `clickhouse` backend.
    pub struct ClickhouseSettings {
        /// Where to write: http://host:port.
        pub url: String,
        /// The database.
        pub database: String = "default".into(),
        /// The table.
        pub table: String = "saker".into(),
        /// How a series' tags stand in a row.
        pub tags: TagsColumn = TagsColumn::Map,
        /// More parameters of the query, such as async_insert.
        pub parameters: BTreeMap<String, String> = BTreeMap::new(),
        /// How bodies are compressed.
        pub compression: Compression = Compression::Gzip,
        /// Sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
        /// More headers.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The backend, with the series that it knows.
pub struct Clickhouse {
    tags: TagsColumn,
    heads: Slots<Box<[u8]>>,
    bodies: Bodies,
    sender: HttpSender,
    body: Vec<u8>,
}

impl Backend for Clickhouse {
    type Settings = ClickhouseSettings;

    fn describe() -> Description {
        Description::new("clickhouse", env!("CARGO_PKG_VERSION"), "Writes points to ClickHouse over HTTP, in RowBinary")
            .requests(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: ClickhouseSettings) -> Result<Self, OpenError> {
        let (username, password) = (settings.username.as_deref(), settings.password.as_deref());
        let authorization = header::authorization("Bearer", None, username, password)?;
        let content = "application/octet-stream";
        let target = target(&settings)?;
        Ok(Self {
            tags: settings.tags,
            heads: Slots::default(),
            bodies: Bodies::new(BODY_MAX),
            sender: HttpSender::new(target, content, authorization, &settings.headers, settings.compression)?
                .reading(answer::HEADERS),
            body: Vec::new(),
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for definition in &definitions {
            self.heads.insert(definition.id, row::head(&definition.series, self.tags).into());
        }
        if !definitions.is_empty() {
            self.bodies.forget();
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        check(&points, |id| self.heads.get(id).is_some(), row::fits)?;
        self.bodies.write(points, &mut Call { heads: &self.heads, sender: &self.sender, body: &mut self.body })
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        ids.iter().for_each(|id| self.heads.remove(*id));
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(Clickhouse);

struct Call<'a> {
    heads: &'a Slots<Box<[u8]>>,
    sender: &'a HttpSender,
    body: &'a mut Vec<u8>,
}

impl Request for Call<'_> {
    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        Filled::one_by_one(self.body, points, places, most, |body, point| {
            let head = self.heads.get(point.series).expect("the whole call was checked for unknown series");
            row::push(body, head, point);
        })
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        self.sender.post(self.body, ANSWER_MAX, answer::taken)
    }
}

/// The address with the statement and the operator's parameters.
fn target(settings: &ClickhouseSettings) -> Result<Target, OpenError> {
    let wrong = |message: String| Err(OpenError::Settings(message));
    let target = Target::parse(&settings.url)?;
    if target.path.contains('?') {
        return wrong("url: leave out everything from the ? on; parameters says the rest".into());
    }
    if settings.database.is_empty() || settings.table.is_empty() {
        return wrong("database and table: must not be empty".into());
    }
    let (database, table) = (quoted(&settings.database), quoted(&settings.table));
    let statement = format!("INSERT INTO {database}.{table} ({}) FORMAT RowBinary", row::columns(settings.tags));
    let mut target = target.with_query("query", &statement);
    for (name, value) in &settings.parameters {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || name == "query" {
            return wrong(format!("parameters.{name}: not the name of a parameter that can be set"));
        }
        target = target.with_query(name, value);
    }
    Ok(target)
}

/// An identifier in backquotes.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests;
