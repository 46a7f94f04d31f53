//! The `postgres` backend: a batch is one transaction that copies rows into a table. README.md has the settings.
//!
//! `rows` and `sql` make what is sent, `protocol` and `login` speak with the server, `session` is the connection,
//! `answer` tells what errors mean, `batch` finds the rows that are to blame.

mod answer;
mod batch;
mod login;
mod protocol;
mod rows;
mod session;
mod sql;
#[cfg(test)]
mod tests;

use saker_sdk::Progress;
use saker_sdk::net::{Deadline, Protocol, SocketTarget, TIMEOUT_MS};
use saker_sdk::prelude::*;

use rows::Rows;
use session::Session;
use sql::Statements;

saker_sdk::settings! {
    /// Settings of the `postgres` backend.
    pub struct PostgresSettings {
        /// The server: host:port.
        pub address: String,
        /// The user.
        pub username: String,
        /// The password.
        pub password: Option<String> = None,
        /// The database; the user's name if it is left out.
        pub database: Option<String> = None,
        /// The table, or schema.table.
        pub table: String = "metrics".into(),
        /// Whether to create the table if it is not there.
        pub create_table: bool = false,
        /// Whether a point that is there already is left out. Needs a unique index.
        pub deduplicate: bool = false,
        /// How long one write may take, in milliseconds. Must be less than the agent's deadline for it.
        pub timeout_ms: u32 = TIMEOUT_MS,
    }
}

/// The backend, with the series that it knows.
pub struct Postgres {
    settings: PostgresSettings,
    target: SocketTarget,
    statements: Statements,
    rows: Rows,
    progress: Progress,
    doubt: Option<Doubt>,
    session: Option<Session>,
}

/// A transaction of which nobody knows whether it has ended well: the connection was lost before the answer came.
struct Doubt {
    transaction: String,
    /// Which points of the last call it was about.
    places: Vec<usize>,
}

impl Backend for Postgres {
    type Settings = PostgresSettings;

    fn describe() -> Description {
        let summary = "Writes points to a table of PostgreSQL or TimescaleDB";
        Description::new("postgres", env!("CARGO_PKG_VERSION"), summary)
            .requests(connect("<address>"), "the server is there")
    }

    fn open(settings: PostgresSettings) -> Result<Self, OpenError> {
        let wrong = |what: &str| Err(OpenError::Settings(what.into()));
        let target = SocketTarget::parse("address", &settings.address, Protocol::Tcp)?;
        if target.protocol != Protocol::Tcp {
            return wrong("address: PostgreSQL is reached by TCP; write host:port");
        }
        let texts = [Some(&settings.username), settings.password.as_ref(), settings.database.as_ref()];
        if settings.username.is_empty() || texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return wrong("username: must be given, and neither it, password nor database may hold a zero character");
        }
        let statements = Statements::new(&settings)?;
        let (rows, progress) = (Rows::default(), Progress::default());
        Ok(Self { settings, target, statements, rows, progress, doubt: None, session: None })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        // A handle that stood for another series makes other points of those that were taken.
        self.forget_call();
        for definition in definitions {
            self.rows.define(definition.id, &definition.series);
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        self.rows.check(&points)?;
        let deadline = Deadline::after_ms(self.settings.timeout_ms);
        let kept = self.session.take().and_then(|session| session.go_on(deadline));
        let mut session = match kept {
            Some(session) => session,
            None => Session::open(&self.target, &self.settings, deadline)?,
        };
        self.resolve_doubt(&mut session)?;
        self.progress.begin(points);
        let done = self.write_left(&mut session)?;
        if !done.leave {
            self.session = Some(session);
        }
        done.verdict?;
        let written = self.progress.points().len();
        self.progress.clear();
        Ok(written)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.forget_call();
        ids.into_iter().for_each(|id| self.rows.forget(id));
    }
}

saker_sdk::export_backend!(Postgres);

impl Postgres {
    fn forget_call(&mut self) {
        self.progress.clear();
        self.doubt = None;
    }
}
