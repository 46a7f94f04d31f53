//! The `elasticsearch` backend: documents to Elasticsearch or OpenSearch by the bulk API. README.md has the settings.
//!
//! `document` makes the two lines of a point, `index` says where it goes, `answer` reads what became of each.
//! The API is <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>.

mod answer;
mod document;
mod index;

use std::collections::BTreeMap;

use saker_sdk::bodies::{Bodies, BodyOutcome, Compression, Filled, HttpSender, Request};
use saker_sdk::encode::{Slots, check, header};
use saker_sdk::http::Target;
use saker_sdk::prelude::*;

use crate::document::{DocumentWriter, Heads};
use crate::index::{Index, IndexNames};

/// The longest body before it is compressed, in bytes: Elasticsearch recommends a few megabytes.
const BODY_MAX: usize = 3 << 20;
/// How much of an answer is read, in bytes: two hundred for each of the most points that such a body has.
const ANSWER_MAX: usize = 4 << 20;

saker_sdk::settings! {
    /// Settings of the `elasticsearch` backend.
    pub struct ElasticsearchSettings {
        /// Where to write: http://host:port, or with a path before /_bulk.
        pub url: String,
        /// The data stream; metrics-saker-default unless an index is given.
        pub data_stream: Option<String> = None,
        /// An index in place of a data stream; %Y, %m and %d stand for a point's day.
        pub index: Option<String> = None,
        /// Whether documents get an id that follows from series and time, so that what is sent twice is stored once.
        pub ids: bool = true,
        /// How bodies are compressed.
        pub compression: Compression = Compression::Gzip,
        /// Sent as "Authorization: ApiKey …": the encoded form of an API key.
        pub api_key: Option<String> = None,
        /// Sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
        /// More headers.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The backend, with the series that it knows.
pub struct Elasticsearch {
    heads: Slots<Heads>,
    writer: DocumentWriter,
    bodies: Bodies,
    sender: HttpSender,
    body: Vec<u8>,
}

impl Backend for Elasticsearch {
    type Settings = ElasticsearchSettings;

    fn describe() -> Description {
        let summary = "Writes points to Elasticsearch and OpenSearch by the bulk API";
        Description::new("elasticsearch", env!("CARGO_PKG_VERSION"), summary)
            .requests(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: ElasticsearchSettings) -> Result<Self, OpenError> {
        let index = Index::new(settings.data_stream, settings.index)?;
        let authorization = header::authorization(
            "ApiKey",
            settings.api_key.as_deref(),
            settings.username.as_deref(),
            settings.password.as_deref(),
        )
        .map_err(name_the_key)?;
        let target = target(&settings.url, &index)?;
        let content = "application/x-ndjson";
        Ok(Self {
            heads: Slots::default(),
            writer: DocumentWriter { names: IndexNames::new(index), ids: settings.ids },
            bodies: Bodies::new(BODY_MAX),
            sender: HttpSender::new(target, content, authorization, &settings.headers, settings.compression)?,
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
        check(&points, |id| self.heads.get(id).is_some(), |point| point.value.is_finite())?;
        let mut call = Call {
            heads: &self.heads,
            writer: &mut self.writer,
            sender: &self.sender,
            body: &mut self.body,
            points: 0,
        };
        self.bodies.write(points, &mut call)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        ids.iter().for_each(|id| self.heads.remove(*id));
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(Elasticsearch);

struct Call<'a> {
    heads: &'a Slots<Heads>,
    writer: &'a mut DocumentWriter,
    sender: &'a HttpSender,
    body: &'a mut Vec<u8>,
    points: usize,
}

impl Request for Call<'_> {
    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        let filled = Filled::one_by_one(self.body, points, places, most, |body, point| {
            let heads = self.heads.get(point.series).expect("the whole call was checked for unknown series");
            self.writer.push(body, heads, point);
        });
        self.points = filled.points;
        filled
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        let (points, ids) = (self.points, self.writer.ids);
        self.sender.post(self.body, ANSWER_MAX, |response, rest| {
            response.taken_as(|| answer::taken(rest.bytes(), points, ids))
        })
    }
}

/// The address of the bulk API. A data stream stands in the path, so that a key may be limited to it; the answer is
/// limited to what is read of it.
fn target(url: &str, index: &Index) -> Result<Target, OpenError> {
    let mut target = Target::parse(url)?;
    if target.path.contains('?') {
        return Err(OpenError::Settings("url: leave out everything from the ? on".into()));
    }
    let stream = index.data_stream().map_or(String::new(), |name| format!("/{name}"));
    target.path = format!("{}{stream}/_bulk", target.path.trim_end_matches('/'));
    Ok(target.with_query("filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason"))
}

/// The setting is not called `token` here.
fn name_the_key(error: OpenError) -> OpenError {
    match error {
        OpenError::Settings(message) => OpenError::Settings(message.replacen("token:", "api_key:", 1)),
        other => other,
    }
}

#[cfg(test)]
mod tests;
