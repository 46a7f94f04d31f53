//! What pages that are open are told of each batch of points: a sink, which numbers the series that pages show.
//!
//! A series has one number as long as the agent runs, so a message is made once for all pages.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use saker_model::{Point, Series, SeriesId, SeriesTable};
use saker_pipeline::{Sink, now_ms};
use tokio::sync::broadcast;

use crate::json;
use crate::vitals::is_vital;

/// Series of one metric that a page is told of: more are no chart that anybody reads.
pub(crate) const METRIC_SERIES_MAX: usize = 24;
/// Messages that a page may be behind; then it asks anew. Ten collectors at a second fill it in some 25 s.
const BEHIND_MAX: usize = 256;
/// Pages at the same time.
pub(crate) const PAGES_MAX: usize = 32;

/// Who this host's samples are of.
pub type Endpoint = Arc<dyn Fn() -> Arc<str> + Send + Sync>;

/// Tells pages what comes.
pub struct Feed {
    table: Arc<SeriesTable>,
    endpoint: Endpoint,
    /// None once the agent ends.
    events: Mutex<Option<broadcast::Sender<Bytes>>>,
    pages: Arc<AtomicUsize>,
    known: Mutex<Known>,
    /// Tells this process from an earlier one, whose numbers were others.
    epoch: i64,
}

#[derive(Default)]
struct Known {
    /// What is known of handles, by their index.
    by_id: Vec<Seen>,
    numbers: HashMap<String, u32>,
    of_metric: HashMap<Box<str>, usize>,
}

#[derive(Clone, Copy, Default)]
enum Seen {
    #[default]
    Never,
    Unwanted,
    Number(u32),
}

/// A page that listens. As long as it lives, messages are made.
pub(crate) struct Listening {
    pub(crate) events: broadcast::Receiver<Bytes>,
    _seat: Seat,
}

struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a page is not told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deaf {
    /// There are [`PAGES_MAX`] already.
    Full,
    /// The agent ends.
    Ending,
}

impl Feed {
    /// A feed of this host's series.
    #[must_use]
    pub fn new(table: Arc<SeriesTable>, endpoint: Endpoint) -> Self {
        Self {
            table,
            endpoint,
            events: Mutex::new(Some(broadcast::Sender::new(BEHIND_MAX))),
            pages: Arc::default(),
            known: Mutex::default(),
            epoch: now_ms(),
        }
    }

    /// Ends what pages listen to, so that the agent can end.
    pub fn close(&self) {
        self.events.lock().take();
    }

    /// Pages that are open.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }

    pub(crate) fn epoch(&self) -> i64 {
        self.epoch
    }

    pub(crate) fn endpoint(&self) -> Arc<str> {
        (self.endpoint)()
    }

    pub(crate) fn listen(&self) -> Result<Listening, Deaf> {
        let events = self.events.lock().as_ref().map(broadcast::Sender::subscribe).ok_or(Deaf::Ending)?;
        let seat = Seat(self.pages.clone());
        if self.pages.fetch_add(1, Ordering::Relaxed) >= PAGES_MAX {
            return Err(Deaf::Full);
        }
        Ok(Listening { events, _seat: seat })
    }

    /// The number of a series, if pages are to know it.
    pub(crate) fn number(&self, series: &Series) -> Option<u32> {
        self.known.lock().number(series).map(|(number, _)| number)
    }

    fn tell(&self, points: &[Point]) {
        let endpoint = self.endpoint();
        let mut messages = String::new();
        {
            let mut known = self.known.lock();
            // A run has one time; what is pushed may have several.
            for run in points.chunk_by(|a, b| a.timestamp_ms == b.timestamp_ms) {
                self.write(&mut known, &endpoint, run, &mut messages);
            }
        }
        if !messages.is_empty()
            && let Some(events) = &*self.events.lock()
        {
            // If nobody listens any more, that is all right.
            let _ = events.send(Bytes::from(messages));
        }
    }

    fn write(&self, known: &mut Known, endpoint: &str, run: &[Point], out: &mut String) {
        let (mut numbers, mut values, mut new) = (String::new(), String::new(), String::new());
        for point in run.iter().filter(|point| point.value.is_finite()) {
            let index = point.series.index();
            if index >= known.by_id.len() {
                known.by_id.resize(index + 1, Seen::Never);
            }
            if matches!(known.by_id[index], Seen::Never) {
                known.by_id[index] = self.see(known, endpoint, point.series, &mut new);
            }
            if let Seen::Number(number) = known.by_id[index] {
                let comma = if numbers.is_empty() { "" } else { "," };
                // Writing to a string does not fail.
                let _ = write!(numbers, "{comma}{number}");
                values.push_str(comma);
                json::number(&mut values, point.value);
            }
        }
        if let Some(first) = run.first().filter(|_| !numbers.is_empty()) {
            let at = first.timestamp_ms;
            let new = if new.is_empty() { String::new() } else { format!(",\"new\":[{new}]") };
            let _ = write!(out, "event: run\ndata: {{\"t\":{at},\"n\":[{numbers}],\"v\":[{values}]{new}}}\n\n");
        }
    }

    /// Looks at a series for the first time.
    fn see(&self, known: &mut Known, endpoint: &str, id: SeriesId, new: &mut String) -> Seen {
        let Some(series) = self.table.get(id) else { return Seen::Never };
        if *series.endpoint != *endpoint || !is_vital(&series.metric) {
            return Seen::Unwanted;
        }
        let Some((number, is_new)) = known.number(&series) else { return Seen::Unwanted };
        if is_new {
            if !new.is_empty() {
                new.push(',');
            }
            describe(new, number, &series);
            new.push('}');
        }
        Seen::Number(number)
    }
}

/// Appends what a series is, without the closing brace.
pub(crate) fn describe(out: &mut String, number: u32, series: &Series) {
    let _ = write!(out, "{{\"n\":{number},\"metric\":");
    json::text(out, &series.metric);
    out.push_str(",\"tags\":{");
    for (place, (key, value)) in series.tags.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        json::text(out, key);
        out.push(':');
        json::text(out, value);
    }
    let _ = write!(out, "}},\"type\":\"{}\",\"step\":{}", series.metric_type.as_str(), series.step_s);
}

impl Known {
    /// Its number, and whether it was given now.
    fn number(&mut self, series: &Series) -> Option<(u32, bool)> {
        let key = series.key();
        if let Some(number) = self.numbers.get(&key) {
            return Some((*number, false));
        }
        let of_metric = self.of_metric.entry(series.metric.clone()).or_default();
        if *of_metric >= METRIC_SERIES_MAX {
            return None;
        }
        *of_metric += 1;
        let number = u32::try_from(self.numbers.len()).ok()?;
        self.numbers.insert(key, number);
        Some((number, true))
    }
}

impl Sink for Feed {
    fn keep(&self, points: &[Point]) {
        if self.pages() > 0 {
            self.tell(points);
        }
    }

    fn forget(&self, ids: &[SeriesId]) {
        let mut known = self.known.lock();
        for id in ids {
            if let Some(seen) = known.by_id.get_mut(id.index()) {
                *seen = Seen::Never;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use saker_model::MetricType;
    use serde_json::Value;

    use super::*;

    fn series(metric: &str, tag: &str) -> Series {
        Series {
            endpoint: "h".into(),
            metric: metric.into(),
            tags: [("device".into(), tag.into())].into(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        }
    }

    fn feed(all: &[Series]) -> (Feed, Vec<SeriesId>) {
        let table = Arc::new(SeriesTable::new(1000));
        let ids = all.iter().map(|series| table.intern_series(series.clone(), 0).unwrap()).collect();
        (Feed::new(table, Arc::new(|| "h".into())), ids)
    }

    fn point(series: SeriesId, value: f64) -> Point {
        Point { series, timestamp_ms: 5000, value }
    }

    fn heard(listening: &mut Listening) -> Value {
        let message = listening.events.try_recv().unwrap();
        let text = std::str::from_utf8(&message).unwrap();
        serde_json::from_str(text.strip_prefix("event: run\ndata: ").unwrap().trim()).unwrap()
    }

    #[test]
    fn a_run_is_told_with_what_is_new_in_it_and_only_to_those_who_listen() {
        let (feed, ids) =
            feed(&[series("disk.io.util", "sda"), series("other", "x"), series("disk.io.await", "</sda>")]);
        feed.keep(&[point(ids[0], 1.0)]);
        let mut page = feed.listen().unwrap();
        feed.keep(&[point(ids[0], 1.5), point(ids[1], 2.0), point(ids[2], f64::NAN)]);
        let first = heard(&mut page);
        assert_eq!((&first["t"], &first["n"], &first["v"]), (&5000.into(), &[0].into(), &[1.5].into()));
        assert_eq!(first["new"][0]["tags"]["device"], "sda");
        feed.keep(&[point(ids[2], 3.0), point(ids[0], 4.0)]);
        let second = heard(&mut page);
        assert_eq!((&second["n"], second["new"].as_array().map(Vec::len)), (&[1, 0].into(), Some(1)));
        feed.keep(&[point(ids[1], 3.0)]);
        assert!(page.events.try_recv().is_err(), "it shows nothing of that");
        drop(page);
        assert_eq!(feed.pages(), 0);
    }

    #[test]
    fn a_metric_of_very_many_series_is_told_in_part() {
        let all: Vec<_> = (0..100).map(|disk| series("disk.io.util", &format!("sd{disk}"))).collect();
        let (feed, ids) = feed(&all);
        let mut page = feed.listen().unwrap();
        feed.keep(&ids.iter().map(|id| point(*id, 1.0)).collect::<Vec<_>>());
        assert_eq!(heard(&mut page)["n"].as_array().map(Vec::len), Some(METRIC_SERIES_MAX));
    }

    #[test]
    fn a_handle_that_stands_for_another_series_is_looked_at_again() {
        let (feed, ids) = feed(&[series("disk.io.util", "sda")]);
        let mut page = feed.listen().unwrap();
        feed.keep(&[point(ids[0], 1.0)]);
        heard(&mut page);
        feed.forget(&ids);
        assert_eq!(feed.table.sweep(1), ids);
        feed.table.release(&ids);
        assert_eq!(feed.table.intern_series(series("secret", "x"), 2).unwrap(), ids[0]);
        feed.keep(&[point(ids[0], 1.0)]);
        assert!(page.events.try_recv().is_err());
    }

    #[test]
    fn pages_are_bounded_and_all_are_let_go_at_the_end() {
        let (feed, _) = feed(&[]);
        let mut pages: Vec<_> = (0..PAGES_MAX).map(|_| feed.listen().unwrap()).collect();
        assert_eq!(feed.listen().err(), Some(Deaf::Full));
        pages.pop();
        let mut page = feed.listen().unwrap();
        feed.close();
        assert!(matches!(page.events.try_recv(), Err(broadcast::error::TryRecvError::Closed)));
        assert_eq!(feed.listen().err(), Some(Deaf::Ending));
    }
}
