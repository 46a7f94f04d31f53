//! A point for OpenTSDB: as an object of `/api/put`'s JSON, or as a line of the telnet protocol.
//!
//! What a name may hold is in <http://opentsdb.net/docs/build/html/user_guide/writing/index.html>: letters, digits and
//! `-_./`. A letter is one of Unicode's first 65,536 characters: OpenTSDB looks at no others.

use super::json::quote;
use super::{Form, Labels, push_f64, push_i64};
use crate::bindings::types::Series;
use crate::point::Point;

crate::settings! {
    /// The unit of timestamps.
    pub enum Unit {
        /// Seconds, rounded down.
        Seconds = "s",
        /// Milliseconds, which OpenTSDB keeps in more space.
        Milliseconds = "ms",
    }
}

/// The largest number that OpenTSDB takes for seconds; a larger one is milliseconds.
const SECONDS_MAX: i64 = u32::MAX as i64;
/// The largest number of milliseconds that OpenTSDB takes.
const MILLISECONDS_MAX: i64 = 9_999_999_999_999;

/// The longest metric with its tags in a telnet line, in bytes: OpenTSDB drops a line that is longer than 1024, and a time
/// and a value take up to 40.
const TELNET_NAME_MAX: usize = 980;

/// How a series is called.
#[derive(Clone, Debug)]
pub struct OpentsdbNames {
    /// The tag that names the endpoint; empty leaves it out.
    pub endpoint_tag: String,
    /// The unit of timestamps.
    pub unit: Unit,
}

/// `{"metric":…,"tags":{…},"timestamp":…,"value":…}`, and a comma in place of an end of line: elements of a list.
#[derive(Clone, Debug)]
pub struct PutForm(pub OpentsdbNames);

/// `put METRIC TIME VALUE KEY=VALUE…`, one line each.
#[derive(Clone, Debug)]
pub struct TelnetForm(pub OpentsdbNames);

impl PutForm {
    /// What stands before the time, for names that OpenTSDB has sent back.
    pub fn start<'a>(metric: &str, tags: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let tags: Vec<_> = tags.map(|(key, value)| format!("{}:{}", quote(key), quote(value))).collect();
        format!(r#"{{"metric":{},"tags":{{{}}},"timestamp":"#, quote(metric), tags.join(","))
    }
}

impl Form for PutForm {
    fn head(&self, series: &Series) -> Vec<u8> {
        let tags = self.0.tags(series);
        Self::start(&clean(&series.metric), tags.iter()).into()
    }

    fn push_tail(&self, point: &Point, _: &[u8], line: &mut Vec<u8>) {
        push_i64(line, self.0.time(point));
        line.extend_from_slice(br#","value":"#);
        push_f64(line, point.value);
        line.extend_from_slice(b"},");
    }

    fn fits(&self, point: &Point) -> bool {
        self.0.fit(point)
    }
}

impl Form for TelnetForm {
    fn head(&self, series: &Series) -> Vec<u8> {
        let head = format!("put {} ", clean(&series.metric));
        if head.len() + self.rest(series).len() > TELNET_NAME_MAX { Vec::new() } else { head.into() }
    }

    fn rest(&self, series: &Series) -> Vec<u8> {
        self.0.tags(series).iter().map(|(key, value)| format!(" {key}={value}")).collect::<String>().into()
    }

    fn push_tail(&self, point: &Point, rest: &[u8], line: &mut Vec<u8>) {
        push_i64(line, self.0.time(point));
        line.push(b' ');
        push_f64(line, point.value);
        line.extend_from_slice(rest);
        line.push(b'\n');
    }

    fn fits(&self, point: &Point) -> bool {
        self.0.fit(point)
    }
}

impl OpentsdbNames {
    fn tags(&self, series: &Series) -> Labels {
        let mut tags = Labels::default();
        if !self.endpoint_tag.is_empty() {
            tags.add(&clean(&self.endpoint_tag), &clean(&series.endpoint));
        }
        for (key, value) in &series.tags {
            if !value.is_empty() {
                tags.add(&clean(key), &clean(value));
            }
        }
        tags
    }

    /// A point's time in the unit.
    #[must_use]
    pub fn time(&self, point: &Point) -> i64 {
        match self.unit {
            Unit::Seconds => point.timestamp_ms.div_euclid(1000),
            Unit::Milliseconds => point.timestamp_ms,
        }
    }

    fn fit(&self, point: &Point) -> bool {
        let times = match self.unit {
            Unit::Seconds => 1..=SECONDS_MAX,
            // Smaller ones would be taken for seconds.
            Unit::Milliseconds => SECONDS_MAX + 1..=MILLISECONDS_MAX,
        };
        point.value.is_finite() && times.contains(&self.time(point))
    }
}

fn clean(text: &str) -> String {
    if text.is_empty() {
        return "_".into();
    }
    let is_allowed = |next: char| {
        next.is_ascii_alphanumeric()
            || matches!(next, '-' | '_' | '.' | '/')
            || (next.is_alphabetic() && next <= '\u{ffff}')
    };
    text.chars().map(|next| if is_allowed(next) { next } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Definition;
    use crate::encode::testing::{line, series};
    use crate::encode::{Lines, WriteError};

    fn names(unit: Unit) -> OpentsdbNames {
        OpentsdbNames { endpoint_tag: "host".into(), unit }
    }

    #[test]
    fn a_point_is_an_object_or_a_line() {
        let series = || series("cpu.idle", &[("core", "1"), ("zone", "a")]);
        assert_eq!(
            line(PutForm(names(Unit::Seconds)), series(), 1_700_000_000_999, 99.5),
            r#"{"metric":"cpu.idle","tags":{"core":"1","host":"h","zone":"a"},"timestamp":1700000000,"value":99.5},"#
        );
        assert_eq!(
            line(TelnetForm(names(Unit::Milliseconds)), series(), 1_700_000_000_999, -1e300),
            "put cpu.idle 1700000000999 -1e+300 core=1 host=h zone=a\n"
        );
    }

    #[test]
    fn a_name_has_only_what_opentsdb_lets_through() {
        let series = series("a b\n%é磁💡/_-.", &[("host", "x"), ("k:1", "v,=\"2"), ("none", "")]);
        assert_eq!(
            line(TelnetForm(names(Unit::Seconds)), series.clone(), 1000, 1.0),
            "put a_b__é磁_/_-. 1 1 exported_host=x host=h k_1=v___2\n"
        );
        assert!(line(PutForm(names(Unit::Seconds)), series, 1000, 1.0).contains(r#""k_1":"v___2""#));
        let nameless = super::super::testing::series("", &[]);
        let bare = OpentsdbNames { endpoint_tag: String::new(), unit: Unit::Seconds };
        assert_eq!(line(TelnetForm(bare), nameless, 1000, 1.0), "put _ 1 1\n");
    }

    #[test]
    fn a_name_that_is_too_long_for_a_telnet_line_is_not_said() {
        let head = |length: usize| {
            let value = "v".repeat(length);
            TelnetForm(names(Unit::Seconds)).head(&series("m", &[("k", &value)]))
        };
        assert!(!head(900).is_empty() && head(1000).is_empty());
    }

    #[test]
    fn times_that_would_be_taken_for_others_are_rejected() {
        for (unit, good, bad) in [
            (Unit::Seconds, [1000, 4_102_444_800_000, 4_294_967_295_999], [0, -1, 999, 4_294_967_296_000, i64::MAX]),
            (
                Unit::Milliseconds,
                [4_294_967_296, 4_102_444_800_000, 9_999_999_999_999],
                [0, -1, 4_294_967_295, 10_000_000_000_000, i64::MIN],
            ),
        ] {
            let mut lines = Lines::new(PutForm(names(unit)));
            lines.define(&[Definition { id: 0, series: series("m", &[]) }]);
            let points = |times: &[i64]| -> Vec<_> {
                times.iter().map(|&timestamp_ms| Point { series: 0, timestamp_ms, value: 1.0 }).collect()
            };
            assert!(lines.encode(&points(&good)).is_ok());
            let Err(WriteError::Reject(reject)) = lines.encode(&points(&bad)) else { panic!("not rejected") };
            assert_eq!(reject.points.len(), bad.len());
        }
    }
}
