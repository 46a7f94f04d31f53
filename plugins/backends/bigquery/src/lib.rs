//! The `bigquery` backend: rows by `tabledata.insertAll`. README.md has the settings and the table.
//!
//! `row` makes the rows, `answer` reads what became of each. The method is
//! <https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll>.

mod answer;
mod row;

use std::collections::BTreeMap;

use saker_sdk::bodies::{Bodies, BodyOutcome, Compression, Filled, HttpSender, Request};
use saker_sdk::encode::{Slots, check, header};
use saker_sdk::http::Target;
use saker_sdk::prelude::*;

use crate::row::Heads;

/// The longest body, in bytes: BigQuery takes ten megabytes and 50,000 rows, and a row has more than a hundred bytes.
const BODY_MAX: usize = 3 << 20;
/// How much of an answer is read, in bytes: some two hundred for each row that was not taken.
const ANSWER_MAX: usize = 6 << 20;

saker_sdk::settings! {
    /// Settings of the `bigquery` backend.
    pub struct BigquerySettings {
        /// The project that the table belongs to.
        pub project: String,
        /// The dataset.
        pub dataset: String,
        /// The table.
        pub table: String = "saker".into(),
        /// Sent as "Authorization: Bearer …": an OAuth 2 access token.
        pub token: Option<String> = None,
        /// Where the API is, if not at Google's.
        pub url: String = "https://bigquery.googleapis.com".into(),
        /// How bodies are compressed.
        pub compression: Compression = Compression::None,
        /// More headers.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The backend, with the series that it knows.
pub struct Bigquery {
    heads: Slots<Heads>,
    bodies: Bodies,
    sender: HttpSender,
    body: Vec<u8>,
}

impl Backend for Bigquery {
    type Settings = BigquerySettings;

    fn describe() -> Description {
        Description::new("bigquery", env!("CARGO_PKG_VERSION"), "Writes points to BigQuery by streaming inserts")
            .requests(connect("bigquery.googleapis.com:443"), "the points are posted there, unless url says otherwise")
    }

    fn open(settings: BigquerySettings) -> Result<Self, OpenError> {
        let authorization = header::authorization("Bearer", settings.token.as_deref(), None, None)?;
        let target = target(&settings)?;
        Ok(Self {
            heads: Slots::default(),
            bodies: Bodies::new(BODY_MAX),
            sender: HttpSender::new(
                target,
                "application/json",
                authorization,
                &settings.headers,
                settings.compression,
            )?,
            body: Vec::new(),
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for definition in &definitions {
            self.heads.insert(definition.id, Heads::new(&definition.series));
        }
        if !definitions.is_empty() {
            self.bodies.forget();
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        check(&points, |id| self.heads.get(id).is_some(), row::fits)?;
        let mut call = Call { heads: &self.heads, sender: &self.sender, body: &mut self.body, points: 0 };
        self.bodies.write(points, &mut call)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        ids.iter().for_each(|id| self.heads.remove(*id));
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(Bigquery);

struct Call<'a> {
    heads: &'a Slots<Heads>,
    sender: &'a HttpSender,
    body: &'a mut Vec<u8>,
    points: usize,
}

impl Request for Call<'_> {
    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        let filled = Filled::one_by_one(self.body, points, places, most, |body, point| {
            let heads = self.heads.get(point.series).expect("the whole call was checked for unknown series");
            body.extend_from_slice(if body.is_empty() { row::START } else { b"," });
            heads.push(body, point);
        });
        self.body.extend_from_slice(row::END);
        self.points = filled.points;
        filled
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        let points = self.points;
        self.sender
            .post(self.body, ANSWER_MAX, |response, rest| response.taken_as(|| answer::taken(rest.bytes(), points)))
    }
}

fn target(settings: &BigquerySettings) -> Result<Target, OpenError> {
    let mut target = Target::parse(&settings.url)?;
    if target.path != "/" {
        return Err(OpenError::Settings("url: leave out the path".into()));
    }
    for (setting, name) in [("project", &settings.project), ("dataset", &settings.dataset), ("table", &settings.table)]
    {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:$".contains(&byte);
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(OpenError::Settings(format!(
                "{setting}: must be letters, digits and _ - . : $, found {name:?}"
            )));
        }
    }
    let BigquerySettings { project, dataset, table, .. } = settings;
    target.path = format!("/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}/insertAll");
    Ok(target)
}

#[cfg(test)]
mod tests;
