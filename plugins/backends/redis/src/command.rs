//! The command that writes one point: what it says of the series, made once, and the point's own words. In cAdvisor's
//! shape it writes a record of several.

use saker_sdk::encode::cadvisor::{self, CadvisorRecords};
use saker_sdk::encode::template::{Template, tags};
use saker_sdk::encode::{Format, Message, Parts, Slots, check, push_f64, push_i64, type_name};
use saker_sdk::prelude::*;

use crate::resp::{push_bulk, push_command, push_count};
use crate::{ListEnd, RedisSettings, Shape};

/// The key that cAdvisor's driver writes to unless it is told another.
const CADVISOR_KEY: &str = "cadvisor";
/// The key of the other shapes.
const KEY: &str = "saker";
/// The longest record, in bytes: far more than cAdvisor's have. Its consumers read records whole.
const RECORD_MAX: usize = 1 << 20;

/// The commands of all series that are known.
pub(crate) struct Commands {
    key: Template,
    writer: CommandWriter,
    max_length: u32,
    known: Slots<SeriesState>,
    /// A line, before its length is known.
    line: Vec<u8>,
}

enum CommandWriter {
    /// `XADD`, each part of the point in a field of its own.
    Stream,
    /// `LPUSH` or `RPUSH` of a line.
    List { end: ListEnd, message: Message },
    /// `LPUSH` of a record.
    Cadvisor(Box<CadvisorRecords>),
}

struct SeriesState {
    key: Box<[u8]>,
    /// The words of the command that are the same for all points of the series.
    command: Box<[u8]>,
    /// The same of the line, if a list gets one.
    line: Option<Parts>,
}

impl Commands {
    pub(crate) fn new(settings: &RedisSettings) -> Result<Self, OpenError> {
        let wrong = |what: &str| Err(OpenError::Settings(what.into()));
        let is_cadvisor = settings.shape == Shape::Cadvisor;
        let usual = if is_cadvisor { CADVISOR_KEY } else { KEY };
        let key = Template::parse("key", settings.key.as_deref().unwrap_or(usual))?;
        if is_cadvisor && !key.is_fixed() {
            return wrong("key: cAdvisor's records are of many series each; write a key that names no part of one");
        }
        if settings.shape != Shape::List && settings.format != Format::Json {
            return wrong("format: is for shape = \"list\"; a stream has fields, and cAdvisor's records are JSON");
        }
        let writer = match settings.shape {
            Shape::Stream => CommandWriter::Stream,
            Shape::List => CommandWriter::List { end: settings.push, message: settings.format.message() },
            Shape::Cadvisor => CommandWriter::Cadvisor(Box::new(CadvisorRecords::new(settings.container_tag.clone()))),
        };
        Ok(Self { key, writer, max_length: settings.max_length, known: Slots::default(), line: Vec::new() })
    }

    pub(crate) fn define(&mut self, id: SeriesId, series: &Series) {
        let key = self.key.expand(series).into_bytes();
        let (command, line) = match &mut self.writer {
            CommandWriter::Stream => (stream_head(&key, self.max_length, series), None),
            CommandWriter::List { end, message } => (list_head(&key, *end), Some(message.parts(series))),
            CommandWriter::Cadvisor(records) => {
                records.define(id, series);
                (list_head(&key, ListEnd::Left), None)
            }
        };
        self.known.insert(id, SeriesState { key: key.into(), command: command.into(), line });
    }

    pub(crate) fn forget(&mut self, id: SeriesId) {
        self.known.remove(id);
        if let CommandWriter::Cadvisor(records) = &mut self.writer {
            records.forget(id);
        }
    }

    /// Checks that every point can be written, before the first of them is.
    pub(crate) fn check(&self, points: &[Point]) -> Result<(), WriteError> {
        let fits = |point: &Point| match &self.writer {
            CommandWriter::Stream => point.value.is_finite(),
            CommandWriter::List { message, .. } => message.fits(point),
            CommandWriter::Cadvisor(_) => cadvisor::fits(point),
        };
        check(points, |id| self.known.get(id).is_some(), fits)
    }

    /// Puts the places of points in the order in which they are to be sent.
    pub(crate) fn arrange(&mut self, points: &[Point], places: &mut Vec<u32>) {
        if let CommandWriter::Cadvisor(records) = &mut self.writer {
            records.arrange(points, places);
        }
    }

    /// Appends the command for the first of the places, whose points were checked and arranged; answers how many of
    /// them it writes.
    pub(crate) fn push(&mut self, points: &[Point], places: &[u32], out: &mut Vec<u8>) -> usize {
        let point = &points[places[0] as usize];
        let known = self.known.get(point.series).expect("the whole call was checked for unknown series");
        out.extend_from_slice(&known.command);
        self.line.clear();
        let mut count = 1;
        match &self.writer {
            CommandWriter::Stream => {
                push_i64(&mut self.line, point.timestamp_ms);
                push_bulk(out, &self.line);
                out.extend_from_slice(b"$5\r\nvalue\r\n");
                self.line.clear();
                push_f64(&mut self.line, point.value);
            }
            CommandWriter::List { message, .. } => {
                if let Some(line) = &known.line {
                    message.push(line, point, &mut self.line);
                }
            }
            CommandWriter::Cadvisor(records) => count = records.push_record(points, places, RECORD_MAX, &mut self.line),
        }
        push_bulk(out, &self.line);
        count
    }

    /// The key that a series is written to.
    pub(crate) fn key(&self, id: SeriesId) -> &[u8] {
        self.known.get(id).map_or(b"", |known| &known.key)
    }

    /// Whether all series have the same key.
    pub(crate) fn has_one_key(&self) -> bool {
        self.key.is_fixed()
    }

    /// The commands that cut lists back to their greatest length, and how many: a stream is cut with every entry.
    pub(crate) fn trims(&self, points: &[Point]) -> (Vec<u8>, usize) {
        let end = match &self.writer {
            CommandWriter::Stream => return (Vec::new(), 0),
            CommandWriter::List { end, .. } => *end,
            CommandWriter::Cadvisor(_) => ListEnd::Left,
        };
        if self.max_length == 0 {
            return (Vec::new(), 0);
        }
        let of = if self.has_one_key() { &points[..points.len().min(1)] } else { points };
        let mut keys: Vec<&[u8]> = of.iter().map(|point| self.key(point.series)).collect();
        keys.sort_unstable();
        keys.dedup();
        let (first, last) = match end {
            ListEnd::Left => ("0".to_owned(), (self.max_length - 1).to_string()),
            ListEnd::Right => (format!("-{}", self.max_length), "-1".to_owned()),
        };
        let mut out = Vec::new();
        for key in &keys {
            push_command(&mut out, &[b"LTRIM", key, first.as_bytes(), last.as_bytes()]);
        }
        (out, keys.len())
    }
}

/// `XADD key [MAXLEN ~ n] * endpoint … timestamp_ms`: the time, the word `value` and the value follow.
fn stream_head(key: &[u8], max_length: u32, series: &Series) -> Vec<u8> {
    let (step, tags, length) = (series.step_s.to_string(), tags(series), max_length.to_string());
    let mut words: Vec<&[u8]> = vec![b"XADD", key];
    if max_length > 0 {
        // About so many: cutting only whole nodes of its tree costs the server almost nothing.
        words.extend([&b"MAXLEN"[..], b"~", length.as_bytes()]);
    }
    words.push(b"*");
    for (name, value) in [
        ("endpoint", series.endpoint.as_str()),
        ("metric", &series.metric),
        ("tags", &tags),
        ("type", type_name(series.metric_type)),
        ("step", &step),
    ] {
        words.extend([name.as_bytes(), value.as_bytes()]);
    }
    words.push(b"timestamp_ms");
    let mut head = Vec::new();
    push_count(&mut head, words.len() + 3);
    words.iter().for_each(|word| push_bulk(&mut head, word));
    head
}

/// `LPUSH key` or `RPUSH key`: the line follows.
fn list_head(key: &[u8], end: ListEnd) -> Vec<u8> {
    let name = match end {
        ListEnd::Left => "LPUSH",
        ListEnd::Right => "RPUSH",
    };
    let mut head = Vec::new();
    push_count(&mut head, 3);
    push_bulk(&mut head, name.as_bytes());
    push_bulk(&mut head, key);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(settings: &str) -> Commands {
        let settings = settings.replacen('{', r#"{"address": "h:1","#, 1).replace(",}", "}");
        let mut commands = Commands::new(&saker_sdk::settings::parse(&settings).unwrap()).unwrap();
        for (id, metric) in [(1, "cpu.idle"), (2, "a b\"\r\n💡")] {
            let tags = vec![("core".into(), "0".into()), ("k".into(), "\"x\\".into())];
            let series = Series {
                endpoint: "web-1".into(),
                metric: metric.into(),
                tags,
                metric_type: MetricType::Counter,
                step_s: 10,
            };
            commands.define(id, &series);
        }
        commands
    }

    fn written(settings: &str, series: SeriesId, timestamp_ms: i64, value: f64) -> Vec<String> {
        let mut out = Vec::new();
        commands(settings).push(&[Point { series, timestamp_ms, value }], &[0], &mut out);
        words(&out)
    }

    /// Takes a command apart as a server does.
    fn words(bytes: &[u8]) -> Vec<String> {
        let number = |rest: &mut &[u8], kind: u8| {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            assert_eq!(rest[0], kind);
            let number: usize = std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
            *rest = &rest[end + 2..];
            number
        };
        let mut rest = bytes;
        let count = number(&mut rest, b'*');
        let words = (0..count)
            .map(|_| {
                let length = number(&mut rest, b'$');
                let word = String::from_utf8(rest[..length].to_vec()).unwrap();
                assert_eq!(&rest[length..length + 2], b"\r\n");
                rest = &rest[length + 2..];
                word
            })
            .collect();
        assert_eq!(rest, b"");
        words
    }

    #[test]
    fn a_stream_gets_each_part_of_a_point_as_a_field() {
        let fields =
            ["endpoint", "web-1", "metric", "cpu.idle", "tags", "core=0,k=\"x\\\\", "type", "counter", "step", "10"];
        let mut expected = vec!["XADD", "saker", "MAXLEN", "~", "1000000", "*"];
        expected.extend(fields);
        expected.extend(["timestamp_ms", "1700000000123", "value", "99.5"]);
        assert_eq!(written("{}", 1, 1_700_000_000_123, 99.5), expected);
        let unbounded = written(r#"{"max_length": 0, "key": "${metric}"}"#, 2, -5, -1e-300);
        assert_eq!(unbounded[..3], ["XADD", "a b\"\r\n💡", "*"]);
        assert_eq!(unbounded[13..], ["timestamp_ms", "-5", "value", "-1e-300"]);
    }

    #[test]
    fn a_list_gets_a_line_without_its_end() {
        let pushed = written(r#"{"shape": "list", "key": "m:${endpoint}"}"#, 1, 0, 1e20);
        assert_eq!(pushed[..2], ["RPUSH", "m:web-1"]);
        assert!(
            pushed[2].starts_with("{\"endpoint\":\"web-1\"") && pushed[2].ends_with(",\"value\":1e+20}"),
            "{pushed:?}"
        );
        let pushed = written(r#"{"shape": "list", "format": "falcon", "push": "left"}"#, 2, 4_102_444_800_000, 3.0);
        assert_eq!(pushed[..2], ["LPUSH", "saker"]);
        assert!(pushed[2].ends_with(",\"timestamp\":4102444800}"), "{pushed:?}");
    }

    #[test]
    fn cadvisors_list_gets_a_record_of_the_points_that_belong_together() {
        let mut commands = commands(r#"{"shape": "cadvisor", "container_tag": "core"}"#);
        let point = |series, timestamp_ms| Point { series, timestamp_ms, value: 0.5 };
        let points = [point(1, 1_700_000_000_123), point(1, 0), point(2, 1_700_000_000_123)];
        let mut places = vec![0, 1, 2];
        commands.arrange(&points, &mut places);
        assert_eq!(places, [1, 0, 2]);
        let mut out = Vec::new();
        assert_eq!(commands.push(&points, &places[1..], &mut out), 2);
        let metric = |name: &str| {
            let entry = r#"{"labels":{"k":"\"x\\"},"timestamp":"2023-11-14T22:13:20.123Z","float_value":0.5}"#;
            format!(r#""{name}":[{entry}]"#)
        };
        let record = [
            r#"{"timestamp":1700000000123000,"machine_name":"web-1","container_Name":"0","container_stats":{"#,
            r#""timestamp":"2023-11-14T22:13:20.123Z","custom_metrics":{"#,
            &[metric("cpu.idle"), metric(r#"a b\"\r\n💡"#)].join(","),
            "}}}",
        ]
        .concat();
        assert_eq!(words(&out), ["LPUSH", "cadvisor", &record]);
        commands.forget(1);
        assert!(matches!(&commands.writer, CommandWriter::Cadvisor(records) if !records.knows(1) && records.knows(2)));
    }

    #[test]
    fn lists_are_cut_at_the_end_that_is_the_oldest() {
        let point = |series| Point { series, timestamp_ms: 0, value: 0.0 };
        let points = [point(1), point(2), point(1)];
        let trims = |settings: &str| {
            let (out, count) = commands(settings).trims(&points);
            (if out.is_empty() { Vec::new() } else { words(&out[..out.len() / count]) }, count)
        };
        let expected = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(trims(r#"{"shape": "list", "max_length": 5}"#), (expected(&["LTRIM", "saker", "-5", "-1"]), 1));
        assert_eq!(
            trims(r#"{"shape": "list", "max_length": 5, "push": "left"}"#),
            (expected(&["LTRIM", "saker", "0", "4"]), 1)
        );
        let cadvisors = trims(r#"{"shape": "cadvisor", "max_length": 5}"#);
        assert_eq!(cadvisors, (expected(&["LTRIM", "cadvisor", "0", "4"]), 1));
        assert_eq!(commands(r#"{"shape": "list", "key": "${metric}"}"#).trims(&points).1, 2);
        assert_eq!(trims(r#"{"shape": "list", "max_length": 0}"#), (vec![], 0));
        assert_eq!(trims("{}"), (vec![], 0));
    }

    #[test]
    fn points_of_no_series_are_found_before_anything_is_sent() {
        let commands = commands("{}");
        let point = |series, value| Point { series, timestamp_ms: i64::MIN, value };
        assert!(commands.check(&[point(1, f64::MIN), point(2, f64::MAX)]).is_ok());
        assert!(matches!(commands.check(&[point(3, 1.0)]), Err(WriteError::Broken(_))));
        let rejected = commands.check(&[point(1, 1.0), point(2, f64::INFINITY)]);
        assert!(matches!(rejected, Err(WriteError::Reject(Reject { points, .. })) if points == [1]));
        let rejected = self::commands(r#"{"shape": "cadvisor"}"#).check(&[point(1, 1.0)]);
        assert!(matches!(rejected, Err(WriteError::Reject(_))), "its time is before the year 0");
    }
}
