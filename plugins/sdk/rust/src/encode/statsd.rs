//! What a series is called in StatsD's datagrams, where there is no time and no single way to write tags.
//!
//! The dialects are those of Etsy's statsd (no tags, `[A-Za-z0-9_.-]`, anything else is dropped there), of Datadog's
//! agent (`name:1|g|#key:value`) and of Telegraf (`name,key=value:1|g`).

use super::{Labels, Path, push_f64};
use crate::bindings::types::{OpenError, Series};

/// The longest name with its tags, in bytes: the two lines of a negative gauge have to fit into one datagram.
const NAME_MAX: usize = 32_000;

/// How names and tags are written.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// No tags: a path has everything.
    Path(Path),
    /// Tags behind the type, as Datadog's agent reads them.
    Datadog {
        /// The tag that names the endpoint; empty leaves it out.
        endpoint_tag: String,
    },
    /// Tags behind the name, as Telegraf reads them.
    Influx {
        /// The tag that names the endpoint; empty leaves it out.
        endpoint_tag: String,
    },
}

/// What stands before and behind a value: `name:` and `value|g` and the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The name with its colon.
    before: Box<[u8]>,
    /// What follows the type.
    behind: Box<[u8]>,
}

impl Frame {
    /// Whether lines with it fit into a datagram.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.before.len() + self.behind.len() <= NAME_MAX
    }

    /// Appends `name:value|kind` and the tags, without an end of line. The value is finite.
    pub fn push_line(&self, value: f64, kind: &str, line: &mut Vec<u8>) {
        line.extend_from_slice(&self.before);
        push_f64(line, value);
        line.push(b'|');
        line.extend_from_slice(kind.as_bytes());
        line.extend_from_slice(&self.behind);
    }
}

impl Dialect {
    /// Names by the template in the setting `name`.
    ///
    /// # Errors
    /// As [`Path::parse`].
    pub fn by_path(name: &str, text: &str) -> Result<Self, OpenError> {
        Ok(Self::Path(Path::parse(name, text, is_plain)?))
    }

    /// What stands around the values of a series.
    #[must_use]
    pub fn frame(&self, series: &Series) -> Frame {
        let (mut before, mut behind) = (String::new(), String::new());
        match self {
            Self::Path(path) => before.push_str(&path.of(series)),
            Self::Datadog { endpoint_tag } => {
                before.push_str(&metric(series, |next| next == '.' || is_plain(next)));
                for (place, (key, value)) in tags(series, endpoint_tag, is_datadog).iter().enumerate() {
                    behind.push_str(if place == 0 { "|#" } else { "," });
                    behind.extend([key, ":"]);
                    // Only the first colon ends a key.
                    behind.push_str(&clean(value, |next| next == ':' || is_datadog(next)));
                }
            }
            Self::Influx { endpoint_tag } => {
                before.push_str(&metric(series, is_telegraf));
                for (key, value) in tags(series, endpoint_tag, is_telegraf).iter() {
                    before.extend([",", key, "=", &clean(value, is_telegraf)]);
                }
            }
        }
        before.push(':');
        Frame { before: before.into_bytes().into(), behind: behind.into_bytes().into() }
    }
}

fn tags(series: &Series, endpoint_tag: &str, is_allowed: fn(char) -> bool) -> Labels {
    let mut tags = Labels::default();
    if !endpoint_tag.is_empty() {
        tags.add(&clean(endpoint_tag, is_allowed), &series.endpoint);
    }
    for (key, value) in &series.tags {
        tags.add(&clean(key, is_allowed), value);
    }
    tags
}

fn metric(series: &Series, is_allowed: fn(char) -> bool) -> String {
    if series.metric.is_empty() { "_".into() } else { clean(&series.metric, is_allowed) }
}

fn clean(text: &str, is_allowed: fn(char) -> bool) -> String {
    text.chars().map(|next| if is_allowed(next) { next } else { '_' }).collect()
}

/// What every server keeps in a name.
fn is_plain(next: char) -> bool {
    next.is_ascii_alphanumeric() || matches!(next, '_' | '-')
}

/// What Datadog keeps in a tag.
fn is_datadog(next: char) -> bool {
    next.is_alphanumeric() || matches!(next, '_' | '-' | '.' | '/')
}

/// What neither ends a part of a line in Telegraf nor the line.
fn is_telegraf(next: char) -> bool {
    !next.is_whitespace() && !next.is_control() && !matches!(next, ':' | '|' | ',' | '=' | '@' | '#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::series;

    fn framed(dialect: &Dialect, metric: &str, tags: &[(&str, &str)]) -> String {
        let mut line = Vec::new();
        dialect.frame(&series(metric, tags)).push_line(1.0, "g", &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn each_dialect_has_its_place_for_tags() {
        let tags = [("core", "1"), ("zone", "a")];
        let path = Dialect::by_path("path", "${endpoint}.${metric}.${tags}").unwrap();
        assert_eq!(framed(&path, "cpu.idle", &tags), "h.cpu.idle.core.1.zone.a:1|g");
        let datadog = Dialect::Datadog { endpoint_tag: "host".into() };
        assert_eq!(framed(&datadog, "cpu.idle", &tags), "cpu.idle:1|g|#core:1,host:h,zone:a");
        let influx = Dialect::Influx { endpoint_tag: "host".into() };
        assert_eq!(framed(&influx, "cpu.idle", &tags), "cpu.idle,core=1,host=h,zone=a:1|g");
    }

    #[test]
    fn a_name_that_fits_into_no_datagram_is_known_for_it() {
        let influx = Dialect::Influx { endpoint_tag: String::new() };
        let fits = |length: usize| influx.frame(&series(&"x".repeat(length), &[])).fits();
        assert!(fits(NAME_MAX - 1) && !fits(NAME_MAX));
    }

    #[test]
    fn no_tags_leave_nothing_behind() {
        let datadog = Dialect::Datadog { endpoint_tag: String::new() };
        assert_eq!(framed(&datadog, "m", &[]), "m:1|g");
        let influx = Dialect::Influx { endpoint_tag: String::new() };
        assert_eq!(framed(&influx, "", &[("k", "")]), "_:1|g");
    }

    #[test]
    fn nothing_in_a_name_ends_it() {
        let awkward = "a:b|c@d#e,f=g h\ni/é💡";
        let path = Dialect::by_path("path", "${metric}.${tags}").unwrap();
        assert_eq!(framed(&path, awkward, &[("k.1", awkward)]), "a_b_c_d_e_f_g_h_i___.k_1.a_b_c_d_e_f_g_h_i___:1|g");
        let datadog = Dialect::Datadog { endpoint_tag: String::new() };
        assert_eq!(
            framed(&datadog, awkward, &[("k:1", awkward)]),
            "a_b_c_d_e_f_g_h_i___:1|g|#k_1:a:b_c_d_e_f_g_h_i/é_"
        );
        let influx = Dialect::Influx { endpoint_tag: String::new() };
        assert_eq!(
            framed(&influx, awkward, &[("k:1", awkward)]),
            "a_b_c_d_e_f_g_h_i/é💡,k_1=a_b_c_d_e_f_g_h_i/é💡:1|g"
        );
    }

    #[test]
    fn a_tag_that_is_called_like_the_endpoints_is_kept() {
        let datadog = Dialect::Datadog { endpoint_tag: "host".into() };
        assert_eq!(framed(&datadog, "m", &[("host", "other")]), "m:1|g|#exported_host:other,host:h");
        assert_eq!(framed(&datadog, "m", &[("a b", "1"), ("a_b", "2")]), "m:1|g|#a_b:1,exported_a_b:2,host:h");
    }
}
