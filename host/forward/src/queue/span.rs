//! Places in a destination's journal, and the stretches of it that still have to be delivered.
//!
//! The queue keeps what is on disk but not in memory as [`Spans`], and writes them down as a [`DeliveryMark`] after
//! each delivery. Knows numbers only; the journal itself is the spool's.

use std::collections::VecDeque;

use saker_journal::Position;

/// The records from one place to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Position,
    pub(crate) to: Position,
}

impl Span {
    pub(crate) fn points(&self) -> u64 {
        self.to.items.saturating_sub(self.from.items)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.from.seq >= self.to.seq
    }
}

/// Spans in order, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans(VecDeque<Span>);

impl Spans {
    pub(crate) fn first(&self) -> Option<Span> {
        self.0.front().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn points(&self) -> u64 {
        self.0.iter().map(Span::points).sum()
    }

    /// Adds a span that overlaps none. Neighbours become one.
    pub(crate) fn add(&mut self, span: Span) {
        if span.is_empty() {
            return;
        }
        let at = self.0.partition_point(|other| other.from.seq < span.from.seq);
        self.0.insert(at, span);
        if self.0.get(at + 1).is_some_and(|next| next.from.seq <= span.to.seq) {
            self.0[at].to = self.0[at + 1].to;
            self.0.remove(at + 1);
        }
        if at > 0 && self.0[at - 1].to.seq >= self.0[at].from.seq {
            self.0[at - 1].to = self.0[at].to;
            self.0.remove(at);
        }
    }

    /// Takes away everything before a place; answers how many points that were.
    pub(crate) fn cut_before(&mut self, place: Position) -> u64 {
        let mut cut = 0;
        while let Some(front) = self.0.front_mut() {
            if front.to.seq <= place.seq {
                cut += front.points();
                self.0.pop_front();
                continue;
            }
            if front.from.seq < place.seq {
                cut += place.items.saturating_sub(front.from.items);
                front.from = place;
            }
            break;
        }
        cut
    }

    /// Takes away the points of a stretch inside the first span, which the journal has lost; answers how many.
    pub(crate) fn cut_out(&mut self, span: Span) -> u64 {
        let (before, after): (Vec<Span>, Vec<Span>) = self.0.iter().fold(Default::default(), |mut parts, &own| {
            parts.0.push(Span { from: own.from, to: own.to.min(span.from).max(own.from) });
            parts.1.push(Span { from: own.from.max(span.to).min(own.to), to: own.to });
            parts
        });
        let had = self.points();
        self.0.clear();
        before.into_iter().chain(after).for_each(|part| self.add(part));
        had - self.points()
    }

    /// Adds a span, less what is there already; answers how many points that were.
    pub(crate) fn add_new(&mut self, span: Span) -> u64 {
        let mut new = Self::default();
        new.add(span);
        for own in &self.0 {
            new.cut_out(*own);
        }
        new.0.iter().for_each(|part| self.add(*part));
        new.points()
    }

    /// Closes the smallest gaps until there are no more than so many.
    pub(crate) fn merge_to(&mut self, most: usize) {
        while self.0.len() > most.max(1) {
            let gap = |at: &usize| self.0[at + 1].from.seq - self.0[*at].to.seq;
            let Some(at) = (0..self.0.len() - 1).min_by_key(gap) else { return };
            self.0[at].to = self.0[at + 1].to;
            self.0.remove(at + 1);
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Span> {
        self.0.iter()
    }
}

/// What a destination had still to deliver: some spans, and everything from a place on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeliveryMark {
    pub(crate) spans: Spans,
    pub(crate) open: Position,
    /// What was delivered so lately that it may have to be sent once more.
    pub(crate) sent: Spans,
    /// Whether the process ended in good order after it.
    pub(crate) ended: bool,
}

impl DeliveryMark {
    /// Whether it ended, how many spans there are, the open place, then the two places of each span, and of each that
    /// was sent. Numbers are little-endian, places take sixteen bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = u16::from(self.ended).to_le_bytes().to_vec();
        bytes.extend((self.spans.len() as u16).to_le_bytes());
        bytes.extend(self.open.to_bytes());
        for span in self.spans.iter().chain(self.sent.iter()) {
            bytes.extend(span.from.to_bytes());
            bytes.extend(span.to.to_bytes());
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote; none if it is something else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[ended, 0, low, high], places) = bytes.split_first_chunk()? else { return None };
        if places.len() % 32 != 16 {
            return None;
        }
        let mut places = places.chunks_exact(16).map(Position::from_bytes);
        let mut mark = Self { open: places.next()??, ended: ended == 1, ..Self::default() };
        let mut left = u16::from_le_bytes([low, high]);
        while let (Some(from), Some(to)) = (places.next(), places.next()) {
            let list = if left > 0 { &mut mark.spans } else { &mut mark.sent };
            list.add(Span { from: from?, to: to? });
            left = left.saturating_sub(1);
        }
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place in a journal of ten points a record.
    fn at(seq: u64) -> Position {
        Position { seq, items: seq * 10 }
    }

    fn span(from: u64, to: u64) -> Span {
        Span { from: at(from), to: at(to) }
    }

    fn spans(list: &[(u64, u64)]) -> Spans {
        let mut spans = Spans::default();
        list.iter().for_each(|&(from, to)| spans.add(span(from, to)));
        spans
    }

    #[test]
    fn neighbours_become_one_wherever_they_are_added() {
        assert_eq!(spans(&[(0, 2), (2, 5)]).len(), 1);
        assert_eq!(spans(&[(4, 6), (0, 2), (2, 4)]).first(), Some(span(0, 6)));
        assert_eq!(spans(&[(0, 1), (2, 3)]).len(), 2);
        assert_eq!(spans(&[(3, 3)]).len(), 0);
    }

    #[test]
    fn what_is_there_already_is_not_added_again() {
        let mut own = spans(&[(2, 4), (6, 8)]);
        assert_eq!(own.add_new(span(0, 10)), 60);
        assert_eq!(own, spans(&[(0, 10)]));
        assert_eq!(own.add_new(span(3, 5)), 0);
    }

    #[test]
    fn the_smallest_gaps_are_closed_first() {
        let mut own = spans(&[(0, 1), (9, 10), (11, 12), (20, 21)]);
        own.merge_to(3);
        assert_eq!(own, spans(&[(0, 1), (9, 12), (20, 21)]));
        own.merge_to(1);
        assert_eq!(own, spans(&[(0, 21)]));
    }

    #[test]
    fn what_is_cut_is_counted_also_within_a_span() {
        let mut cut = spans(&[(0, 4), (6, 8)]);
        assert_eq!(cut.cut_before(at(3)), 30);
        assert_eq!(cut, spans(&[(3, 4), (6, 8)]));
        assert_eq!(cut.cut_before(at(5)), 10);
        assert_eq!(cut.cut_before(at(100)), 20);
        assert!(cut.is_empty());
        let mut lost = spans(&[(0, 4), (6, 8)]);
        assert_eq!(lost.cut_out(span(1, 7)), 40);
        assert_eq!(lost, spans(&[(0, 1), (7, 8)]));
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is() {
        let sent = spans(&[(3, 5), (10, 12)]);
        let mark = DeliveryMark { spans: spans(&[(1, 2), (5, 9)]), open: at(12), sent, ended: true };
        assert_eq!(DeliveryMark::decode(&mark.encode()), Some(mark.clone()));
        for length in 0..mark.encode().len() {
            let other = DeliveryMark::decode(&mark.encode()[..length]);
            assert!(other.is_none_or(|other| other != mark), "{length}");
        }
    }
}
