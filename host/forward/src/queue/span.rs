//! Places in a node's journal, and the stretches of it that still have to be delivered.
//!
//! The queue keeps what is on disk but not in memory as [`Spans`], and writes them down as a [`Mark`] after each
//! delivery. Knows numbers only; the journal itself is the spool's.

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

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Span> {
        self.0.iter()
    }
}

/// What a node had still to deliver: some spans, and everything from a place on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) spans: Spans,
    pub(crate) open: Position,
}

impl Mark {
    /// The first record that is still wanted.
    pub(crate) fn first(&self) -> Position {
        self.spans.first().map_or(self.open, |span| span.from)
    }

    /// The open place, then each span's two, sixteen bytes each.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.open.to_bytes().to_vec();
        for span in self.spans.iter() {
            bytes.extend(span.from.to_bytes());
            bytes.extend(span.to.to_bytes());
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote; none if it is something else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() % 32 != 16 {
            return None;
        }
        let mut places = bytes.chunks_exact(16).map(Position::from_bytes);
        let open = places.next()??;
        let mut spans = Spans::default();
        while let (Some(from), Some(to)) = (places.next(), places.next()) {
            spans.add(Span { from: from?, to: to? });
        }
        Some(Self { spans, open })
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
        let mark = Mark { spans: spans(&[(1, 2), (5, 9)]), open: at(12) };
        assert_eq!(Mark::decode(&mark.encode()), Some(mark.clone()));
        assert_eq!(mark.first(), at(1));
        assert_eq!(Mark { spans: Spans::default(), open: at(3) }.first(), at(3));
        for length in 0..mark.encode().len() {
            let other = Mark::decode(&mark.encode()[..length]);
            assert!(other.is_none_or(|other| other != mark), "{length}");
        }
    }
}
