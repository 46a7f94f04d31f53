//! A point as a line of the InfluxDB line protocol: `measurement,tag=…,tag=… value=1.5 1700000000123`.
//!
//! The measurement is the metric, the only field is `value`, always a float. Escaping follows
//! <https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/#special-characters>, and stays within
//! what InfluxDB and VictoriaMetrics read alike: one line that a server cannot read costs the whole batch.

use super::{Form, Labels, push_f64, push_i64};
use crate::bindings::types::Series;
use crate::point::Point;

crate::settings! {
    /// The unit of timestamps.
    pub enum Precision {
        /// Seconds, rounded down.
        Seconds = "s",
        /// Milliseconds, which is what the agent measures in.
        Milliseconds = "ms",
        /// Microseconds.
        Microseconds = "us",
        /// Nanoseconds: what a server assumes if it is not told.
        Nanoseconds = "ns",
    }
}

/// The farthest time from 1970 that InfluxDB can keep, in milliseconds: its times are nanoseconds in 64 bits.
const FARTHEST_MS: i64 = i64::MAX / 1_000_000;

/// Tag keys that InfluxDB has taken for itself.
const RESERVED: [&str; 3] = ["time", "_field", "_measurement"];

/// The line protocol.
#[derive(Clone, Debug)]
pub struct InfluxForm {
    /// The tag that names the endpoint; empty leaves it out.
    pub endpoint_tag: String,
    /// The unit of timestamps.
    pub precision: Precision,
}

impl Form for InfluxForm {
    fn head(&self, series: &Series) -> Vec<u8> {
        let mut tags = Labels::default();
        if !self.endpoint_tag.is_empty() {
            tags.add(&self.endpoint_tag, &series.endpoint);
        }
        for (key, value) in &series.tags {
            if RESERVED.contains(&key.as_str()) {
                tags.add(&format!("exported_{key}"), value);
            } else {
                tags.add(key, value);
            }
        }
        let mut head = String::with_capacity(96);
        push_measurement(&mut head, &series.metric);
        for (key, value) in tags.iter() {
            head.push(',');
            push_escaped(&mut head, key, &[' ', ',', '=']);
            head.push('=');
            push_escaped(&mut head, value, &[' ', ',', '=']);
        }
        head.push_str(" value=");
        head.into()
    }

    fn push_tail(&self, point: &Point, _: &[u8], line: &mut Vec<u8>) {
        push_f64(line, point.value);
        line.push(b' ');
        let time = point.timestamp_ms;
        let time = match self.precision {
            Precision::Seconds => time.div_euclid(1000),
            Precision::Milliseconds => time,
            Precision::Microseconds => time * 1000,
            Precision::Nanoseconds => time * 1_000_000,
        };
        push_i64(line, time);
        line.push(b'\n');
    }

    fn fits(&self, point: &Point) -> bool {
        point.value.is_finite() && (-FARTHEST_MS..=FARTHEST_MS).contains(&point.timestamp_ms)
    }
}

fn push_measurement(out: &mut String, metric: &str) {
    // A line that begins with `#` is a comment; one that begins with its tags is an error.
    let rest = metric.strip_prefix('#').unwrap_or(metric);
    if metric.is_empty() || rest.len() < metric.len() {
        out.push('_');
    }
    push_escaped(out, rest, &[' ', ',']);
}

/// Appends `text` with a backslash before each of `special`, and `_` for what no backslash helps.
///
/// That is control characters, and a backslash that stands before something special, before another one or at the end:
/// there is no way to write it that every server reads as the same text.
fn push_escaped(out: &mut String, text: &str, special: &[char]) {
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        let follower = rest.clone().next();
        match next {
            '\\' if matches!(follower, None | Some('\\' | ' ' | ',' | '=')) => out.push('_'),
            next if next.is_control() => out.push('_'),
            next => {
                if special.contains(&next) {
                    out.push('\\');
                }
                out.push(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Definition;
    use crate::encode::testing::{line, series};
    use crate::encode::{Lines, WriteError};

    fn influx(precision: Precision) -> InfluxForm {
        InfluxForm { endpoint_tag: "endpoint".into(), precision }
    }

    fn head(metric: &str, tags: &[(&str, &str)]) -> String {
        String::from_utf8(influx(Precision::Milliseconds).head(&series(metric, tags))).unwrap()
    }

    #[test]
    fn a_point_is_measurement_sorted_tags_one_field_and_a_time() {
        let series = series("cpu.idle", &[("core", "1"), ("zone", "a")]);
        let text = line(influx(Precision::Milliseconds), series, 1_700_000_000_123, 99.5);
        assert_eq!(text, "cpu.idle,core=1,endpoint=h,zone=a value=99.5 1700000000123\n");
    }

    #[test]
    fn the_time_is_in_the_unit_that_was_asked_for() {
        for (precision, time) in [
            (Precision::Seconds, "1700000000"),
            (Precision::Milliseconds, "1700000000999"),
            (Precision::Microseconds, "1700000000999000"),
            (Precision::Nanoseconds, "1700000000999000000"),
        ] {
            let text = line(influx(precision), series("m", &[]), 1_700_000_000_999, 1.0);
            assert_eq!(text, format!("m,endpoint=h value=1 {time}\n"));
        }
        let early = line(influx(Precision::Seconds), series("m", &[]), -1, 1.0);
        assert!(early.ends_with(" -1\n"), "rounded down, not towards zero: {early}");
    }

    #[test]
    fn special_characters_are_escaped_where_they_are_special() {
        assert_eq!(head("a b,c=d\"e", &[]), r#"a\ b\,c=d"e,endpoint=h value="#);
        assert_eq!(head("m", &[("a b,c=d", r#"e f,g=h"i"#)]), r#"m,a\ b\,c\=d=e\ f\,g\=h"i,endpoint=h value="#);
        assert_eq!(head("größe", &[("ключ", "値💡")]), "größe,endpoint=h,ключ=値💡 value=");
    }

    #[test]
    fn what_cannot_be_escaped_is_replaced() {
        assert_eq!(head("a\nb\r\t\0c\u{7f}", &[("k\n", "v\n")]), "a_b___c_,endpoint=h,k_=v_ value=");
        for (text, written) in [
            (r"C:\temp\x", r"C:\temp\x"),
            (r"C:\", r"C:_"),
            (r"\\server\share", r"_\server\share"),
            (r"a\ b", r"a_\ b"),
            (r"a\,b\=c", r"a_\,b_\=c"),
            (r"\", r"_"),
        ] {
            assert_eq!(head("m", &[("k", text)]), format!("m,endpoint=h,k={written} value="));
        }
    }

    #[test]
    fn a_metric_never_makes_a_comment_or_an_empty_measurement() {
        assert_eq!(head("#a#b", &[]), "_a#b,endpoint=h value=");
        assert_eq!(head("", &[]), "_,endpoint=h value=");
        assert_eq!(head(" a", &[]), "\\ a,endpoint=h value=");
    }

    #[test]
    fn tags_keep_clear_of_the_endpoint_and_of_reserved_keys_and_have_a_value() {
        let tags = [("empty", ""), ("endpoint", "other"), ("time", "noon")];
        assert_eq!(head("m", &tags), "m,endpoint=h,exported_endpoint=other,exported_time=noon value=");
        let bare = InfluxForm { endpoint_tag: String::new(), precision: Precision::Milliseconds };
        assert_eq!(bare.head(&series("m", &[("endpoint", "x")])), b"m,endpoint=x value=");
        assert_eq!(bare.head(&series("m", &[])), b"m value=");
    }

    #[test]
    fn a_time_that_nanoseconds_cannot_hold_is_rejected() {
        let mut lines = Lines::new(influx(Precision::Nanoseconds));
        lines.define(&[Definition { id: 0, series: series("m", &[]) }]);
        let point = |timestamp_ms| Point { series: 0, timestamp_ms, value: 1.0 };
        assert!(lines.encode(&[point(FARTHEST_MS), point(-FARTHEST_MS)]).is_ok());
        let Err(WriteError::Reject(reject)) = lines.encode(&[point(0), point(i64::MAX), point(i64::MIN)]) else {
            panic!("not rejected")
        };
        assert_eq!(reject.points, [1, 2]);
    }
}
