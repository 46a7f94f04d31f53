//! What the thread of a queue on disk does from time to time: it syncs, gives back what was delivered, and lets go of what
//! is too old.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use saker_journal::Position;

use crate::destination::DropReason;
use crate::queue::spool::backlog::said;
use crate::queue::spool::dir::QUEUE;
use crate::queue::spool::writer::SpoolWriter;

/// A segment is finished when it is this part of the age of its queue, so that old points go in good time.
const AGE_PARTS: u32 = 16;
/// But no sooner than that.
const SEGMENT_AGE_MIN: Duration = Duration::from_secs(60);

impl SpoolWriter {
    /// What is to be done from time to time.
    pub(super) fn look_around(&mut self) {
        self.looked = Instant::now();
        self.notice_removal();
        self.ensure_open();
        if let Some(open) = self.open.as_mut().filter(|open| open.dirty) {
            open.journal.protect();
            match self.sync() {
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(destination = self.destination, "the queue does not get to the disk: {error}")
                }
            }
        }
        if self.shared.lanes.lock().forget_sent() {
            self.commit();
        }
        self.give_back();
        self.expire();
        if self.open.is_some() {
            // The next push finds out whether there is room again.
            *self.state.rejection.lock() = None;
        }
        self.show();
    }

    /// Sees whether somebody has removed the folder that it writes to, or put another in its place: what is written there
    /// is found by nobody. What was on disk only is lost then, and counted; the queue goes on in a new folder.
    pub(super) fn notice_removal(&mut self) {
        let Some(open) = self.open.as_ref().filter(|open| open.folder.is_some()) else { return };
        let gone = match self.dir.number(&self.destination, QUEUE) {
            Ok(folder) => open.folder != Some(folder),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if !gone {
            return;
        }
        let (end, dead) = (open.journal.end(), open.dead.as_ref().map_or(0, |dead| dead.points()));
        self.open = None;
        *self.state.marks.lock() = None;
        let points = self.shared.dropped_before(end, DropReason::Damaged);
        self.state.dead_letter_dropped.fetch_add(dead, Ordering::Relaxed);
        tracing::error!(
            destination = self.destination,
            points,
            dead_letters = dead,
            "somebody has removed the folder of its queue: what was only there is lost, what is in memory too is sent; the \
             folder is made anew"
        );
        self.goes_on = Some(end);
    }

    /// Drops segments all of whose points are too old, and finishes one that is being written for long.
    fn expire(&mut self) {
        let age = self.config().age;
        let part = (age / AGE_PARTS).max(SEGMENT_AGE_MIN);
        self.look_at_the_clock();
        let Some(open) = &mut self.open else { return };
        let segments = open.journal.segments();
        if segments.last().is_some_and(|newest| open.age.of(newest) > part) {
            open.journal.roll();
        }
        if open.age.doubt_ms().is_some() {
            return;
        }
        // A segment's newest point is as old as the next segment, or younger.
        let mut too_old = segments.iter().skip(1).take_while(|next| open.age.of(next) > age).count();
        // One that is finished and alone has no next to tell how old its newest point is.
        if let [only] = segments[..]
            && open.journal.begins_segment()
            && open.age.of(&only) > age + part
        {
            too_old = 1;
        }
        for _ in 0..too_old {
            let Some(open) = &mut self.open else { return };
            match open.journal.drop_oldest() {
                Ok(Some(segment)) => self.dropped_before(segment.end, DropReason::Expired),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(destination = self.destination, "cannot remove what is too old: {}", said(&error));
                    break;
                }
            }
        }
    }

    /// Sees whether the wall clock is to be believed, and writes down what the next boot has to know.
    fn look_at_the_clock(&mut self) {
        let Some(open) = &mut self.open else { return };
        if open.age.settle() {
            tracing::info!(
                destination = self.destination,
                "the clock has held for an hour: the age of points counts again"
            );
        }
        if let Some(bytes) = open.age.take_due(open.journal.start().seq)
            && let Some(clock) = &open.clock
            && let Err(error) = clock.write(&bytes)
        {
            tracing::debug!(
                destination = self.destination,
                "cannot write down the age of its points: {}",
                said(&error)
            );
        }
    }

    /// Removes the segments that were delivered.
    pub(super) fn give_back(&mut self) {
        let Some(open) = &self.open else { return };
        let first = self.shared.lanes.lock().needed_from();
        let has_some = open.journal.segments().first().is_some_and(|oldest| oldest.end.seq <= first.seq);
        if !has_some {
            return;
        }
        // What was delivered must be known for sure before it is gone.
        self.commit();
        let marks = self.state.marks.lock().clone();
        if let Some(marks) = marks
            && let Err(error) = marks.sync()
        {
            tracing::warn!(destination = self.destination, "cannot make sure of what was delivered: {}", said(&error));
            return;
        }
        let Some(open) = &mut self.open else { return };
        let damaged = open.journal.segments().iter().any(|segment| segment.damaged);
        if let Err(error) = open.journal.trim(first.seq) {
            tracing::warn!(destination = self.destination, "cannot remove what was delivered: {}", said(&error));
        }
        if damaged {
            self.show_set_aside();
        }
    }

    /// A segment was dropped: its points are counted, and are not looked for after a restart.
    pub(super) fn dropped_before(&self, place: Position, reason: DropReason) {
        let _counted = self.shared.dropped_before(place, reason);
        self.commit();
    }

    pub(super) fn commit(&self) {
        self.state.commit(&self.destination, &self.shared);
    }
}
