//! The two lanes of a queue, and which is next. Called under the queue's lock; does no input or output.

use std::collections::VecDeque;

use saker_journal::Position;
use saker_model::{Point, SeriesId};
use saker_pipeline::MemoryBudget;
use tokio::time::Instant;

use crate::destination::{DestinationCounters, DropReason};
use crate::queue::span::{DeliveryMark, Span, Spans};
use crate::queue::{Durability, QueueConfig, WhenFull};

/// With so many separate stretches on disk the fresh lane waits, so that a mark stays small. Each is one outage that was
/// not made up for before the next.
const SPANS_MAX: usize = 32;
/// Of what may be sent once more, separate stretches or times; with as many the oldest is let go of.
const SENT_MAX: usize = 128;
/// What was delivered within this part of the window counts as delivered at once.
const SENT_PARTS: u32 = 32;
/// Of the stretches that may be sent once more so many are written down; the gaps between others are sent with them.
const SENT_MARKED: usize = 64;

/// Points that are being sent.
#[derive(Debug)]
pub(crate) struct PointBatch {
    pub(crate) points: Vec<Point>,
    /// When its oldest point came, or, from the backlog, was read.
    pub(crate) since: Instant,
}

/// Points that came together: one record of the journal.
struct PointChunk {
    points: Vec<Point>,
    span: Span,
    since: Instant,
}

pub(crate) struct Lanes {
    pub(crate) config: QueueConfig,
    fresh: VecDeque<PointChunk>,
    fresh_points: usize,
    /// On disk only.
    pub(crate) backlog: Spans,
    /// What was delivered lately, and when, if it may have to be sent once more.
    sent: VecDeque<RecentDelivery>,
    /// The process is about to end in good order.
    ended: bool,
    /// What the sender holds.
    pub(crate) in_hand: Option<Span>,
    /// How many points that were, when it took them.
    in_hand_points: u64,
    /// Behind everything that was ever pushed.
    written: Position,
    /// Handles that were taken back, of which the sender has yet to hear,
    pub(crate) forgets: Vec<SeriesId>,
    /// and the spool.
    pub(crate) unwritten_forgets: Vec<SeriesId>,
    pub(crate) hurry: bool,
    /// Grows with every fresh batch that is sent while there is a backlog; at one it is the backlog's turn.
    credit: f64,
    /// What of the agent's memory is counted as this queue's.
    pub(crate) charged: usize,
}

/// What was delivered at about that time.
struct RecentDelivery {
    first: Instant,
    last: Instant,
    span: Span,
}

/// The points of a queue at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PointsAtTime {
    /// In memory or on disk.
    pub(crate) waiting: u64,
    /// Taken by the sender, who may have delivered some of them.
    pub(crate) in_hand: u64,
}

pub(super) enum LaneChoice {
    Fresh(PointBatch),
    Backlog(Span),
    At(Instant),
    Nothing,
}

impl Lanes {
    pub(super) fn new(config: QueueConfig) -> Self {
        Self {
            config,
            fresh: VecDeque::new(),
            fresh_points: 0,
            backlog: Spans::default(),
            sent: VecDeque::new(),
            ended: false,
            in_hand: None,
            in_hand_points: 0,
            written: Position::default(),
            forgets: Vec::new(),
            unwritten_forgets: Vec::new(),
            hurry: false,
            credit: 0.0,
            charged: 0,
        }
    }

    /// Begins where an earlier process ended.
    pub(super) fn recover(&mut self, backlog: Spans, sent: &Spans, written: Position) {
        let now = Instant::now();
        self.backlog = backlog;
        self.sent = sent.iter().map(|&span| RecentDelivery { first: now, last: now, span }).collect();
        self.written = written;
    }

    /// Tells the agent's budget what is in memory here.
    pub(super) fn charge(&mut self, budget: &MemoryBudget) {
        budget.set(&mut self.charged, self.fresh_points * size_of::<Point>());
    }

    /// Everything before a place is gone from the disk; answers how many points of the backlog that are.
    pub(super) fn cut_before(&mut self, place: Position) -> u64 {
        self.sent.retain(|sent| sent.span.from.seq >= place.seq);
        self.backlog.cut_before(place)
    }

    /// Lets go of all that waits; answers how many points that were.
    pub(super) fn clear(&mut self) -> u64 {
        let had = self.fresh_points as u64 + self.backlog.points();
        self.fresh.clear();
        self.fresh_points = 0;
        self.backlog = Spans::default();
        self.sent.clear();
        had
    }

    pub(super) fn fresh_points(&self) -> usize {
        self.fresh_points
    }

    /// What waits, and what is being sent.
    pub(super) fn weight(&self) -> PointsAtTime {
        let in_hand = self.in_hand.map_or(0, |_| self.in_hand_points);
        PointsAtTime { waiting: self.fresh_points as u64 + self.backlog.points(), in_hand }
    }

    /// What is being sent waits on disk again.
    pub(super) fn put_back(&mut self) {
        if let Some(span) = self.in_hand.take() {
            self.backlog.add(span);
        }
    }

    /// Whether nothing waits and nothing is being sent.
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.backlog.is_empty() && self.in_hand.is_none()
    }

    /// What is not delivered.
    pub(super) fn mark(&self) -> DeliveryMark {
        let mut spans = self.backlog.clone();
        if let Some(span) = self.in_hand {
            spans.add(span);
        }
        let mut sent = Spans::default();
        for RecentDelivery { span, .. } in &self.sent {
            sent.add_new(*span);
        }
        sent.merge_to(SENT_MARKED);
        let open = self.fresh.front().map_or(self.written, |chunk| chunk.span.from);
        DeliveryMark { spans, open, sent, ended: self.ended }
    }

    /// The process is about to end in good order, or goes on after all.
    pub(super) fn set_ended(&mut self, ended: bool) {
        self.ended = ended;
    }

    /// The oldest record that may still be read.
    pub(super) fn needed_from(&self) -> Position {
        let first = self.fresh.front().map_or(self.written, |chunk| chunk.span.from);
        let places = [self.backlog.first(), self.in_hand].into_iter().flatten();
        let sent = self.sent.iter().map(|sent| sent.span);
        places.chain(sent).map(|span| span.from).fold(first, Position::min)
    }

    /// What was in hand has been delivered.
    pub(super) fn delivered(&mut self) {
        let now = Instant::now();
        self.ended = false;
        if let Some(span) = self.in_hand.take()
            && !self.config.replay_window.is_zero()
            && !span.is_empty()
        {
            let part = self.config.replay_window / SENT_PARTS;
            let joins =
                |sent: &&mut RecentDelivery| sent.span.to == span.from && now.duration_since(sent.first) <= part;
            match self.sent.iter_mut().rev().find(joins) {
                Some(sent) => (sent.span.to, sent.last) = (span.to, now),
                None => self.sent.push_back(RecentDelivery { first: now, last: now, span }),
            }
        }
        while self.sent.len() > SENT_MAX {
            self.sent.pop_front();
        }
        self.forget_sent();
    }

    /// Lets go of what was delivered so long ago that it is not sent again; answers whether there was some.
    pub(super) fn forget_sent(&mut self) -> bool {
        let (now, replay_window, had) = (Instant::now(), self.config.replay_window, self.sent.len());
        self.sent.retain(|sent| now.duration_since(sent.last) <= replay_window);
        self.sent.len() < had
    }

    /// Lets go of the oldest of what was delivered, for there is no room for it; answers whether there was some.
    pub(super) fn forget_oldest_sent(&mut self) -> bool {
        let oldest = (0..self.sent.len()).min_by_key(|at| self.sent[*at].span.from);
        oldest.and_then(|at| self.sent.remove(at)).is_some()
    }

    /// Whether some of what was delivered may be sent again.
    pub(super) fn has_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Puts what was delivered shortly before a failure into the backlog; answers how many points that is.
    pub(super) fn replay_window(&mut self, failing_since: Instant) -> u64 {
        let replay_window = self.config.replay_window;
        let had = self.backlog.points();
        for sent in std::mem::take(&mut self.sent) {
            if failing_since.saturating_duration_since(sent.last) <= replay_window {
                self.backlog.add_new(sent.span);
            }
        }
        self.backlog.points() - had
    }

    /// What is before a place and not here was rejected: it is not looked for after a restart.
    pub(super) fn pass_over(&mut self, place: Position) {
        self.written = self.written.max(place);
    }

    /// Adds points; answers whether the sender must hear of it.
    pub(super) fn push(
        &mut self,
        mut points: Vec<Point>,
        span: Span,
        squeezed: bool,
        counters: &DestinationCounters,
    ) -> bool {
        self.written = self.written.max(span.to);
        let before = self.fresh_points;
        let room = self.room(squeezed);
        if (self.config.durability, self.config.when_full) == (Durability::Memory, WhenFull::DropNewest) {
            let over = points.len().saturating_sub(room.saturating_sub(before));
            points.truncate(points.len() - over);
            counters.lose(DropReason::QueueFull, over as u64);
            if points.is_empty() {
                return false;
            }
        }
        self.fresh_points += points.len();
        self.fresh.push_back(PointChunk { points, span, since: Instant::now() });
        self.make_room(room, counters);
        let full = self.config.batch_points;
        // The sender needs to know of the first point, which starts its clock, and of the one that fills a batch.
        before == 0 || (before < full && self.fresh_points >= full)
    }

    /// The points that may be in memory. An agent that runs out of it keeps no more in each queue than what is sent next.
    pub(super) fn room(&self, squeezed: bool) -> usize {
        if squeezed { self.config.points.min(2 * self.config.batch_points) } else { self.config.points }
    }

    fn make_room(&mut self, room: usize, counters: &DestinationCounters) {
        // What was let into a queue that rejects stays there.
        if (self.config.durability, self.config.when_full) == (Durability::Memory, WhenFull::Block) {
            return;
        }
        while self.fresh_points > room {
            let over = self.fresh_points - room;
            match self.config.durability {
                Durability::Memory => self.drop_front(over, DropReason::QueueFull, counters),
                Durability::Process | Durability::Disk => self.demote_front(),
            }
        }
    }

    /// The oldest points stay on disk only.
    fn demote_front(&mut self) {
        if let Some(chunk) = self.fresh.pop_front() {
            self.fresh_points -= chunk.points.len();
            self.backlog.add(chunk.span);
        }
    }

    fn drop_front(&mut self, most: usize, reason: DropReason, counters: &DestinationCounters) {
        let Some(front) = self.fresh.front_mut() else { return };
        let count = front.points.len().min(most);
        if count == front.points.len() {
            self.fresh.pop_front();
        } else {
            front.points.drain(..count);
        }
        self.fresh_points -= count;
        counters.lose(reason, count as u64);
    }

    /// Takes away the chunks that have been here for too long.
    fn age(&mut self, now: Instant, counters: &DestinationCounters) {
        let limit = self.config.memory_age();
        while self.fresh.front().is_some_and(|chunk| now.duration_since(chunk.since) > limit) {
            match self.config.durability {
                Durability::Memory => self.drop_front(usize::MAX, DropReason::Expired, counters),
                Durability::Process | Durability::Disk => self.demote_front(),
            }
        }
    }

    pub(super) fn next(&mut self, counters: &DestinationCounters) -> LaneChoice {
        let now = Instant::now();
        self.age(now, counters);
        let fresh = self.fresh.front().map(|chunk| chunk.since + self.config.batch_age);
        let full = self.fresh_points >= self.config.batch_points;
        let is_due = fresh.is_some_and(|due| full || self.hurry || due <= now);
        if let Some(span) = self.backlog.first() {
            self.credit += if is_due { self.config.backlog_share } else { 1.0 };
            if self.credit >= 1.0 || self.backlog.len() >= SPANS_MAX {
                self.credit = 0.0_f64.max(self.credit - 1.0).min(1.0);
                return LaneChoice::Backlog(span);
            }
        }
        match fresh {
            Some(_) if is_due => LaneChoice::Fresh(self.take_fresh()),
            Some(due) => LaneChoice::At(due),
            None => LaneChoice::Nothing,
        }
    }

    /// As many whole chunks as make a batch, at least one.
    fn take_fresh(&mut self) -> PointBatch {
        let first = self.fresh.pop_front().expect("the fresh lane was looked at");
        let (mut span, mut points) = (first.span, first.points);
        while let Some(next) = self.fresh.front()
            && points.len() + next.points.len() <= self.config.batch_points
            // Between them there may be records of a push that was rejected.
            && next.span.from == span.to
        {
            points.extend_from_slice(&next.points);
            span.to = next.span.to;
            self.fresh.pop_front();
        }
        self.fresh_points -= points.len();
        self.in_hand = Some(span);
        self.in_hand_points = points.len() as u64;
        PointBatch { points, since: first.since }
    }

    /// Takes a span out of the backlog, into the sender's hand, in which so many points were found; answers for how many
    /// it was counted there, if it is there still.
    pub(super) fn hold(&mut self, span: Span, points: u64) -> Option<u64> {
        let there = self.backlog.first().is_some_and(|first| first.from == span.from && first.to.seq >= span.to.seq);
        there.then(|| {
            self.in_hand = Some(span);
            self.in_hand_points = points;
            self.backlog.cut_before(span.to)
        })
    }
}
