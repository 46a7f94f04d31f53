//! A connection to a PostgreSQL server that has been logged in to.

use saker_sdk::net::{Deadline, NetError, SocketTarget, TcpStream};
use saker_sdk::prelude::*;

use crate::PostgresSettings;
use crate::answer::message;
use crate::login::{Login, LoginStep};
use crate::protocol::{
    Incoming, ServerError, ServerMessage, begin_copy_data, copy_done, end_copy_data, query, startup,
};
use crate::rows::{END, HEAD, Rows};

/// How many bytes of rows are sent at once.
const CHUNK: usize = 64 << 10;

/// A connection that can take questions.
pub(crate) struct Session {
    stream: TcpStream,
    incoming: Incoming,
    out: Vec<u8>,
}

impl Session {
    /// Connects and logs in.
    pub(crate) fn open(
        target: &SocketTarget,
        settings: &PostgresSettings,
        deadline: Deadline,
    ) -> Result<Self, WriteError> {
        let stream = TcpStream::connect(target, deadline)?;
        let mut session = Self { stream, incoming: Incoming::default(), out: Vec::new() };
        let database = settings.database.as_deref().unwrap_or(&settings.username);
        let hello = [
            ("user", settings.username.as_str()),
            ("database", database),
            ("application_name", "saker"),
            ("client_encoding", "UTF8"),
        ];
        session.stream.write_all(&startup(&hello))?;
        let mut login = Login::new(&settings.username, settings.password.as_deref());
        loop {
            match session.receive()? {
                ServerMessage::Authentication(kind, body) => match login.step(kind, &body) {
                    Ok(LoginStep::Say(answer)) => session.stream.write_all(&answer)?,
                    Ok(LoginStep::Wait | LoginStep::Done) => {}
                    Err(what) => return Err(WriteError::retry(format!("cannot log in: {what}"), None)),
                },
                ServerMessage::Error(failure) => {
                    return Err(WriteError::retry(format!("cannot log in: {}", message(&failure)), None));
                }
                ServerMessage::Ready { .. } => return Ok(session),
                _ => {}
            }
        }
    }

    /// The same for another call, unless the server has closed it or said good-bye.
    pub(crate) fn go_on(mut self, deadline: Deadline) -> Option<Self> {
        self.stream.set_deadline(deadline);
        let received = self.stream.take_received();
        self.incoming.buffer().extend_from_slice(&received);
        while let Some(message) = self.incoming.next().ok()? {
            if let ServerMessage::Error(_) = message {
                return None;
            }
        }
        self.stream.is_open().then_some(self)
    }

    /// Carries statements out; answers with the first column of the last row, or with what went wrong.
    pub(crate) fn ask(&mut self, sql: &str) -> Result<Result<Option<String>, ServerError>, WriteError> {
        self.stream.write_all(&query(sql))?;
        let mut answer = Ok(None);
        loop {
            match self.receive()? {
                ServerMessage::Row(columns) => answer = Ok(first(columns)),
                ServerMessage::Error(failure) => answer = Err(failure),
                ServerMessage::Ready { .. } => return Ok(answer),
                _ => {}
            }
        }
    }

    /// Writes rows in one transaction, by statements that give its number first. Answers with what went wrong; then
    /// nothing was written.
    ///
    /// While nobody knows whether it has ended well, its number stands in `doubt`.
    pub(crate) fn copy(
        &mut self,
        sql: &str,
        rows: &Rows,
        points: impl Iterator<Item = Point>,
        doubt: &mut Option<String>,
    ) -> Result<Option<ServerError>, WriteError> {
        self.stream.write_all(&query(sql))?;
        let mut transaction = None;
        let mut failure = loop {
            match self.receive()? {
                ServerMessage::Row(columns) => transaction = first(columns),
                ServerMessage::CopyIn => break self.send(rows, points)?,
                // The server is ready for the next question after this, and waits for no rows.
                ServerMessage::Error(failure) => break Some(failure),
                _ => {}
            }
        };
        if failure.is_none() {
            *doubt = transaction;
            self.stream.write_all(&self.out)?;
        }
        let (mut last, mut is_closed) = (String::new(), false);
        while !is_closed {
            match self.receive()? {
                ServerMessage::Error(other) => failure = failure.or(Some(other)),
                ServerMessage::Done(what) => last = what,
                ServerMessage::Ready { is_idle } => {
                    is_closed = true;
                    // A transaction that has failed is ended by COMMIT without an error, and calls that ROLLBACK.
                    if failure.is_none() && (last != "COMMIT" || !is_idle) {
                        failure = Some(ServerError::not_committed(&last));
                    }
                }
                _ => {}
            }
        }
        *doubt = None;
        if failure.is_some() {
            // The transaction waits for its end, and takes nothing more.
            let _ = self.ask("ROLLBACK")?;
        }
        Ok(failure)
    }

    /// Sends all rows but the last of them, which stay in the buffer with what ends the copy. Stops when the server has
    /// found something wrong.
    fn send(&mut self, rows: &Rows, points: impl Iterator<Item = Point>) -> Result<Option<ServerError>, WriteError> {
        self.out.clear();
        let mut began = begin_copy_data(&mut self.out);
        self.out.extend_from_slice(HEAD);
        for point in points {
            if self.out.len() >= CHUNK {
                end_copy_data(&mut self.out, began);
                self.stream.write_all(&self.out)?;
                if let Some(failure) = self.complaint()? {
                    return Ok(Some(failure));
                }
                self.out.clear();
                began = begin_copy_data(&mut self.out);
            }
            rows.push(&point, &mut self.out);
        }
        self.out.extend_from_slice(END);
        end_copy_data(&mut self.out, began);
        self.out.extend_from_slice(&copy_done());
        Ok(None)
    }

    /// What the server has found wrong by now.
    fn complaint(&mut self) -> Result<Option<ServerError>, WriteError> {
        let received = self.stream.take_received();
        self.incoming.buffer().extend_from_slice(&received);
        while let Some(message) = self.incoming.next().map_err(NetError::Unavailable)? {
            if let ServerMessage::Error(failure) = message {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }

    fn receive(&mut self) -> Result<ServerMessage, WriteError> {
        loop {
            match self.incoming.next() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => self.stream.receive_into(self.incoming.buffer())?,
                Err(what) => return Err(NetError::Unavailable(what).into()),
            }
        }
    }
}

fn first(columns: Vec<Option<Vec<u8>>>) -> Option<String> {
    String::from_utf8(columns.into_iter().next()??).ok()
}
