//! A queue on disk that belongs to no destination: opened for one look or for giving it away.

use std::sync::Arc;

use saker_journal::{Journal, JournalConfig, Marks, Position, SavedMark as MarkFile};
use saker_model::{Point, SeriesTable};

use crate::queue::dead_letters::DeadLetters;
use crate::queue::span::{DeliveryMark, Span, Spans};
use crate::queue::spool::backlog::{DecodedRecords, NextRecord, said};
use crate::queue::spool::dir::{DEAD, QUEUE};
use crate::queue::spool::operating::{DisplaySeries, show_points};
use crate::queue::spool::{QueueCommand, QueueCommandOutcome, SpoolDir};

/// Points that are handed over at a time.
const GIVE_POINTS: usize = 10_000;

struct Orphan {
    journal: Journal,
    waiting: Spans,
}

impl Orphan {
    fn open(dir: &SpoolDir, destination: &str) -> Result<Self, String> {
        let folder = || dir.journal(destination, QUEUE).map_err(|error| error.to_string());
        let mark = match Marks::open(&*folder()?).and_then(|marks| marks.read()).map_err(|error| said(&error))? {
            MarkFile::Held(bytes) => DeliveryMark::decode(&bytes),
            MarkFile::Missing | MarkFile::Damaged => None,
        };
        let (journal, _) = Journal::open(folder()?, JournalConfig::default()).map_err(|error| said(&error))?;
        let mark = mark.unwrap_or(DeliveryMark { open: journal.start(), ..DeliveryMark::default() });
        let mut waiting = mark.spans;
        waiting.add(Span { from: mark.open, to: journal.end() });
        Ok(Self { journal, waiting })
    }
}

fn dead(dir: &SpoolDir, destination: &str) -> Result<Option<DeadLetters>, String> {
    if !dir.has(destination, DEAD) {
        return Ok(None);
    }
    let folder = dir.journal(destination, DEAD).map_err(|error| error.to_string())?;
    DeadLetters::open(folder, u64::MAX).map(Some).map_err(|error| said(&error))
}

/// Does what an operator wants with it.
pub(crate) fn operate(dir: &SpoolDir, destination: &str, order: QueueCommand) -> Result<QueueCommandOutcome, String> {
    match order {
        QueueCommand::InspectQueue(most) => {
            let orphan = Orphan::open(dir, destination)?;
            let shown = show_points(&orphan.journal, &orphan.waiting, most)?;
            Ok(QueueCommandOutcome { points: orphan.waiting.points(), shown })
        }
        QueueCommand::InspectDeadLetters(most) => {
            let Some(dead) = dead(dir, destination)? else { return Ok(QueueCommandOutcome::default()) };
            Ok(QueueCommandOutcome { points: dead.points(), shown: dead.show(&DisplaySeries::default(), most)? })
        }
        QueueCommand::DropQueue => {
            let points = Orphan::open(dir, destination)?.waiting.points();
            dir.remove(destination).map_err(|error| error.to_string())?;
            Ok(QueueCommandOutcome { points, shown: Vec::new() })
        }
        QueueCommand::DropDeadLetters => {
            let Some(mut dead) = dead(dir, destination)? else { return Ok(QueueCommandOutcome::default()) };
            let points = dead.points();
            dead.drop_before(dead.end()).map_err(|error| said(&error))?;
            Ok(QueueCommandOutcome { points, shown: Vec::new() })
        }
        QueueCommand::ReplayDeadLetters => {
            Err("no destination is called so, and what was rejected needs its own destination".into())
        }
    }
}

/// Gives away its points, oldest first, then removes it.
pub(crate) fn hand_over(
    dir: &SpoolDir,
    destination: &str,
    table: &Arc<SeriesTable>,
    mut give: impl FnMut(Vec<Point>) -> Result<(), String>,
) -> Result<u64, String> {
    let orphan = Orphan::open(dir, destination)?;
    let mut given = 0;
    for span in orphan.waiting.iter() {
        let mut records = DecodedRecords::new(&orphan.journal, span.from);
        let (mut points, mut at) = (Vec::new(), Position::default());
        while at.seq < span.to.seq {
            match records.next(&mut points, |series| table.restore(series))? {
                NextRecord::Record { before, after } => {
                    at = after;
                    if before.seq < span.from.seq {
                        points.clear();
                    }
                }
                NextRecord::Lost(lost) => tracing::error!(destination, "points in the queue are lost: {}", lost.what),
                NextRecord::End => break,
            }
            if points.len() >= GIVE_POINTS {
                given += points.len() as u64;
                give(std::mem::take(&mut points))?;
            }
        }
        given += points.len() as u64;
        give(points)?;
    }
    drop(orphan);
    // Dead letters stay: they have been given to nobody.
    let gone =
        if dir.has(destination, DEAD) { dir.remove_journal(destination, QUEUE) } else { dir.remove(destination) };
    gone.map_err(|error| error.to_string())?;
    Ok(given)
}
