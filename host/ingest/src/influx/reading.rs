//! A body as it is read: step by step, each to be named, confirmed and taken.

use std::sync::Arc;

use saker_model::{LIMITS, MetricType, MetricValue, Named, Point, PointError, Reason, Refused, SeriesId, check_time};
use saker_pipeline::Names;
use xxhash_rust::xxh3::xxh3_64;

use super::key::{Key, unescaped};
use super::known::{Entry, KnownKeys, Wanted};
use super::line::{FIELDS_MAX, LINE_BYTES_MAX, Scanner, What, Wrong, shown};
use super::number::Value;
use super::{Mapping, Precision};

/// Points of one step: enough that what is done once for each step costs nothing, and a few megabytes.
const STEP_POINTS: usize = 65_536;
/// New series of one step. Each is a record with texts of its own until it has a name, about a kilobyte.
const STEP_NEW: usize = 1024;
/// The tag that a database or bucket becomes, as in VictoriaMetrics.
const DB_TAG: &str = "db";
/// How many faults are told one by one.
const FAULTS_SHOWN: usize = 10;

/// What one request says of all its lines.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The database or bucket: a tag `db` of every line that has none.
    pub(crate) db: Option<Arc<str>>,
    /// What timestamps count.
    pub(crate) precision: Precision,
    /// Whose values these are where no tag says it.
    pub(crate) endpoint: Arc<str>,
    /// The clock.
    pub(crate) now_ms: i64,
}

/// A line that was not taken, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its number, from 1 on.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
}

/// What became of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Values that were taken.
    pub(crate) taken: u64,
    /// Values that were left out without a fault of the sender's: what processors drop, and texts that are skipped.
    pub(crate) skipped: u64,
    /// Values and unreadable lines that were refused.
    pub(crate) faulty: u64,
    /// The first faults, in the order of their lines.
    pub(crate) faults: Vec<Fault>,
}

/// Reads a body in steps of some ten thousand points.
///
/// For each step: [`read`](Self::read) it; name what is [`new`](Self::new_values) and hand in the names
/// ([`named`](Self::named)); then ask the series table whether the epoch still holds, with what was
/// [`seen`](Self::seen). If it does, [`confirm`](Self::confirm) the step, take its [`points`](Self::points), and go on;
/// if it does not, read the same step again.
pub(crate) struct Reading<'a> {
    body: &'a [u8],
    known: &'a KnownKeys,
    mapping: &'a Mapping,
    request: &'a Request,
    seed: u64,
    /// Where the step begins.
    from: usize,
    step: Step<'a>,
    report: Report,
}

#[derive(Default)]
struct Step<'a> {
    epoch: Names,
    now_s: u32,
    /// Where it ends.
    to: usize,
    points: Vec<Point>,
    new: Vec<New<'a>>,
    names: Vec<Named>,
    seen: Vec<SeriesId>,
    /// Of the line that is being read: fields that are refused, if the line stands.
    unfit: Vec<(Reason, &'a [u8])>,
    refused: Refused,
    /// Where lines begin, and what is wrong with them.
    faults: Vec<(usize, String)>,
}

/// A value whose series is not known.
#[derive(Clone, Copy)]
struct New<'a> {
    /// Where its line begins.
    line: usize,
    raw: &'a [u8],
    key: Key<'a>,
    field: &'a str,
    timestamp_ms: i64,
    value: f64,
}

/// Where a line begins, in the body and in the step.
struct Mark {
    line: usize,
    points: usize,
    new: usize,
}

impl<'a> Reading<'a> {
    /// Begins to read.
    #[must_use]
    pub(crate) fn new(body: &'a [u8], known: &'a KnownKeys, mapping: &'a Mapping, request: &'a Request) -> Self {
        let seed = request.db.as_ref().map_or(0, |db| xxh3_64(db.as_bytes()));
        Self { body, known, mapping, request, seed, from: 0, step: Step::default(), report: Report::default() }
    }

    /// Whether there is more to read.
    #[must_use]
    pub(crate) fn has_more(&self) -> bool {
        self.from < self.body.len()
    }

    /// Reads a step, or the same one again. `epoch` are the names that hold at this moment, `now_s` its clock.
    pub(crate) fn read(&mut self, epoch: Names, now_s: u32) {
        self.step.begin(epoch, now_s);
        let mut scanner = Scanner::new(self.body, self.from);
        while self.step.points.len() < STEP_POINTS && self.step.new.len() < STEP_NEW && scanner.next_line() {
            let mark = Mark { line: scanner.at(), points: self.step.points.len(), new: self.step.new.len() };
            if let Err(wrong) = self.line(&mut scanner, &mark) {
                self.step.take_back(&mark);
                self.step.refused.add_malformed();
                self.step.fault(mark.line, FAULTS_SHOWN, || wrong.message());
                scanner.skip_line(mark.line);
            }
        }
        self.step.to = scanner.at();
    }

    /// Values of series that have no name yet. Their names go to [`named`](Self::named), in the same order.
    #[must_use]
    pub(crate) fn new_values(&self) -> Vec<MetricValue> {
        self.step.new.iter().map(|new| self.metric_value(new)).collect()
    }

    /// Takes the names of the new values.
    pub(crate) fn named(&mut self, names: Vec<Named>) {
        let step = &mut self.step;
        let new = std::mem::take(&mut step.new);
        for (new, named) in new.iter().zip(&names) {
            let New { line, field, timestamp_ms, value, .. } = *new;
            match named.target {
                Ok(series) => step.points.push(Point { series, timestamp_ms, value }),
                // Beside those that were found in reading there is room for as many that are found in naming.
                Err(reason) => step.refuse(line, field.as_bytes(), reason, self.mapping.refuse_texts, 2 * FAULTS_SHOWN),
            }
        }
        step.new = new;
        step.names = names;
    }

    /// Series that have to be told alive with this step.
    #[must_use]
    pub(crate) fn seen(&self) -> &[SeriesId] {
        &self.step.seen
    }

    /// The step's points, known and new.
    #[must_use]
    pub(crate) fn points(&self) -> &[Point] {
        &self.step.points
    }

    /// How many of the step's values were refused.
    #[must_use]
    pub(crate) fn refused(&self) -> &Refused {
        &self.step.refused
    }

    /// The step stands: remembers its names, and goes on behind it.
    pub(crate) fn confirm(&mut self) {
        self.learn();
        let refused = &self.step.refused;
        let texts = if self.mapping.refuse_texts { 0 } else { refused.of(Reason::TextValue) };
        let skipped = refused.of(Reason::Processor) + texts;
        self.report.taken += self.step.points.len() as u64;
        self.report.skipped += skipped;
        self.report.faulty += refused.total() - skipped;
        self.step.faults.sort_by_key(|&(line, _)| line);
        let room = FAULTS_SHOWN - self.report.faults.len();
        for (start, what) in self.step.faults.drain(..).take(room) {
            let line = 1 + memchr::memchr_iter(b'\n', &self.body[..start]).count();
            self.report.faults.push(Fault { line, what });
        }
        self.from = self.step.to;
    }

    /// What became of the body.
    #[must_use]
    pub(crate) fn finish(self) -> Report {
        self.report
    }

    /// Reads a line. What it has added to the step is to be taken back if it turns out to be wrong.
    #[inline]
    fn line(&mut self, scanner: &mut Scanner<'a>, mark: &Mark) -> Result<(), Wrong<'a>> {
        let step = &mut self.step;
        let raw = scanner.key()?;
        let wanted = Wanted::new(raw, self.request.db.as_ref(), self.seed);
        let mut shard = self.known.shard(&wanted, step.epoch);
        let mut entry = shard.as_mut().and_then(|shard| shard.find(&wanted));
        match &mut entry {
            Some(entry) => step.seen.extend(entry.due(step.now_s).into_iter().flatten()),
            None => drop(step.key(raw, scanner, mark)?),
        }
        let (mut fields, mut place) = (0, 0);
        loop {
            fields += 1;
            let (name, found) = field(scanner, entry.as_deref(), place)?;
            place = found.map_or(place, |found| found + 1);
            match (scanner.value()?, found.zip(entry.as_deref())) {
                (Value::Text, _) => step.unfit.push((Reason::TextValue, name)),
                (Value::Number(value), _) if !value.is_finite() => step.unfit.push((Reason::NotFinite, name)),
                (Value::Number(value), Some((place, entry))) => match entry.target(place) {
                    Ok(series) => step.points.push(Point { series, timestamp_ms: 0, value }),
                    Err(reason) => step.unfit.push((reason, name)),
                },
                (Value::Number(value), None) => {
                    let key = step.key(raw, scanner, mark)?;
                    let field = std::str::from_utf8(name).map_err(|_| scanner.wrong(What::NotUtf8, mark.line))?;
                    step.new.push(New { line: mark.line, raw, key, field, timestamp_ms: 0, value });
                }
            }
            if !scanner.has_more_fields() {
                break;
            }
            if fields == FIELDS_MAX {
                return Err(scanner.wrong(What::TooManyFields, mark.line));
            }
        }
        if scanner.at() - mark.line > LINE_BYTES_MAX {
            return Err(scanner.wrong(What::TooLong, mark.line));
        }
        let time = scanner.timestamp()?;
        self.end_line(mark, fields, time);
        Ok(())
    }

    /// Gives a line's values their time, and counts those that are unfit.
    #[inline]
    fn end_line(&mut self, mark: &Mark, fields: usize, time: Option<i64>) {
        let (step, request) = (&mut self.step, self.request);
        let time = time.map_or(Some(request.precision.now(request.now_ms)), |time| request.precision.to_ms(time));
        let fit = |time: i64| check_time(time, request.now_ms).map(|()| time);
        let timestamp_ms = match time.ok_or(PointError::BadTimestamp).and_then(fit).map_err(Reason::from) {
            Ok(timestamp_ms) => timestamp_ms,
            Err(reason) => {
                step.take_back(mark);
                step.refused.add(reason, fields as u64);
                return step.fault(mark.line, FAULTS_SHOWN, || reason.to_string());
            }
        };
        step.points[mark.points..].iter_mut().for_each(|point| point.timestamp_ms = timestamp_ms);
        step.new[mark.new..].iter_mut().for_each(|new| new.timestamp_ms = timestamp_ms);
        for (reason, name) in std::mem::take(&mut step.unfit) {
            step.refuse(mark.line, name, reason, self.mapping.refuse_texts, FAULTS_SHOWN);
        }
    }

    fn metric_value(&self, new: &New<'_>) -> MetricValue {
        let mapping = self.mapping;
        let mut metric = new.key.measurement().into_owned();
        let field = unescaped(new.field);
        if *field != *mapping.value_field {
            metric.push_str(&mapping.separator);
            metric.push_str(&field);
        }
        let (mut endpoint, mut tags) = (None, Vec::new());
        for (name, value) in new.key.tags() {
            if endpoint.is_none() && *name == *mapping.endpoint_tag && !value.is_empty() {
                endpoint = Some(Arc::from(&*value));
            } else {
                tags.push((name.into_owned(), value.into_owned()));
            }
        }
        if let Some(db) = &self.request.db
            && tags.iter().all(|(name, _)| name != DB_TAG)
        {
            tags.push((DB_TAG.to_owned(), db.to_string()));
        }
        MetricValue {
            endpoint: endpoint.unwrap_or_else(|| self.request.endpoint.clone()),
            metric,
            tags,
            metric_type: MetricType::Gauge,
            value: new.value,
            timestamp_ms: new.timestamp_ms,
            step_s: mapping.step_s,
        }
    }

    /// Remembers the names of the new values, line by line.
    fn learn(&self) {
        let step = &self.step;
        let mut place = 0;
        while place < step.names.len().min(step.new.len()) {
            let first = &step.new[place];
            let count = step.new[place..].iter().take_while(|new| new.line == first.line).count();
            let fields: Vec<_> =
                (place..place + count).map(|at| (step.new[at].field.as_bytes(), step.names[at])).collect();
            let wanted = Wanted::new(first.raw, self.request.db.as_ref(), self.seed);
            self.known.learn(&wanted, &fields, step.epoch, step.now_s);
            place += count;
        }
    }
}

impl<'a> Step<'a> {
    /// Begins anew, with the memory of the one before.
    fn begin(&mut self, epoch: Names, now_s: u32) {
        let Self { mut points, mut new, mut seen, mut unfit, .. } = std::mem::take(self);
        points.clear();
        new.clear();
        seen.clear();
        unfit.clear();
        *self = Self { epoch, now_s, points, new, seen, unfit, ..Self::default() };
    }

    fn take_back(&mut self, mark: &Mark) {
        self.points.truncate(mark.points);
        self.new.truncate(mark.new);
        self.unfit.clear();
    }

    fn key(&self, raw: &'a [u8], scanner: &Scanner<'a>, mark: &Mark) -> Result<Key<'a>, Wrong<'a>> {
        Key::read(raw).map_err(|what| scanner.wrong(what, mark.line))
    }

    /// Counts a field's value that is refused; what a processor drops is no fault, and a text only if it is to be one.
    fn refuse(&mut self, line: usize, name: &[u8], reason: Reason, texts: bool, room: usize) {
        self.refused.add(reason, 1);
        let fault = match reason {
            Reason::Processor => false,
            Reason::TextValue => texts,
            _ => true,
        };
        if fault {
            self.fault(line, room, || {
                format!("field '{}': {reason}", shown(&name[..name.len().min(LIMITS.text_bytes)]))
            });
        }
    }

    fn fault(&mut self, line: usize, room: usize, what: impl FnOnce() -> String) {
        if self.faults.len() < room {
            self.faults.push((line, what()));
        }
    }
}

/// The next field's name, and its place if it is known. Fields are expected in the order they had before.
#[inline]
fn field<'a>(
    scanner: &mut Scanner<'a>,
    entry: Option<&Entry>,
    place: usize,
) -> Result<(&'a [u8], Option<usize>), Wrong<'a>> {
    if let Some(entry) = entry.filter(|entry| place < entry.len())
        && let Some(name) = scanner.field_is(entry.name(place))
    {
        return Ok((name, Some(place)));
    }
    let name = scanner.field_name()?;
    Ok((name, entry.and_then(|entry| entry.find(name, place))))
}

#[cfg(test)]
mod tests;
