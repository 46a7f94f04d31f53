//! A body as it is read: batch by batch, each to be named, confirmed and taken.

use saker_model::{Point, RejectCounts, Resolution, Sample, SeriesId};
use saker_pipeline::SeriesGeneration;

use crate::batch::{Batch, Decoder, FAULTS_SHOWN};
use crate::keys::KeyCache;

/// A line that was not taken, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1 on.
    pub(crate) line: usize,
    /// Where in the body it begins.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) what: String,
}

/// What became of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Values that were taken.
    pub(crate) taken: u64,
    /// Values that were left out without a fault of the sender's.
    pub(crate) skipped: u64,
    /// Values and unreadable lines that were rejected.
    pub(crate) faulty: u64,
    /// Tags that were left out of new series.
    pub(crate) dropped_tags: u64,
    /// The first faults, in the order of their lines.
    pub(crate) faults: Vec<Fault>,
}

impl Report {
    /// Of one line that is wrong.
    pub(crate) fn of_fault(what: &str) -> Self {
        Self { faulty: 1, faults: vec![Fault { line: 1, at: 0, what: what.to_owned() }], ..Self::default() }
    }
}

/// Messages that came together: each ends where it ends, whatever it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FramedMessages<'a> {
    bytes: &'a [u8],
    /// Where all but the last one end.
    ends: &'a [usize],
}

/// Reads a body in batches of some ten thousand points.
///
/// For each batch: [`read`](Self::read) it; name what is [`new`](Self::new_samples) and hand in the names
/// ([`named`](Self::named)); then ask the series table whether the epoch still holds, with what was
/// [`seen`](Self::seen). If it does, [`confirm`](Self::confirm) the batch, take its [`points`](Self::points), and go on;
/// if it does not, read the same one again.
pub(crate) struct BodyDecoder<'a, D> {
    messages: FramedMessages<'a>,
    decoder: &'a D,
    /// Where the batch begins, and where it ends.
    from: usize,
    to: usize,
    batch: Batch<'a>,
    report: Report,
}

impl<'a> FramedMessages<'a> {
    /// Of which all but the last end at these places.
    pub(crate) fn new(bytes: &'a [u8], ends: &'a [usize]) -> Self {
        Self { bytes, ends }
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the message ends that a place belongs to.
    fn end(&self, at: usize) -> usize {
        let next = self.ends.partition_point(|&end| end <= at);
        self.ends.get(next).copied().unwrap_or(self.bytes.len())
    }
}

impl<'a> From<&'a [u8]> for FramedMessages<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, ends: &[] }
    }
}

impl<'a, D: Decoder> BodyDecoder<'a, D> {
    /// Begins to read. `now_ms` is the clock.
    pub(crate) fn new(messages: FramedMessages<'a>, decoder: &'a D, keys: &'a KeyCache, now_ms: i64) -> Self {
        let batch = Batch::new(keys, decoder.silent(), now_ms);
        Self { messages, decoder, from: 0, to: 0, batch, report: Report::default() }
    }

    /// Whether there is more to read.
    pub(crate) fn has_more(&self) -> bool {
        self.from < self.messages.bytes.len()
    }

    /// Reads a batch, or the same one again. `epoch` are the names that hold at this moment, `now_s` its clock.
    pub(crate) fn read(&mut self, epoch: SeriesGeneration, now_s: u32) {
        self.batch.begin_batch(epoch, now_s);
        self.to = self.from;
        while self.to < self.messages.bytes.len() && !self.batch.is_full() {
            let end = self.messages.end(self.to);
            self.batch.base = self.to;
            let read = self.decoder.decode(&self.messages.bytes[self.to..end], &mut self.batch);
            // A decoder that reads nothing would read it for ever.
            self.to = if read == 0 { end } else { self.to + read };
        }
    }

    /// Samples of series that have no name yet. Their names go to [`named`](Self::named), in the same order.
    pub(crate) fn new_samples(&mut self) -> Vec<Sample> {
        self.batch.new_samples()
    }

    /// Takes the names of the new samples.
    pub(crate) fn named(&mut self, names: Vec<Resolution>) {
        self.batch.named(names);
    }

    /// Series that have to be told alive with this batch.
    pub(crate) fn seen(&self) -> &[SeriesId] {
        self.batch.seen()
    }

    /// The batch's points, known and new.
    pub(crate) fn points(&self) -> &[Point] {
        self.batch.points()
    }

    /// How many of the batch's values were rejected.
    pub(crate) fn rejected(&self) -> &RejectCounts {
        self.batch.rejected()
    }

    /// The batch stands: remembers its names, and goes on behind it.
    pub(crate) fn confirm(&mut self) {
        self.batch.learn();
        let skipped = self.batch.skipped();
        self.report.taken += self.batch.points().len() as u64;
        self.report.skipped += skipped;
        self.report.dropped_tags += self.batch.dropped_tags();
        self.report.faulty += self.batch.rejected().total() - skipped;
        let room = FAULTS_SHOWN - self.report.faults.len();
        for (start, what) in self.batch.take_faults().into_iter().take(room) {
            let line = 1 + memchr::memchr_iter(b'\n', &self.messages.bytes[..start]).count();
            self.report.faults.push(Fault { line, at: start, what });
        }
        self.from = self.to;
    }

    /// How many values and lines were rejected so far.
    pub(crate) fn faulty(&self) -> u64 {
        self.report.faulty
    }

    /// What became of the body.
    pub(crate) fn finish(self) -> Report {
        self.report
    }
}
