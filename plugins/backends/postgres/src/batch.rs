//! Writing a call's points: in one transaction if all goes well, around the rows that are to blame if not.

use std::ops::Range;

use saker_sdk::prelude::*;

use crate::answer::{Meaning, meaning, message, row};
use crate::session::Session;
use crate::sql::Statements;
use crate::{Doubt, Postgres};

/// How many rows a call rejects before it answers: each costs a transaction or two, and the others wait for it.
const REFUSED_MAX: usize = 100;
/// When to ask again about a transaction that the server is still busy with, in milliseconds.
const STILL_BUSY_MS: u32 = 500;

/// What a call comes to.
pub(crate) struct CopyOutcome {
    pub(crate) verdict: Result<(), WriteError>,
    /// Whether the connection is of no more use.
    pub(crate) leave: bool,
}

impl Postgres {
    /// Finds out what became of a transaction whose answer was lost, and notes what it has written.
    pub(crate) fn resolve_doubt(&mut self, session: &mut Session) -> Result<(), WriteError> {
        let Some(doubt) = &self.doubt else { return Ok(()) };
        // A number that the server does not know, or not any more, is no transaction that has ended well.
        let status = session.ask(&Statements::status(&doubt.transaction))?.ok().flatten();
        match status.as_deref() {
            Some("in progress") => {
                let message = format!("transaction {} of the batch is still under way", doubt.transaction);
                return Err(WriteError::retry(message, Some(STILL_BUSY_MS)));
            }
            Some("committed") => doubt.places.iter().for_each(|&place| self.progress.take(place)),
            _ => {}
        }
        self.doubt = None;
        Ok(())
    }

    /// Writes the points that are left. An error is one of the connection, which is then of no more use.
    pub(crate) fn write_left(&mut self, session: &mut Session) -> Result<CopyOutcome, WriteError> {
        let left: Vec<usize> = self.progress.left().map(|(place, _)| place).collect();
        let whole = 0..left.len();
        let mut parts = vec![whole];
        let mut rejected = RejectedRows::default();
        let mut has_created = false;
        while let Some(part) = parts.pop().filter(|_| rejected.places.len() < REFUSED_MAX) {
            if part.is_empty() {
                continue;
            }
            let Some(failure) = self.copy(session, &left[part.clone()])? else {
                left[part].iter().for_each(|&place| self.progress.take(place));
                continue;
            };
            match meaning(&failure) {
                Meaning::Row => {
                    rejected.message.get_or_insert_with(|| message(&failure));
                    rejected.blame(part, row(&failure), &left, &mut parts);
                }
                Meaning::NoTable if self.settings.create_table && !has_created => {
                    has_created = true;
                    // Another agent may have been faster; whether the table is there shows in the next attempt.
                    if let Err(failure) = session.ask(&self.statements.create)? {
                        host::log(host::Level::Warn, &format!("cannot create the table: {}", message(&failure)));
                    }
                    parts.push(part);
                }
                Meaning::NoTable => return Ok(CopyOutcome::wait(self.without_table(&message(&failure)), false)),
                Meaning::Wait => return Ok(CopyOutcome::wait(message(&failure), false)),
                Meaning::Leave => return Ok(CopyOutcome::wait(message(&failure), true)),
            }
        }
        Ok(CopyOutcome { verdict: rejected.verdict(), leave: false })
    }

    /// One transaction with these points.
    fn copy(
        &mut self,
        session: &mut Session,
        places: &[usize],
    ) -> Result<Option<crate::protocol::ServerError>, WriteError> {
        let points = self.progress.points();
        let mut transaction = None;
        let copied = session.copy(
            &self.statements.copy,
            &self.rows,
            places.iter().map(|&place| points[place]),
            &mut transaction,
        );
        self.doubt = transaction.map(|transaction| Doubt { transaction, places: places.to_vec() });
        copied
    }

    fn without_table(&self, said: &str) -> String {
        format!("{said}; set create_table = true, or create it: {}", self.statements.create)
    }
}

impl CopyOutcome {
    fn wait(message: String, leave: bool) -> Self {
        Self { verdict: Err(WriteError::retry(message, None)), leave }
    }
}

/// Points that the table will never take.
#[derive(Default)]
struct RejectedRows {
    places: Vec<u32>,
    message: Option<String>,
}

impl RejectedRows {
    /// Takes the row to blame out of a part that failed, and cuts the rest so that it is written without it.
    fn blame(&mut self, part: Range<usize>, row: Option<usize>, left: &[usize], parts: &mut Vec<Range<usize>>) {
        let found = row.filter(|&row| row < part.len()).or((part.len() == 1).then_some(0));
        match found {
            Some(row) => {
                let bad = part.start + row;
                self.places.push(u32::try_from(left[bad]).unwrap_or(u32::MAX));
                parts.push(bad + 1..part.end);
                parts.push(part.start..bad);
            }
            // The server did not say which: it is in one of the halves, which fails again and is halved again.
            None => {
                let middle = part.start + part.len() / 2;
                parts.push(middle..part.end);
                parts.push(part.start..middle);
            }
        }
    }

    fn verdict(mut self) -> Result<(), WriteError> {
        let Some(message) = self.message.filter(|_| !self.places.is_empty()) else { return Ok(()) };
        self.places.sort_unstable();
        Err(WriteError::Reject(Reject { points: self.places, message }))
    }
}
