//! What an operator wants of a queue on disk: a look, another attempt, or the end of it.

use std::sync::Arc;

use saker_journal::Journal;
use saker_model::{Point, Series, SeriesId};

use crate::queue::span::{Span, Spans};
use crate::queue::spool::appending::Admission;
use crate::queue::spool::backlog::{DecodedRecords, NextRecord, said};
use crate::queue::spool::writer::SpoolWriter;
use crate::queue::spool::{QueueCommand, QueueCommandOutcome, QueuedPoint};

impl SpoolWriter {
    pub(super) fn operate(&mut self, order: QueueCommand) -> Result<QueueCommandOutcome, String> {
        match order {
            QueueCommand::InspectQueue(most) => self.inspect_queue(most),
            QueueCommand::InspectDeadLetters(most) => self.inspect_dead_letters(most),
            QueueCommand::DropQueue => self.drop_queue(),
            QueueCommand::DropDeadLetters => self.drop_dead_letters(),
            QueueCommand::ReplayDeadLetters => self.replay_dead_letters(),
        }
    }

    fn inspect_queue(&mut self, most: usize) -> Result<QueueCommandOutcome, String> {
        let open = self.open.as_ref().ok_or("its queue is not open")?;
        let mark = self.shared.lanes.lock().mark();
        let mut spans = mark.spans.clone();
        spans.add(Span { from: mark.open, to: open.journal.end() });
        Ok(QueueCommandOutcome { points: spans.points(), shown: show_points(&open.journal, &spans, most)? })
    }

    fn inspect_dead_letters(&mut self, most: usize) -> Result<QueueCommandOutcome, String> {
        let Some(dead) = self.open.as_ref().and_then(|open| open.dead.as_ref()) else {
            return Ok(QueueCommandOutcome::default());
        };
        Ok(QueueCommandOutcome { points: dead.points(), shown: dead.show(&DisplaySeries::default(), most)? })
    }

    fn drop_queue(&mut self) -> Result<QueueCommandOutcome, String> {
        let open = self.open.as_mut().ok_or("its queue is not open")?;
        open.journal.roll();
        let points = self.shared.discard();
        self.commit();
        self.give_back();
        Ok(QueueCommandOutcome { points, shown: Vec::new() })
    }

    fn drop_dead_letters(&mut self) -> Result<QueueCommandOutcome, String> {
        let Some(dead) = self.open.as_mut().and_then(|open| open.dead.as_mut()) else {
            return Ok(QueueCommandOutcome::default());
        };
        let points = dead.points();
        dead.drop_before(dead.end()).map_err(|error| said(&error))?;
        Ok(QueueCommandOutcome { points, shown: Vec::new() })
    }

    /// Puts all dead letters into the queue, then removes them.
    fn replay_dead_letters(&mut self) -> Result<QueueCommandOutcome, String> {
        let config = self.config();
        let Some(dead) = self.open.as_mut().and_then(|open| open.dead.take()) else {
            return Ok(QueueCommandOutcome::default());
        };
        let end = dead.end();
        let (table, mut kept) = (self.table.clone(), Vec::new());
        let mut points = 0;
        let read = dead.read(
            |series| table.restore(series),
            |record| {
                points += record.points.len() as u64;
                let count = record.points.len();
                kept.push((count, self.append(record.points, &config, Admission::Asks)?));
                Ok(record.end.seq < end.seq)
            },
        );
        for (count, kept) in kept {
            self.shared.counters.in_flight(count as u64);
            self.enter(kept);
            self.shared.counters.bring_back(count);
            self.shared.counters.landed(count as u64);
        }
        let open = self.open.as_mut().ok_or("its queue is not open")?;
        let dead = open.dead.insert(dead);
        read?;
        dead.drop_before(end).map_err(|error| said(&error))?;
        Ok(QueueCommandOutcome { points, shown: Vec::new() })
    }
}

/// Series that are only to be shown.
#[derive(Default)]
pub(in crate::queue) struct DisplaySeries(std::cell::RefCell<Vec<Arc<Series>>>);

impl DisplaySeries {
    pub(in crate::queue) fn add(&self, series: Series) -> SeriesId {
        let mut names = self.0.borrow_mut();
        names.push(Arc::new(series));
        SeriesId(names.len() as u32 - 1)
    }

    pub(in crate::queue) fn shown(&self, point: &Point, reason: Option<&Arc<str>>) -> QueuedPoint {
        let series = self.0.borrow()[point.series.index()].clone();
        QueuedPoint { series, timestamp_ms: point.timestamp_ms, value: point.value, reason: reason.cloned() }
    }
}

/// The oldest points of some spans.
pub(super) fn show_points(journal: &Journal, spans: &Spans, most: usize) -> Result<Vec<QueuedPoint>, String> {
    let names = DisplaySeries::default();
    let mut shown = Vec::new();
    for span in spans.iter() {
        let mut records = DecodedRecords::new(journal, span.from);
        while shown.len() < most {
            let mut points = Vec::new();
            match records.next(&mut points, |series| names.add(series))? {
                NextRecord::Record { before, after } => {
                    if before.seq >= span.from.seq {
                        shown.extend(points.iter().map(|point| names.shown(point, None)));
                    }
                    if after.seq >= span.to.seq {
                        break;
                    }
                }
                NextRecord::Lost(_) => {}
                NextRecord::End => break,
            }
        }
    }
    shown.truncate(most);
    Ok(shown)
}
