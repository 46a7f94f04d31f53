//! The `redis` backend: one command for each point, or for each of cAdvisor's records, many on their way at a time.
//! README.md has the settings.
//!
//! `command` makes the commands, `resp` is the protocol, `session` the connection, `answer` what errors mean.

mod answer;
mod command;
mod resp;
mod session;
#[cfg(test)]
mod tests;

use saker_sdk::Progress;
use saker_sdk::encode::{Format, cadvisor};
use saker_sdk::net::{Deadline, Protocol, SocketTarget, TIMEOUT_MS};
use saker_sdk::prelude::*;

use command::Commands;
use session::Session;

saker_sdk::settings! {
    /// What a key holds.
    pub enum Shape {
        /// A stream, each part of a point in a field of its own.
        Stream = "stream",
        /// A list of lines.
        List = "list",
        /// A list of the records that cAdvisor's storage driver for Redis writes.
        Cadvisor = "cadvisor",
    }
}

saker_sdk::settings! {
    /// Which end of a list new points are pushed to.
    pub enum ListEnd { Left = "left", Right = "right" }
}

saker_sdk::settings! {
    /// Settings of the `redis` backend.
    pub struct RedisSettings {
        /// The server: host:port.
        pub address: String,
        /// The user, if not the default one.
        pub username: Option<String> = None,
        /// The password.
        pub password: Option<String> = None,
        /// The number of the database.
        pub database: u32 = 0,
        /// What a key holds: "stream", "list" or "cadvisor", a list of cAdvisor's records.
        pub shape: Shape = Shape::Stream,
        /// The key: "saker", or "cadvisor" in that shape, if it is left out. It may name parts of the series:
        /// ${endpoint}, ${metric}, ${tags}, ${tags.KEY}; in cAdvisor's shape it may not.
        pub key: Option<String> = None,
        /// How many points or records a key keeps, the newest; of a stream about so many. 0 keeps all.
        pub max_length: u32 = 1_000_000,
        /// list: how a point is written.
        pub format: Format = Format::Json,
        /// list: the end that new points are pushed to.
        pub push: ListEnd = ListEnd::Right,
        /// cadvisor: the tag that names the container of a series. Series without it are the machine's.
        pub container_tag: String = cadvisor::CONTAINER_TAG.into(),
        /// How long one write may take, in milliseconds. Must be less than the agent's deadline for it.
        pub timeout_ms: u32 = TIMEOUT_MS,
    }
}

/// The backend, with the series that it knows.
pub struct Redis {
    settings: RedisSettings,
    target: SocketTarget,
    commands: Commands,
    progress: Progress,
    session: Option<Session>,
}

impl Backend for Redis {
    type Settings = RedisSettings;

    fn describe() -> Description {
        Description::new("redis", env!("CARGO_PKG_VERSION"), "Writes points to Redis streams and lists")
            .requests(connect("<address>"), "the server is there")
    }

    fn open(settings: RedisSettings) -> Result<Self, OpenError> {
        let wrong = |what: &str| Err(OpenError::Settings(what.into()));
        let target = SocketTarget::parse("address", &settings.address, Protocol::Tcp)?;
        if target.protocol != Protocol::Tcp {
            return wrong("address: Redis is reached by TCP; write host:port");
        }
        if settings.username.is_some() && settings.password.is_none() {
            return wrong("username: give the password too");
        }
        let commands = Commands::new(&settings)?;
        Ok(Self { settings, target, commands, progress: Progress::default(), session: None })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        // A handle that stood for another series makes other points of those that were taken.
        self.progress.clear();
        for definition in definitions {
            self.commands.define(definition.id, &definition.series);
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        self.commands.check(&points)?;
        self.progress.begin(points);
        let deadline = Deadline::after_ms(self.settings.timeout_ms);
        let kept = self.session.take().and_then(|session| session.go_on(deadline));
        let mut session = match kept {
            Some(session) => session,
            None => Session::open(&self.target, &self.settings, deadline)?,
        };
        let failed = session.write(&mut self.commands, &mut self.progress)?;
        if !failed.leave {
            session.trim(&self.commands, self.progress.points())?;
            self.session = Some(session);
        }
        failed.verdict(&self.commands, self.progress.points())?;
        let written = self.progress.points().len();
        self.progress.clear();
        Ok(written)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.progress.clear();
        ids.into_iter().for_each(|id| self.commands.forget(id));
    }
}

saker_sdk::export_backend!(Redis);
