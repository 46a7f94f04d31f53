//! The message that carries one point: what is the same for all points of a series, made once, and the point's own.
//!
//! A message has an identifier that follows from what it says, so that the server finds out when it gets one again: after
//! an answer that was lost, from an agent that has started anew, from another agent with the same values.

use saker_sdk::encode::{Message, Parts, Slots, check, identity, push_f64, push_i64};
use saker_sdk::prelude::*;

use crate::NatsSettings;
use crate::subject::{SUBJECT_MAX, Subjects};

/// The messages of all series that are known.
pub(crate) struct Messages {
    subjects: Subjects,
    message: Message,
    /// The stream that has to acknowledge, if one has to.
    stream: Option<String>,
    known: Slots<SeriesState>,
    /// What is written before its length is known: the headers' end and the line.
    scratch: Vec<u8>,
}

struct SeriesState {
    /// `HPUB subject ` or `PUB subject `.
    operation: Box<[u8]>,
    /// The headers up to the identifier's part that is the point's own; empty without headers.
    headers: Box<[u8]>,
    /// The same of the line.
    line: Parts,
}

impl Messages {
    pub(crate) fn new(settings: &NatsSettings) -> Result<Self, OpenError> {
        let subjects = Subjects::parse(&settings.subject)?;
        let stream = settings.jetstream.then(|| settings.stream.clone());
        let is_wrong = |char: char| char.is_whitespace() || char.is_control() || ".*>/\\".contains(char);
        if stream.as_ref().is_some_and(|name| name.is_empty() || name.contains(is_wrong)) {
            let what = "must be a stream's name, without spaces and any of . * > / \\";
            return Err(OpenError::Settings(format!("stream: {what}")));
        }
        Ok(Self { subjects, message: settings.format.message(), stream, known: Slots::default(), scratch: Vec::new() })
    }

    pub(crate) fn define(&mut self, id: SeriesId, series: &Series) {
        let subject = self.subjects.of(series);
        let (operation, headers) = match &self.stream {
            Some(stream) => {
                let mut headers = format!("NATS/1.0\r\nNats-Expected-Stream: {stream}\r\nNats-Msg-Id: ").into_bytes();
                headers.extend_from_slice(&identity(series));
                headers.push(b'-');
                (format!("HPUB {subject} "), headers)
            }
            None => (format!("PUB {subject} "), Vec::new()),
        };
        let known = SeriesState {
            operation: operation.into_bytes().into(),
            headers: headers.into(),
            line: self.message.parts(series),
        };
        self.known.insert(id, known);
    }

    pub(crate) fn forget(&mut self, id: SeriesId) {
        self.known.remove(id);
    }

    /// The stream that has to acknowledge, if one has to.
    pub(crate) fn stream(&self) -> Option<&str> {
        self.stream.as_deref()
    }

    /// What a stream has to be made for to get every message.
    pub(crate) fn subjects(&self) -> &str {
        self.subjects.all()
    }

    /// Checks that every point can be published, before the first of them is.
    pub(crate) fn check(&self, points: &[Point]) -> Result<(), WriteError> {
        check(points, |id| self.known.get(id).is_some(), |point| self.message.fits(point))?;
        let is_long = |point: &Point| self.known.get(point.series).is_some_and(|known| known.is_long());
        if !points.iter().any(is_long) {
            return Ok(());
        }
        let places = (0..).zip(points).filter(|(_, point)| is_long(point)).map(|(place, _)| place).collect();
        let message = format!("a subject longer than {SUBJECT_MAX} bytes");
        Err(WriteError::Reject(Reject { points: places, message }))
    }

    /// Appends the message for a point that was checked, with the subject that its answer is to go to; answers how long
    /// headers and line are together.
    pub(crate) fn push(&mut self, point: &Point, reply: Option<ReplySubject<'_>>, out: &mut Vec<u8>) -> usize {
        let Some(known) = self.known.get(point.series) else { return 0 };
        self.scratch.clear();
        if !known.headers.is_empty() {
            push_i64(&mut self.scratch, point.timestamp_ms);
            self.scratch.push(b'-');
            push_f64(&mut self.scratch, point.value);
            self.scratch.extend_from_slice(b"\r\n\r\n");
        }
        let own = self.scratch.len();
        self.message.push(&known.line, point, &mut self.scratch);
        let length = known.headers.len() + self.scratch.len();

        out.extend_from_slice(&known.operation);
        if let Some(reply) = reply {
            out.extend_from_slice(reply.inbox.as_bytes());
            out.push(b'.');
            push_i64(out, reply.number as i64);
            out.push(b' ');
        }
        if !known.headers.is_empty() {
            push_i64(out, (known.headers.len() + own) as i64);
            out.push(b' ');
        }
        push_i64(out, length as i64);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&known.headers);
        out.extend_from_slice(&self.scratch);
        out.extend_from_slice(b"\r\n");
        length
    }
}

/// Where the answer to a message is to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplySubject<'i> {
    /// The subject without its last token.
    pub(crate) inbox: &'i str,
    /// The last token.
    pub(crate) number: u64,
}

impl SeriesState {
    fn is_long(&self) -> bool {
        self.operation.len() > SUBJECT_MAX + "HPUB  ".len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(settings: &str) -> Messages {
        let settings = settings.replacen('{', r#"{"address": "h:1""#, 1);
        let mut messages = Messages::new(&saker_sdk::settings::parse(&settings).unwrap()).unwrap();
        for (id, metric) in [(1, "cpu.idle"), (2, "a b\"\r\n💡")] {
            messages.define(id, &series(metric));
        }
        messages
    }

    fn series(metric: &str) -> Series {
        let tags = vec![("core".into(), "0".into())];
        Series { endpoint: "web-1".into(), metric: metric.into(), tags, metric_type: MetricType::Gauge, step_s: 10 }
    }

    /// The first line, the headers and the rest, as a server takes a message apart.
    fn published(settings: &str, series: SeriesId, timestamp_ms: i64, value: f64) -> (String, String, String) {
        let mut out = Vec::new();
        let reply = (!settings.contains("false")).then_some(ReplySubject { inbox: "_INBOX.x", number: 7 });
        messages(settings).push(&Point { series, timestamp_ms, value }, reply, &mut out);
        let text = String::from_utf8(out).unwrap();
        let (line, rest) = text.split_once("\r\n").unwrap();
        let sizes: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let head = if sizes.len() > 1 { sizes[0] } else { 0 };
        let total = *sizes.last().unwrap();
        assert_eq!(&rest[total..], "\r\n");
        (line.into(), rest[..head].into(), rest[head..total].into())
    }

    #[test]
    fn a_message_has_its_subjects_and_an_identifier() {
        let (line, headers, body) = published("{}", 1, 1_700_000_000_123, 99.5);
        assert!(line.starts_with("HPUB saker.web-1.cpu.idle _INBOX.x.7 "), "{line}");
        let (start, identifier) = headers.split_once("Nats-Msg-Id: ").unwrap();
        assert_eq!(start, "NATS/1.0\r\nNats-Expected-Stream: saker\r\n");
        assert!(identifier.len() > 32 && identifier.ends_with("-1700000000123-99.5\r\n\r\n"), "{identifier}");
        assert!(body.starts_with("{\"endpoint\":\"web-1\"") && body.ends_with(",\"value\":99.5}"), "{body}");
        assert_eq!(published("{}", 1, 1_700_000_000_123, 99.5).1, headers, "the same again");
    }

    #[test]
    fn awkward_names_and_numbers_stay_within_their_message() {
        let (line, headers, body) = published("{}", 2, -1, -1e-300);
        assert!(line.starts_with("HPUB saker.web-1.a_b\"__💡 _INBOX.x.7 "), "{line}");
        assert!(headers.ends_with("--1--1e-300\r\n\r\n"), "{headers}");
        assert!(body.contains(r#""metric":"a b\"\r\n💡""#), "{body}");
    }

    #[test]
    fn without_a_stream_there_are_neither_headers_nor_answers() {
        let (line, headers, body) = published(r#"{, "jetstream": false, "format": "falcon"}"#, 1, 0, 1.0);
        assert_eq!((line, headers), (format!("PUB saker.web-1.cpu.idle {}", body.len()), String::new()));
        assert!(body.contains("\"counterType\""));
    }

    #[test]
    fn different_points_have_different_identifiers() {
        let mut all = Vec::new();
        for (id, kind, metric) in
            [(1, MetricType::Gauge, "m"), (2, MetricType::Counter, "m"), (3, MetricType::Gauge, "n")]
        {
            let mut messages = messages("{}");
            messages.define(id, &Series { metric_type: kind, ..series(metric) });
            for (timestamp_ms, value) in [(1, 1.0), (1, 2.0), (2, 1.0), (11, 1.0)] {
                let mut out = Vec::new();
                messages.push(&Point { series: id, timestamp_ms, value }, None, &mut out);
                let text = String::from_utf8(out).unwrap();
                all.push(text.split("Nats-Msg-Id: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned());
            }
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 8, "the type is no part of what a series is");
    }

    #[test]
    fn what_cannot_be_published_is_found_before_anything_is_sent() {
        let mut messages = messages(r#"{, "subject": "a.${tags}"}"#);
        let tags = (0..20).map(|number| (format!("k{number}"), "v".repeat(200))).collect();
        messages.define(3, &Series { tags, ..series("m") });
        let point = |series, value| Point { series, timestamp_ms: 0, value };
        assert!(messages.check(&[point(1, 1.0), point(2, f64::MAX)]).is_ok());
        assert!(matches!(messages.check(&[point(4, 1.0)]), Err(WriteError::Broken(_))));
        for (points, what) in
            [([point(1, 1.0), point(3, 1.0)], "a subject longer"), ([point(1, 1.0), point(1, f64::NAN)], "a value")]
        {
            let Err(WriteError::Reject(reject)) = messages.check(&points) else { panic!("not a reject") };
            assert_eq!(reject.points, [1]);
            assert!(reject.message.starts_with(what), "{}", reject.message);
        }
    }
}
