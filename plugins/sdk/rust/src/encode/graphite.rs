//! A point as a line of Graphite's plaintext protocol: `cpu.idle;core=0;endpoint=web1 99.5 1700000000`.
//!
//! What a name may hold is what Carbon lets through (`carbon/protocols.py`: a line is split at white space, Unicode's
//! included; `carbon/util.py`, `TaggedSeries`: the rules of tags), so that no line is one that Carbon throws away.

use super::{Form, Labels, Path, push_f64, push_i64};
use crate::bindings::types::{OpenError, Series};
use crate::point::Point;

/// The longest name, in bytes: Carbon drops a connection whose line has more than 16,384.
const NAME_MAX: usize = 16_000;

/// The times that can be kept, in seconds: Whisper has 32 bits for them, and −1 and 0 mean "now" to Carbon and to
/// VictoriaMetrics.
const TIMES: std::ops::RangeInclusive<i64> = 1..=u32::MAX as i64;

/// Tag keys that servers have taken for the metric's name.
const RESERVED: [&str; 2] = ["name", "__name__"];

/// The plaintext protocol.
#[derive(Clone, Debug)]
pub enum GraphiteForm {
    /// `metric;key=value;key=value`, sorted by key: Graphite 1.1 and later, and VictoriaMetrics.
    Tagged {
        /// The tag that names the endpoint; empty leaves it out.
        endpoint_tag: String,
    },
    /// A path of elements.
    Path(Path),
}

impl GraphiteForm {
    /// Names by the template in the setting `name`.
    ///
    /// # Errors
    /// As [`Path::parse`].
    pub fn by_path(name: &str, text: &str) -> Result<Self, OpenError> {
        Ok(Self::Path(Path::parse(name, text, is_element)?))
    }
}

impl Form for GraphiteForm {
    fn head(&self, series: &Series) -> Vec<u8> {
        let mut name = match self {
            Self::Tagged { endpoint_tag } => tagged(series, endpoint_tag),
            Self::Path(path) => path.of(series),
        };
        if name.len() > NAME_MAX {
            return Vec::new();
        }
        name.push(' ');
        name.into()
    }

    fn push_tail(&self, point: &Point, _: &[u8], line: &mut Vec<u8>) {
        push_f64(line, point.value);
        line.push(b' ');
        push_i64(line, point.timestamp_ms.div_euclid(1000));
        line.push(b'\n');
    }

    fn fits(&self, point: &Point) -> bool {
        point.value.is_finite() && TIMES.contains(&point.timestamp_ms.div_euclid(1000))
    }
}

fn tagged(series: &Series, endpoint_tag: &str) -> String {
    let mut tags = Labels::default();
    if !endpoint_tag.is_empty() {
        tags.add(&key(endpoint_tag), &value(&series.endpoint));
    }
    for (name, text) in &series.tags {
        let name = key(name);
        if RESERVED.contains(&name.as_str()) {
            tags.add(&format!("exported_{name}"), &value(text));
        } else {
            tags.add(&name, &value(text));
        }
    }
    let mut text = if series.metric.is_empty() { "_".into() } else { value(&series.metric) };
    for (key, value) in tags.iter() {
        text.extend([";", key, "=", value]);
    }
    text
}

/// A tag's key: at least one character, none of `;!^=`.
fn key(text: &str) -> String {
    if text.is_empty() { "_".into() } else { clean(text, |next| matches!(next, ';' | '!' | '^' | '=' | '"')) }
}

/// A tag's value, or a metric, which becomes one: no `;`, and no `~` at its beginning.
fn value(text: &str) -> String {
    // A name that ends with `"}` is read as one in Prometheus' form.
    let cleaned = clean(text, |next| matches!(next, ';' | '"'));
    match cleaned.strip_prefix('~') {
        Some(rest) => format!("_{rest}"),
        None => cleaned,
    }
}

fn clean(text: &str, is_special: fn(char) -> bool) -> String {
    text.chars().map(|next| if is_nothing(next) || is_special(next) { '_' } else { next }).collect()
}

/// What ends a word or a line, or cannot be seen.
fn is_nothing(next: char) -> bool {
    next.is_whitespace() || next.is_control()
}

/// What an element of a path may have: no dot or slash, which begin the next one, no `;`, which begins tags, and nothing
/// that means something else in a query.
fn is_element(next: char) -> bool {
    !is_nothing(next)
        && !matches!(
            next,
            '.' | '/' | '\\' | ';' | '(' | ')' | '{' | '}' | '[' | ']' | '*' | '?' | ',' | '\'' | '"' | '|' | '=' | '~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Definition;
    use crate::encode::testing::{line, series};
    use crate::encode::{Lines, WriteError};

    fn form() -> GraphiteForm {
        GraphiteForm::Tagged { endpoint_tag: "endpoint".into() }
    }

    fn name(metric: &str, tags: &[(&str, &str)]) -> String {
        String::from_utf8(form().head(&series(metric, tags))).unwrap()
    }

    #[test]
    fn a_point_is_name_and_tags_value_and_seconds() {
        let series = series("cpu.idle", &[("core", "1"), ("zone", "a")]);
        assert_eq!(
            line(form(), series, 1_700_000_000_999, 99.5),
            "cpu.idle;core=1;endpoint=h;zone=a 99.5 1700000000\n"
        );
    }

    #[test]
    fn a_point_may_be_named_by_a_path() {
        let form = GraphiteForm::by_path("path", "servers.${endpoint}.${metric}.${tags}").unwrap();
        let mut series = series("df.bytes", &[("mount", "/var/lib"), ("odd", "a b*{c}[d],(e);f=g")]);
        series.endpoint = "web1.eu".into();
        let expected = "servers.web1_eu.df.bytes.mount._var_lib.odd.a_b__c__d___e__f_g -1.5 1700000000\n";
        assert_eq!(line(form, series, 1_700_000_000_000, -1.5), expected);
    }

    #[test]
    fn nothing_in_a_name_ends_it() {
        assert_eq!(name("a b\tc\nd\0e;f", &[]), "a_b_c_d_e_f;endpoint=h ");
        assert_eq!(name("m", &[("k;=!^ ", "v;=!^ w")]), "m;endpoint=h;k_____=v_=!^_w ");
        assert_eq!(name("a\u{a0}b\u{2028}c\u{1c}d\u{85}e", &[]), "a_b_c_d_e;endpoint=h ", "white space to Python");
        assert_eq!(name("größe", &[("ключ", "値💡")]), "größe;endpoint=h;ключ=値💡 ");
        assert_eq!(name("~a", &[("k", "~~b")]), "_a;endpoint=h;k=_~b ");
        assert_eq!(name("{a", &[("z", "\"}")]), "{a;endpoint=h;z=_} ", "not read in Prometheus' form");
        assert_eq!(name("", &[("k", "")]), "_;endpoint=h ");
    }

    #[test]
    fn a_tag_keeps_clear_of_the_name_and_of_the_endpoint() {
        let tags = [("__name__", "b"), ("endpoint", "c"), ("name", "a")];
        assert_eq!(name("m", &tags), "m;endpoint=h;exported___name__=b;exported_endpoint=c;exported_name=a ");
        let bare = GraphiteForm::Tagged { endpoint_tag: String::new() };
        assert_eq!(bare.head(&series("m", &[])), b"m ");
    }

    #[test]
    fn times_that_mean_now_or_fit_into_no_file_are_rejected() {
        let mut lines = Lines::new(form());
        let long = "x".repeat(NAME_MAX);
        lines.define(&[
            Definition { id: 0, series: series("m", &[]) },
            Definition { id: 1, series: series(&long, &[]) },
        ]);
        let point = |series, timestamp_ms| Point { series, timestamp_ms, value: 1.0 };
        let last = i64::from(u32::MAX) * 1000 + 999;
        assert!(lines.encode(&[point(0, 1000), point(0, 4_102_444_800_000), point(0, last)]).is_ok());
        let points =
            [point(0, 999), point(0, 1000), point(0, -1), point(0, last + 1), point(0, i64::MIN), point(1, 1000)];
        let Err(WriteError::Reject(reject)) = lines.encode(&points) else { panic!("not rejected") };
        assert_eq!(reject.points, [0, 2, 3, 4, 5]);
    }
}
