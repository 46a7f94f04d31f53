//! Reading points back from a journal, with the series that they belong to.

use std::sync::Arc;

use saker_journal::{Journal, JournalReader, LossCause, Position, ReadOutcome};
use saker_model::{Point, Series, SeriesId, SeriesTable};

use crate::codec::RecordDecoder;
use crate::queue::span::Span;

/// Reads on from where it is. The handles that it gives are good until the table sweeps.
pub(crate) struct BacklogReader {
    records: DecodedRecords,
    table: Arc<SeriesTable>,
    epoch: u64,
    /// Before the next record that is wanted.
    at: Position,
    /// That record, if it was read already and made too much of a batch.
    ahead: Option<ReadAhead>,
}

/// A decoded record.
struct ReadAhead {
    before: Position,
    after: Position,
    points: Vec<Point>,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct BacklogRead {
    pub(crate) points: Vec<Point>,
    /// The records that they came in.
    pub(crate) span: Span,
    /// What could not be read, after them.
    pub(crate) lost: Option<LostRecords>,
    /// What the system said, if it would not read on.
    pub(crate) error: Option<String>,
}

/// Records that are gone.
#[derive(Debug)]
pub(crate) struct LostRecords {
    pub(crate) span: Span,
    pub(crate) what: String,
    /// Whether the queue itself has let go of them, which counts them.
    pub(crate) dropped: bool,
}

impl BacklogReader {
    pub(super) fn new(journal: &Journal, from: Position, table: Arc<SeriesTable>) -> Self {
        let epoch = table.epoch();
        Self { records: DecodedRecords::new(journal, from), table, epoch, at: from, ahead: None }
    }

    /// Whether it gets there by reading on, and its handles are still good. What lies between is read over, once: a new
    /// reader would begin with its segment, and name all series of that again.
    pub(crate) fn reaches(&self, from: Position) -> bool {
        self.at.seq <= from.seq && self.epoch == self.table.epoch()
    }

    /// Reads records of a span that begins here, as many as make at most so many points, but one at least, or until
    /// something is lost.
    pub(crate) fn read(&mut self, span: Span, most: usize) -> BacklogRead {
        let mut found = BacklogRead { span: Span { from: span.from, to: span.from }, ..BacklogRead::default() };
        while found.points.len() < most && found.span.to.seq < span.to.seq {
            let had = found.points.len();
            match self.next(&mut found.points) {
                Ok(NextRecord::Record { before, .. }) if before.seq < span.from.seq => found.points.clear(),
                Ok(NextRecord::Record { before, after }) if had > 0 && found.points.len() > most => {
                    self.ahead = Some(ReadAhead { before, after, points: found.points.split_off(had) });
                    break;
                }
                Ok(NextRecord::Record { after, .. }) => {
                    found.span.to = after;
                    self.at = after;
                }
                Ok(NextRecord::Lost(lost)) => {
                    self.at = lost.span.to;
                    found.lost = Some(lost);
                    break;
                }
                Ok(NextRecord::End) => break,
                Err(error) => {
                    found.error = Some(error);
                    break;
                }
            }
        }
        found
    }

    fn next(&mut self, points: &mut Vec<Point>) -> Result<NextRecord, String> {
        if let Some(ReadAhead { before, after, points: decoded }) = self.ahead.take() {
            points.extend(decoded);
            return Ok(NextRecord::Record { before, after });
        }
        self.records.next(points, |series| self.table.restore(series))
    }
}

/// Decoded records of a journal.
pub(super) struct DecodedRecords {
    reader: JournalReader,
    decoder: RecordDecoder,
    /// The segment cannot be understood from here on.
    astray: bool,
    /// Behind the last record.
    behind: u64,
    payload: Vec<u8>,
}

pub(super) enum NextRecord {
    /// The points of a record were added.
    Record {
        before: Position,
        after: Position,
    },
    Lost(LostRecords),
    End,
}

impl DecodedRecords {
    pub(super) fn new(journal: &Journal, from: Position) -> Self {
        Self {
            reader: journal.reader(from),
            decoder: RecordDecoder::default(),
            astray: false,
            behind: 0,
            payload: Vec::new(),
        }
    }

    /// Adds the points of the next record. `intern` gives the handles of series that are new in the segment.
    pub(super) fn next(
        &mut self,
        points: &mut Vec<Point>,
        mut intern: impl FnMut(Series) -> SeriesId,
    ) -> Result<NextRecord, String> {
        let read = self.reader.next(&mut self.payload).map_err(|error| said(&error))?;
        let (before, items, first) = match read {
            ReadOutcome::Record { at, items, first_of_segment } => (at, items, first_of_segment),
            ReadOutcome::End => return Ok(NextRecord::End),
            ReadOutcome::Lost(loss) => {
                let dropped = loss.cause == LossCause::Dropped;
                let what = match loss.cause {
                    LossCause::Dropped => "dropped before it was read".into(),
                    LossCause::Damaged { name } => format!("{name} is not as it was written; it will be set aside"),
                    LossCause::Missing => "a segment is not there any more".into(),
                };
                return Ok(NextRecord::Lost(LostRecords {
                    span: Span { from: loss.from, to: loss.to },
                    what,
                    dropped,
                }));
            }
        };
        let after = before.after(items);
        // A record that is missing may be one of before the place where reading was to begin, of which nothing is said.
        self.astray = !first && (self.astray || before.seq != self.behind);
        self.behind = after.seq;
        let had = points.len();
        if !self.astray {
            match self.decoder.decode(first, &self.payload, |series| Some(intern(series)), points) {
                Ok(_) => return Ok(NextRecord::Record { before, after }),
                Err(error) => {
                    points.truncate(had);
                    self.astray = true;
                    tracing::error!(record = before.seq, "a record on disk cannot be understood: {error}");
                }
            }
        }
        let what = "a record cannot be understood, nor can those that build on it".into();
        Ok(NextRecord::Lost(LostRecords { span: Span { from: before, to: after }, what, dropped: false }))
    }
}

/// An error with what the system said.
pub(in crate::queue) fn said(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use saker_journal::{JournalConfig, real};
    use saker_model::MetricType;

    use super::*;
    use crate::codec::RecordEncoder;

    #[test]
    fn a_reader_goes_on_over_what_lies_between_two_spans_and_not_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let open = Dir::open_ambient_dir(dir.path(), ambient_authority()).expect("it is there");
        let (mut journal, _) = Journal::open(real(open), JournalConfig::default()).expect("a journal");
        let table = Arc::new(SeriesTable::new(10));
        let series = Series {
            endpoint: "h".into(),
            metric: "m".into(),
            tags: saker_model::Tags::default(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        let id = table.intern_series(series, 0).expect("there is room");
        let mut encoder = RecordEncoder::default();
        let mut places = vec![journal.end()];
        for number in 0..6 {
            let point = Point { series: id, timestamp_ms: number, value: number as f64 };
            let mut record = Vec::new();
            encoder.encode(journal.begins_segment(), &[point], |id| table.get(id), &mut record);
            journal.append(&record, 1).expect("room on the disk");
            places.push(journal.end());
        }
        let span = |from: usize, to: usize| Span { from: places[from], to: places[to] };
        let mut reader = BacklogReader::new(&journal, places[0], table);
        let mut read = |span: Span| {
            assert!(reader.reaches(span.from));
            let found = reader.read(span, 100);
            assert_eq!(found.span, span);
            (found.points.iter().map(|point| point.timestamp_ms).collect::<Vec<_>>(), reader.reaches(places[0]))
        };
        assert_eq!(read(span(0, 2)), (vec![0, 1], false));
        assert_eq!(read(span(4, 6)), (vec![4, 5], false));
    }
}
