//! A queue on disk that belongs to no node: opened for one look or for giving it away.

use std::sync::Arc;

use saker_journal::{Journal, JournalConfig, Mark as MarkFile, Marks, Position};
use saker_model::{Point, SeriesTable};

use crate::queue::dead::DeadLetters;
use crate::queue::span::{Mark, Span, Spans};
use crate::queue::spool::backlog::{Next, Records, said};
use crate::queue::spool::dir::{DEAD, QUEUE};
use crate::queue::spool::operating::{Names, show_points};
use crate::queue::spool::{Done, Order, SpoolDir};

/// Points that are handed over at a time.
const GIVE_POINTS: usize = 10_000;

struct Orphan {
    journal: Journal,
    waiting: Spans,
}

impl Orphan {
    fn open(dir: &SpoolDir, node: &str) -> Result<Self, String> {
        let folder = || dir.journal(node, QUEUE).map_err(|error| error.to_string());
        let mark = match Marks::open(&*folder()?).and_then(|marks| marks.read()).map_err(|error| said(&error))? {
            MarkFile::Held(bytes) => Mark::decode(&bytes),
            MarkFile::Missing | MarkFile::Damaged => None,
        };
        let (journal, _) = Journal::open(folder()?, JournalConfig::default()).map_err(|error| said(&error))?;
        let mark = mark.unwrap_or(Mark { open: journal.start(), ..Mark::default() });
        let mut waiting = mark.spans;
        waiting.add(Span { from: mark.open, to: journal.end() });
        Ok(Self { journal, waiting })
    }
}

fn dead(dir: &SpoolDir, node: &str) -> Result<Option<DeadLetters>, String> {
    if !dir.has(node, DEAD) {
        return Ok(None);
    }
    let folder = dir.journal(node, DEAD).map_err(|error| error.to_string())?;
    DeadLetters::open(folder, u64::MAX).map(Some).map_err(|error| said(&error))
}

/// Does what an operator wants with it.
pub(crate) fn operate(dir: &SpoolDir, node: &str, order: Order) -> Result<Done, String> {
    match order {
        Order::InspectQueue(most) => {
            let orphan = Orphan::open(dir, node)?;
            let shown = show_points(&orphan.journal, &orphan.waiting, most)?;
            Ok(Done { points: orphan.waiting.points(), shown })
        }
        Order::InspectDead(most) => {
            let Some(dead) = dead(dir, node)? else { return Ok(Done::default()) };
            Ok(Done { points: dead.points(), shown: dead.show(&Names::default(), most)? })
        }
        Order::DropQueue => {
            let points = Orphan::open(dir, node)?.waiting.points();
            dir.remove(node).map_err(|error| error.to_string())?;
            Ok(Done { points, shown: Vec::new() })
        }
        Order::DropDead => {
            let Some(mut dead) = dead(dir, node)? else { return Ok(Done::default()) };
            let points = dead.points();
            dead.drop_before(dead.end()).map_err(|error| said(&error))?;
            Ok(Done { points, shown: Vec::new() })
        }
        Order::ReplayDead => Err("no node is called so, and what was rejected needs its own node".into()),
    }
}

/// Gives away its points, oldest first, then removes it.
pub(crate) fn hand_over(
    dir: &SpoolDir,
    node: &str,
    table: &Arc<SeriesTable>,
    mut give: impl FnMut(Vec<Point>) -> Result<(), String>,
) -> Result<u64, String> {
    let orphan = Orphan::open(dir, node)?;
    let mut given = 0;
    for span in orphan.waiting.iter() {
        let mut records = Records::new(&orphan.journal, span.from);
        let (mut points, mut at) = (Vec::new(), Position::default());
        while at.seq < span.to.seq {
            match records.next(&mut points, |series| table.restore(series))? {
                Next::Record { before, after } => {
                    at = after;
                    if before.seq < span.from.seq {
                        points.clear();
                    }
                }
                Next::Lost(lost) => tracing::error!(node, "points in the queue are lost: {}", lost.what),
                Next::End => break,
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
    let gone = if dir.has(node, DEAD) { dir.remove_journal(node, QUEUE) } else { dir.remove(node) };
    gone.map_err(|error| error.to_string())?;
    Ok(given)
}
