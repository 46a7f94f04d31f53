//! What an operator wants of a queue on disk: a look, another attempt, or the end of it.

use std::sync::Arc;

use saker_journal::Journal;
use saker_model::{Point, Series, SeriesId};

use crate::queue::span::{Span, Spans};
use crate::queue::spool::appending::Admission;
use crate::queue::spool::backlog::{Next, Records, said};
use crate::queue::spool::writer::Writer;
use crate::queue::spool::{Done, Order, Shown};

impl Writer {
    pub(super) fn operate(&mut self, order: Order) -> Result<Done, String> {
        match order {
            Order::InspectQueue(most) => self.inspect_queue(most),
            Order::InspectDead(most) => self.inspect_dead(most),
            Order::DropQueue => self.drop_queue(),
            Order::DropDead => self.drop_dead(),
            Order::ReplayDead => self.replay_dead(),
        }
    }

    fn inspect_queue(&mut self, most: usize) -> Result<Done, String> {
        let open = self.open.as_ref().ok_or("its queue is not open")?;
        let mark = self.shared.lanes.lock().mark();
        let mut spans = mark.spans.clone();
        spans.add(Span { from: mark.open, to: open.journal.end() });
        Ok(Done { points: spans.points(), shown: show_points(&open.journal, &spans, most)? })
    }

    fn inspect_dead(&mut self, most: usize) -> Result<Done, String> {
        let Some(dead) = self.open.as_ref().and_then(|open| open.dead.as_ref()) else { return Ok(Done::default()) };
        Ok(Done { points: dead.points(), shown: dead.show(&Names::default(), most)? })
    }

    fn drop_queue(&mut self) -> Result<Done, String> {
        let open = self.open.as_mut().ok_or("its queue is not open")?;
        open.journal.roll();
        let points = self.shared.discard();
        self.commit();
        self.give_back();
        Ok(Done { points, shown: Vec::new() })
    }

    fn drop_dead(&mut self) -> Result<Done, String> {
        let Some(dead) = self.open.as_mut().and_then(|open| open.dead.as_mut()) else { return Ok(Done::default()) };
        let points = dead.points();
        dead.drop_before(dead.end()).map_err(|error| said(&error))?;
        Ok(Done { points, shown: Vec::new() })
    }

    /// Puts all dead letters into the queue, then removes them.
    fn replay_dead(&mut self) -> Result<Done, String> {
        let config = self.config();
        let Some(dead) = self.open.as_mut().and_then(|open| open.dead.take()) else { return Ok(Done::default()) };
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
        Ok(Done { points, shown: Vec::new() })
    }
}

/// Series that are only to be shown.
#[derive(Default)]
pub(in crate::queue) struct Names(std::cell::RefCell<Vec<Arc<Series>>>);

impl Names {
    pub(in crate::queue) fn add(&self, series: Series) -> SeriesId {
        let mut names = self.0.borrow_mut();
        names.push(Arc::new(series));
        SeriesId(names.len() as u32 - 1)
    }

    pub(in crate::queue) fn shown(&self, point: &Point, reason: Option<&Arc<str>>) -> Shown {
        let series = self.0.borrow()[point.series.index()].clone();
        Shown { series, timestamp_ms: point.timestamp_ms, value: point.value, reason: reason.cloned() }
    }
}

/// The oldest points of some spans.
pub(super) fn show_points(journal: &Journal, spans: &Spans, most: usize) -> Result<Vec<Shown>, String> {
    let names = Names::default();
    let mut shown = Vec::new();
    for span in spans.iter() {
        let mut records = Records::new(journal, span.from);
        while shown.len() < most {
            let mut points = Vec::new();
            match records.next(&mut points, |series| names.add(series))? {
                Next::Record { before, after } => {
                    if before.seq >= span.from.seq {
                        shown.extend(points.iter().map(|point| names.shown(point, None)));
                    }
                    if after.seq >= span.to.seq {
                        break;
                    }
                }
                Next::Lost(_) => {}
                Next::End => break,
            }
        }
    }
    shown.truncate(most);
    Ok(shown)
}
