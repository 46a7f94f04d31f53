//! Points that a backend has rejected, kept in a journal beside the queue's, each record with its reason.
//!
//! Each record stands alone, for there are few. The oldest go when there are too many bytes.

use std::sync::Arc;

use saker_journal::{Disk, Journal, JournalConfig, JournalError, Position, ReadOutcome};
use saker_model::{Point, Series, SeriesId};

use crate::codec::{RecordDecoder, RecordEncoder};
use crate::queue::spool::QueuedPoint;
use crate::queue::spool::backlog::said;
use crate::queue::spool::operating::DisplaySeries;

/// Of this many bytes, or an eighth of the limit.
const SEGMENT_BYTES: u64 = 4 << 20;
/// The longest reason that is kept.
const REASON_BYTES: usize = 1024;

pub(super) struct DeadLetters {
    journal: Journal,
}

/// What became of points that were to be kept.
pub(super) struct DeadLetterOutcome {
    /// So many fitted into the record.
    pub(super) taken: usize,
    /// So many older ones had to go for them.
    pub(super) dropped: u64,
}

/// A record of dead letters.
pub(super) struct DeadLetter {
    pub(super) reason: Arc<str>,
    pub(super) points: Vec<Point>,
    /// Behind it.
    pub(super) end: Position,
}

impl DeadLetters {
    pub(super) fn open(dir: Arc<dyn Disk>, limit_bytes: u64) -> Result<Self, JournalError> {
        let segment_bytes = SEGMENT_BYTES.min(limit_bytes / 8);
        let (journal, _) = Journal::open(dir, JournalConfig { segment_bytes, mark: Position::default() })?;
        Ok(Self { journal })
    }

    pub(super) fn points(&self) -> u64 {
        self.journal.end().items - self.journal.start().items
    }

    pub(super) fn bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// Keeps points with their reason, as many as fit into one record.
    pub(super) fn keep(
        &mut self,
        points: &[Point],
        reason: &str,
        limit_bytes: u64,
        series_of: impl FnMut(SeriesId) -> Option<Arc<Series>>,
    ) -> Result<DeadLetterOutcome, JournalError> {
        let mut end = reason.len().min(REASON_BYTES);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut payload = (end as u32).to_le_bytes().to_vec();
        payload.extend_from_slice(&reason.as_bytes()[..end]);
        let mut record = Vec::new();
        let encoded = RecordEncoder::default().encode(true, points, series_of, &mut record);
        payload.extend_from_slice(&record);
        let mut dropped = 0;
        while self.journal.bytes() + Journal::growth(payload.len()) > limit_bytes {
            self.journal.roll();
            let Some(oldest) = self.journal.drop_oldest()? else { break };
            dropped += oldest.items();
        }
        self.journal.append(&payload, encoded.points)?;
        self.journal.sync()?;
        Ok(DeadLetterOutcome { taken: encoded.taken, dropped })
    }

    /// Reads from the oldest on, until `each` has enough and answers false.
    pub(super) fn read(
        &self,
        mut intern: impl FnMut(Series) -> SeriesId,
        mut each: impl FnMut(DeadLetter) -> Result<bool, String>,
    ) -> Result<(), String> {
        let mut reader = self.journal.reader(self.journal.start());
        let mut payload = Vec::new();
        loop {
            let (end, record) = match reader.next(&mut payload).map_err(|error| said(&error))? {
                ReadOutcome::End => return Ok(()),
                ReadOutcome::Lost(_) => continue,
                ReadOutcome::Record { at, items, .. } => (at.after(items), split(&payload)),
            };
            let Some((reason, record)) = record else { continue };
            let mut points = Vec::new();
            if let Err(error) =
                RecordDecoder::default().decode(true, record, |series| Some(intern(series)), &mut points)
            {
                tracing::error!("a rejected record on disk cannot be understood: {error}");
                continue;
            }
            if !each(DeadLetter { reason: reason.into(), points, end })? {
                return Ok(());
            }
        }
    }

    /// The oldest points with their reasons.
    pub(super) fn show(&self, names: &DisplaySeries, most: usize) -> Result<Vec<QueuedPoint>, String> {
        let mut shown = Vec::new();
        self.read(
            |series| names.add(series),
            |record| {
                shown.extend(record.points.iter().map(|point| names.shown(point, Some(&record.reason))));
                Ok(shown.len() < most)
            },
        )?;
        shown.truncate(most);
        Ok(shown)
    }

    /// Removes everything before a place, or at most a segment's share more than that.
    pub(super) fn drop_before(&mut self, end: Position) -> Result<(), JournalError> {
        self.journal.roll();
        self.journal.trim(end.seq)
    }

    /// Behind the newest.
    pub(super) fn end(&self) -> Position {
        self.journal.end()
    }
}

/// Reason and record.
fn split(payload: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = payload.split_first_chunk::<4>()?;
    let (reason, record) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((std::str::from_utf8(reason).ok()?, record))
}
