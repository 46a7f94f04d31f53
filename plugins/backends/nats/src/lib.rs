//! The `nats` backend: one message for each point, acknowledged by a stream. README.md has the settings.
//!
//! `message` and `subject` make the messages, `protocol` reads what the server says, `answer` what it means, `session`
//! is the connection.

mod answer;
mod message;
mod protocol;
mod session;
mod subject;
#[cfg(test)]
mod tests;

use saker_sdk::Progress;
use saker_sdk::encode::Format;
use saker_sdk::net::{Deadline, Protocol, SocketTarget, TIMEOUT_MS};
use saker_sdk::prelude::*;

use message::Messages;
use session::Session;

saker_sdk::settings! {
    /// Settings of the `nats` backend.
    pub struct NatsSettings {
        /// The server: host:port.
        pub address: String,
        /// The user.
        pub username: Option<String> = None,
        /// The user's password.
        pub password: Option<String> = None,
        /// A token, in place of a user.
        pub token: Option<String> = None,
        /// The subject. It may name parts of the series: ${endpoint}, ${metric}, ${tags}, ${tags.KEY}.
        pub subject: String = "saker.${endpoint}.${metric}".into(),
        /// Whether a stream has to acknowledge. Without, a message is lost where nobody listens.
        pub jetstream: bool = true,
        /// The stream that takes the subjects.
        pub stream: String = "saker".into(),
        /// Whether to create the stream if there is none.
        pub create_stream: bool = false,
        /// How a point is written.
        pub format: Format = Format::Json,
        /// How long one write may take, in milliseconds. Must be less than the agent's deadline for it.
        pub timeout_ms: u32 = TIMEOUT_MS,
    }
}

/// The backend, with the series that it knows.
pub struct Nats {
    settings: NatsSettings,
    target: SocketTarget,
    messages: Messages,
    progress: Progress,
    session: Option<Session>,
}

impl Backend for Nats {
    type Settings = NatsSettings;

    fn describe() -> Description {
        Description::new(
            "nats",
            env!("CARGO_PKG_VERSION"),
            "Publishes points to NATS, with JetStream's acknowledgement",
        )
        .requests(connect("<address>"), "the server is there")
    }

    fn open(settings: NatsSettings) -> Result<Self, OpenError> {
        let wrong = |what: &str| Err(OpenError::Settings(what.into()));
        let target = SocketTarget::parse("address", &settings.address, Protocol::Tcp)?;
        if target.protocol != Protocol::Tcp {
            return wrong("address: NATS is reached by TCP; write host:port");
        }
        if settings.token.is_some() && settings.username.is_some() {
            return wrong("token: give either it or username and password");
        }
        if settings.password.is_some() && settings.username.is_none() {
            return wrong("password: give the username too");
        }
        if settings.create_stream && !settings.jetstream {
            return wrong("create_stream: is for jetstream = true");
        }
        let messages = Messages::new(&settings)?;
        Ok(Self { settings, target, messages, progress: Progress::default(), session: None })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        // A handle that stood for another series makes other points of those that were taken.
        self.progress.clear();
        for definition in definitions {
            self.messages.define(definition.id, &definition.series);
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        self.messages.check(&points)?;
        self.progress.begin(points);
        let deadline = Deadline::after_ms(self.settings.timeout_ms);
        let kept = self.session.take().and_then(|session| session.go_on(deadline));
        let mut session = match kept {
            Some(session) => session,
            None => Session::open(&self.target, &self.settings, deadline)?,
        };
        let mut failed = session.write(&mut self.messages, &mut self.progress)?;
        if failed.nobody() && self.settings.create_stream {
            session.create(&self.settings.stream, self.messages.subjects())?;
            failed = session.write(&mut self.messages, &mut self.progress)?;
        }
        self.session = Some(session);
        failed.verdict(&self.messages)?;
        let written = self.progress.points().len();
        self.progress.clear();
        Ok(written)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.progress.clear();
        ids.into_iter().for_each(|id| self.messages.forget(id));
    }
}

saker_sdk::export_backend!(Nats);
