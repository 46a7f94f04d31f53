//! What a decoder makes of bytes: points of series that are known, samples of those that are not, and what is wrong.

use saker_model::text::{clean, is_clean};
use saker_model::{LIMITS, Point, PointError, RejectCounts, RejectReason, Resolution, Sample, SeriesId, check_time};
use saker_pipeline::SeriesGeneration;
use std::borrow::Cow;

use crate::{KeyCache, KnownKey, RawKey};

/// Points of one batch: enough that what is done once for each batch costs nothing, and a few megabytes.
const BATCH_POINTS: usize = 65_536;
/// New series of one batch. Each is a record with texts of its own until it has a name, about a kilobyte.
const BATCH_NEW: usize = 1024;
/// How many faults are told one by one.
pub(crate) const FAULTS_SHOWN: usize = 10;

/// Turns bytes into samples. It does nothing else: no socket, no clock, no waiting.
pub trait Decoder: Send + Sync {
    /// Reads lines, or messages, from the beginning of `input` into a batch, until there are no more or the batch
    /// [is full](Batch::is_full); answers how many bytes it has read. The same bytes may have to be read again.
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize;

    /// The reasons that a value can be left out for without a fault of the sender's.
    fn silent(&self) -> &'static [RejectReason] {
        &[RejectReason::Processor]
    }
}

/// What was decoded of a body so far.
pub struct Batch<'a> {
    keys: &'a KeyCache,
    silent: &'static [RejectReason],
    epoch: SeriesGeneration,
    now_s: u32,
    now_ms: i64,
    /// Where in the body the input begins.
    pub(crate) base: usize,
    /// The line that is being read.
    line: BatchLine,
    points: Vec<Point>,
    new: Vec<NewKey<'a>>,
    /// More values of them. What stands for a series is the place of its sample.
    more: Vec<Point>,
    /// One for each new series, until they are asked for.
    samples: Vec<Sample>,
    names: Vec<Resolution>,
    seen: Vec<SeriesId>,
    /// Of the line that is being read: values that are rejected, if the line stands.
    unfit: Vec<(RejectReason, &'a [u8])>,
    rejected: RejectCounts,
    dropped_tags: u64,
    /// Where lines begin, and what is wrong with them.
    faults: Vec<(usize, String)>,
}

/// A value whose series is not known.
#[derive(Clone, Copy)]
struct NewKey<'a> {
    /// Where its line begins.
    line: usize,
    key: RawKey<'a>,
    field: &'a [u8],
    timestamp_ms: i64,
    value: f64,
    /// The place of what says which series it is of.
    sample: usize,
}

/// Where a line begins: in the body, and in the batch.
#[derive(Clone, Copy, Default)]
struct BatchLine {
    at: usize,
    points: usize,
    new: usize,
    more: usize,
    samples: usize,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(keys: &'a KeyCache, silent: &'static [RejectReason], now_ms: i64) -> Self {
        Self {
            keys,
            silent,
            epoch: SeriesGeneration::default(),
            now_s: 0,
            now_ms,
            base: 0,
            line: BatchLine::default(),
            points: Vec::new(),
            new: Vec::new(),
            more: Vec::new(),
            samples: Vec::new(),
            names: Vec::new(),
            seen: Vec::new(),
            unfit: Vec::new(),
            rejected: RejectCounts::default(),
            dropped_tags: 0,
            faults: Vec::new(),
        }
    }

    /// Begins anew, with the memory of the one before.
    pub(crate) fn begin_batch(&mut self, epoch: SeriesGeneration, now_s: u32) {
        (self.epoch, self.now_s) = (epoch, now_s);
        self.points.clear();
        self.new.clear();
        self.more.clear();
        self.samples.clear();
        self.names.clear();
        self.seen.clear();
        self.unfit.clear();
        self.rejected = RejectCounts::default();
        self.dropped_tags = 0;
        self.faults.clear();
    }

    /// The clock, in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Whether it has had enough for now.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.points.len() + self.more.len() >= BATCH_POINTS || self.new.len() >= BATCH_NEW
    }

    /// A line, or a message, begins at this place of the input. All that follows belongs to it until it
    /// [ends](Self::end) or turns out to be [malformed](Self::malformed).
    #[inline]
    pub fn begin(&mut self, at: usize) {
        let (points, new, more) = (self.points.len(), self.new.len(), self.more.len());
        self.line = BatchLine { at: self.base + at, points, new, more, samples: self.samples.len() };
    }

    /// Shows every line that is not blank, with its place, until there are no more or the batch [is full](Self::is_full);
    /// answers how many bytes these are.
    #[inline]
    pub(crate) fn each_line(&mut self, input: &'a [u8], mut line: impl FnMut(&mut Self, usize, &'a [u8])) -> usize {
        let mut at = 0;
        while at < input.len() && !self.is_full() {
            let end = memchr::memchr(b'\n', &input[at..]).map_or(input.len(), |end| at + end);
            let text = input[at..end].trim_ascii();
            if !text.is_empty() {
                line(self, at, text);
            }
            at = input.len().min(end + 1);
        }
        at
    }

    /// What is known of a key; its series are told alive.
    #[inline]
    pub fn known(&mut self, key: &RawKey<'_>) -> Option<KnownKey<'a>> {
        let mut known = self.keys.find(key, self.epoch)?;
        if let Some(due) = known.due(self.now_s) {
            self.seen.extend(due);
        }
        Some(known)
    }

    /// A value of a series that is known, or the reason why it has none; `field` is what it is called in a fault.
    #[inline]
    pub fn value(&mut self, target: Result<SeriesId, RejectReason>, field: &'a [u8], value: f64) {
        match target {
            Ok(_) if !value.is_finite() => self.unfit.push((RejectReason::NotFinite, field)),
            Ok(series) => self.points.push(Point { series, timestamp_ms: 0, value }),
            Err(reason) => self.unfit.push((reason, field)),
        }
    }

    /// A value of a series that is not known: a field of a key. The sample says what series that is; its timestamp is
    /// that of the line. Once the series has a name, it is known under that key and field.
    pub fn new_value(&mut self, key: RawKey<'a>, field: &'a [u8], sample: Sample) {
        if !sample.value.is_finite() {
            return self.unfit.push((RejectReason::NotFinite, field));
        }
        let value = sample.value;
        let sample_at = self.samples.len();
        self.new.push(NewKey { line: self.line.at, key, field, timestamp_ms: 0, value, sample: sample_at });
        self.samples.push(sample);
    }

    /// One more value of the series that [`new_value`](Self::new_value) was last told of, if that was for this key: a
    /// message may hold a million values of a new series. False if it was not.
    pub fn again(&mut self, key: &RawKey<'a>, value: f64) -> bool {
        let Some(&last) = self.new.last().filter(|new| new.key.is_same(key)) else { return false };
        if value.is_finite() {
            let series = SeriesId(u32::try_from(last.sample).expect("a batch has some thousand new series"));
            self.more.push(Point { series, timestamp_ms: 0, value });
        } else {
            self.unfit.push((RejectReason::NotFinite, last.field));
        }
        true
    }

    /// A value is left out, if the line stands.
    pub fn reject(&mut self, reason: RejectReason, field: &'a [u8]) {
        self.unfit.push((reason, field));
    }

    /// Tags of a new series were left out, as the protocol has it.
    pub fn drop_tags(&mut self, count: u64) {
        self.dropped_tags += count;
    }

    /// The line stands: all of its values have this time, or none if it is no time at all. `values` is how many they are,
    /// with those that were left out.
    #[inline]
    pub fn end(&mut self, timestamp_ms: Option<i64>, values: usize) {
        let fit = |time: i64| check_time(time, self.now_ms).map(|()| time);
        let timestamp_ms = match timestamp_ms.ok_or(PointError::BadTimestamp).and_then(fit).map_err(RejectReason::from)
        {
            Ok(timestamp_ms) => timestamp_ms,
            Err(reason) => {
                self.take_back();
                self.rejected.add(reason, values as u64);
                return self.fault(self.line.at, FAULTS_SHOWN, || reason.to_string());
            }
        };
        let BatchLine { at, points, new, more, samples } = self.line;
        self.points[points..].iter_mut().for_each(|point| point.timestamp_ms = timestamp_ms);
        self.more[more..].iter_mut().for_each(|point| point.timestamp_ms = timestamp_ms);
        if self.new.len() > new {
            self.new[new..].iter_mut().for_each(|new| new.timestamp_ms = timestamp_ms);
            self.samples[samples..].iter_mut().for_each(|sample| sample.timestamp_ms = timestamp_ms);
        }
        if !self.unfit.is_empty() {
            for (reason, field) in std::mem::take(&mut self.unfit) {
                self.reject_value(at, field, reason, FAULTS_SHOWN);
            }
        }
    }

    /// The line cannot be read: nothing of it is taken. `what` says why; it is shown to whoever has sent it.
    #[cold]
    pub fn malformed(&mut self, what: impl FnOnce() -> String) {
        self.take_back();
        self.rejected.add_malformed();
        self.fault(self.line.at, FAULTS_SHOWN, what);
    }

    fn take_back(&mut self) {
        self.points.truncate(self.line.points);
        self.new.truncate(self.line.new);
        self.more.truncate(self.line.more);
        self.samples.truncate(self.line.samples);
        self.unfit.clear();
    }

    /// Counts a value that is rejected; what is silent is no fault.
    fn reject_value(&mut self, line: usize, field: &[u8], reason: RejectReason, room: usize) {
        self.rejected.add(reason, 1);
        if !self.silent.contains(&reason) {
            self.fault(line, room, || match field {
                b"" => reason.to_string(),
                _ => format!("field '{}': {reason}", shown(&field[..field.len().min(LIMITS.text_bytes)])),
            });
        }
    }

    fn fault(&mut self, line: usize, room: usize, what: impl FnOnce() -> String) {
        if self.faults.len() < room {
            self.faults.push((line, what()));
        }
    }

    /// A sample of each series that has no name yet. Their names go to [`named`](Self::named), in the same order.
    pub(crate) fn new_samples(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.samples)
    }

    /// Takes the names of the new values.
    pub(crate) fn named(&mut self, names: Vec<Resolution>) {
        let new = std::mem::take(&mut self.new);
        for NewKey { line, field, timestamp_ms, value, sample, .. } in new.iter().copied() {
            let Some(named) = names.get(sample) else { break };
            match named.target {
                Ok(series) => self.points.push(Point { series, timestamp_ms, value }),
                // Beside those that were found in reading there is room for as many that are found in naming.
                Err(reason) => self.reject_value(line, field, reason, 2 * FAULTS_SHOWN),
            }
        }
        for point in &self.more {
            match names.get(point.series.index()).map(|named| named.target) {
                Some(Ok(series)) => self.points.push(Point { series, ..*point }),
                // Its sender is told of the first of its series.
                Some(Err(reason)) => self.rejected.add(reason, 1),
                None => {}
            }
        }
        (self.new, self.names) = (new, names);
    }

    /// Remembers the names of the new values, line by line.
    pub(crate) fn learn(&self) {
        let mut place = 0;
        while place < self.new.len() {
            let first = &self.new[place];
            let alike = |new: &&NewKey<'_>| new.line == first.line && new.key.is_same(&first.key);
            let count = self.new[place..].iter().take_while(alike).count();
            let mut fields: Vec<_> = self.new[place..place + count].iter().map(|new| (new.field, new.sample)).collect();
            fields.dedup_by_key(|(_, sample)| *sample);
            let named = |(field, sample)| Some((field, *self.names.get(sample)?));
            let fields: Vec<_> = fields.into_iter().filter_map(named).collect();
            self.keys.learn(&first.key, &fields, self.epoch, self.now_s);
            place += count;
        }
    }

    pub(crate) fn seen(&self) -> &[SeriesId] {
        &self.seen
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    pub(crate) fn rejected(&self) -> &RejectCounts {
        &self.rejected
    }

    pub(crate) fn dropped_tags(&self) -> u64 {
        self.dropped_tags
    }

    /// The faults in the order of their lines, and no more of them.
    pub(crate) fn take_faults(&mut self) -> Vec<(usize, String)> {
        self.faults.sort_by_key(|&(line, _)| line);
        std::mem::take(&mut self.faults)
    }

    /// How many values were left out without a fault.
    pub(crate) fn skipped(&self) -> u64 {
        self.silent.iter().map(|&reason| self.rejected.of(reason)).sum()
    }
}

/// What a client has written, as it may stand in an answer or a log.
pub(crate) fn shown(raw: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(raw) {
        text if is_clean(&text) => text,
        text => clean(&text, text.len()).into(),
    }
}
