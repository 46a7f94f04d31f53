//! The `otlp` backend: OpenTelemetry's protocol over HTTP, in protocol buffers. README.md has the settings.
//!
//! `message` writes the request, `answer` reads what a server says of it. The specification is <https://opentelemetry.io/docs/specs/otlp/>.

mod answer;
mod message;

use std::collections::BTreeMap;

use saker_sdk::bodies::{Bodies, BodyOutcome, Compression, Filled, HttpSender, Request};
use saker_sdk::encode::{check, header};
use saker_sdk::http::Target;
use saker_sdk::prelude::*;

use crate::message::{Naming, OtlpMessages};

/// The longest body before it is compressed, in bytes. Collectors take 20 MiB, vendors 1 MiB compressed and more.
const BODY_MAX: usize = 2 << 20;
/// How much of an answer is read, in bytes: a number and a sentence.
const ANSWER_MAX: usize = 16 << 10;

saker_sdk::settings! {
    /// Settings of the `otlp` backend.
    pub struct OtlpSettings {
        /// Where to write: http://host:port, or with a path other than /v1/metrics.
        pub url: String,
        /// The resource's attribute that names the endpoint; "" leaves it out.
        pub endpoint_attribute: String = "host.name".into(),
        /// More attributes of every resource.
        pub resource: BTreeMap<String, String> = BTreeMap::from([("service.name".into(), "saker".into())]),
        /// How bodies are compressed.
        pub compression: Compression = Compression::Gzip,
        /// Sent as "Authorization: Bearer …".
        pub token: Option<String> = None,
        /// Sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
        /// More headers, such as api-key.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The backend, with the series that it knows.
pub struct Otlp {
    naming: Naming,
    messages: OtlpMessages,
    bodies: Bodies,
    sender: HttpSender,
    body: Vec<u8>,
}

impl Backend for Otlp {
    type Settings = OtlpSettings;

    fn describe() -> Description {
        Description::new("otlp", env!("CARGO_PKG_VERSION"), "Writes points by OTLP over HTTP, as OpenTelemetry metrics")
            .requests(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: OtlpSettings) -> Result<Self, OpenError> {
        let mut target = Target::parse(&settings.url)?;
        if target.path == "/" || target.path.starts_with("/?") {
            target.path = format!("/v1/metrics{}", &target.path[1..]);
        }
        let authorization = header::authorization(
            "Bearer",
            settings.token.as_deref(),
            settings.username.as_deref(),
            settings.password.as_deref(),
        )?;
        let content = "application/x-protobuf";
        Ok(Self {
            naming: Naming::new(settings.endpoint_attribute, settings.resource)?,
            messages: OtlpMessages::default(),
            bodies: Bodies::new(BODY_MAX),
            sender: HttpSender::new(target, content, authorization, &settings.headers, settings.compression)?
                .reading(answer::HEADERS),
            body: Vec::new(),
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for definition in &definitions {
            self.messages.define(definition.id, &definition.series, &self.naming);
        }
        if !definitions.is_empty() {
            self.bodies.forget();
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        check(&points, |id| self.messages.knows(id), message::fits)?;
        let mut call = Call { messages: &mut self.messages, sender: &self.sender, body: &mut self.body, points: 0 };
        self.bodies.write(points, &mut call)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        ids.iter().for_each(|id| self.messages.forget(*id));
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(Otlp);

struct Call<'a> {
    messages: &'a mut OtlpMessages,
    sender: &'a HttpSender,
    body: &'a mut Vec<u8>,
    points: usize,
}

impl Request for Call<'_> {
    fn arrange(&mut self, points: &[Point], places: &mut Vec<u32>) {
        self.messages.arrange(points, places);
    }

    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        self.body.clear();
        self.points = self.messages.push(points, places, most, self.body);
        Filled { points: self.points, bytes: self.body.len() }
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        self.sender.post(self.body, ANSWER_MAX, |response, rest| {
            response.taken_as(|| {
                let (taken, words) = answer::taken(response, rest, self.points)?;
                // There is no other way to tell what a server says of points that it does not name.
                words.iter().for_each(|words| host::log(host::Level::Warn, words));
                Ok(taken)
            })
        })
    }
}

#[cfg(test)]
mod tests;
