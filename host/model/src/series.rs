//! What identifies a series, and the point that stands for one value of it.

use std::fmt;
use std::sync::Arc;

use saker_names::flat;
use xxhash_rust::xxh3::Xxh3Default;

/// How a value is to be read; Open-Falcon's three types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricType {
    /// A level: stands for itself.
    Gauge,
    /// A total that only grows.
    Counter,
    /// A total that is stored as its rate of change.
    Derive,
}

impl MetricType {
    /// Open-Falcon's name: `GAUGE`, `COUNTER` or `DERIVE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "GAUGE",
            Self::Counter => "COUNTER",
            Self::Derive => "DERIVE",
        }
    }

    /// The type of that name, upper case only, as Open-Falcon has it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "GAUGE" => Some(Self::Gauge),
            "COUNTER" => Some(Self::Counter),
            "DERIVE" => Some(Self::Derive),
            _ => None,
        }
    }
}

/// A handle for a [`Series`]: small, dense, given by the [`SeriesTable`](crate::SeriesTable) and reused after a series
/// is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

impl SeriesId {
    /// The handle as a place in a dense table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Whose value.
    pub series: SeriesId,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// The value: finite, or the [stale marker](crate::STALE_MARKER).
    pub value: f64,
}

/// Key and value pairs, sorted by key, each key once. Series of one table that have the same tags share them.
pub type Tags = Arc<[(Box<str>, Box<str>)]>;

/// A series: what identifies it, endpoint, metric and tags, and what is said of it at this time, its type and step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Whose series, usually a host's name.
    pub endpoint: Arc<str>,
    /// The name.
    pub metric: Box<str>,
    /// Sorted by key.
    pub tags: Tags,
    /// How its values are to be read; what was said last holds.
    pub metric_type: MetricType,
    /// How often it is measured, in seconds; what was said last holds.
    pub step_s: u32,
}

impl Series {
    /// Whether both are the same series, whatever is said of it.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.metric == other.metric && self.endpoint == other.endpoint && self.tags == other.tags
    }

    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }

    /// Open-Falcon's primary key, `endpoint/metric` or `endpoint/metric/k=v,k=v`, its tags as [`flat`] has them: what
    /// series are placed on destinations by.
    #[must_use]
    pub fn key(&self) -> String {
        let mut key = String::with_capacity(64);
        key.push_str(&self.endpoint);
        key.push('/');
        key.push_str(&self.metric);
        if !self.tags.is_empty() {
            key.push('/');
            flat::push_tags(&mut key, self.pairs());
        }
        key
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (&**key, &**value))
    }

    /// About how many bytes it holds on the heap, if nobody shares its tags.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let tags: usize = self.tags.iter().map(|(name, value)| 32 + name.len() + value.len()).sum();
        size_of::<Self>() + self.metric.len() + tags
    }
}

/// The series in words: `cpu.idle{core=0} of web-1`.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        if !self.tags.is_empty() {
            write!(f, "{{{}}}", flat::tags(self.pairs()))?;
        }
        write!(f, " of {}", self.endpoint)
    }
}

/// The hash that the table finds a series by. Lengths go in, so that text cannot move between its fields unseen.
pub(crate) fn identity_hash<'a>(endpoint: &str, metric: &str, tags: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut hasher = Xxh3Default::new();
    let mut text = |text: &str| {
        hasher.update(&(text.len() as u32).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    text(endpoint);
    text(metric);
    for (name, value) in tags {
        text(name);
        text(value);
    }
    hasher.digest()
}

/// The hash that the table finds tags by.
pub(crate) fn tags_hash<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    identity_hash("", "", tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(tags: &[(&str, &str)]) -> Series {
        Series {
            endpoint: "host1".into(),
            metric: "net.if.in.bytes".into(),
            tags: tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            metric_type: MetricType::Counter,
            step_s: 10,
        }
    }

    #[test]
    fn the_key_is_open_falcons() {
        assert_eq!(series(&[]).key(), "host1/net.if.in.bytes");
        assert_eq!(series(&[("iface", "eth0")]).key(), "host1/net.if.in.bytes/iface=eth0");
        assert_eq!(series(&[("a", "1"), ("b", "2")]).key(), "host1/net.if.in.bytes/a=1,b=2");
        assert_eq!(series(&[("a", "1,b=2")]).key(), r"host1/net.if.in.bytes/a=1\,b\=2");
    }

    #[test]
    fn a_series_reads_as_a_person_would_write_it() {
        assert_eq!(series(&[]).to_string(), "net.if.in.bytes of host1");
        assert_eq!(series(&[("a", "1"), ("b", "2")]).to_string(), "net.if.in.bytes{a=1,b=2} of host1");
    }

    #[test]
    fn text_that_moves_between_fields_changes_the_hash() {
        let hash =
            |endpoint: &str, metric: &str, tags: &[(&str, &str)]| identity_hash(endpoint, metric, tags.iter().copied());
        assert_ne!(hash("ab", "c", &[]), hash("a", "bc", &[]));
        assert_ne!(hash("a", "b", &[("c", "de")]), hash("a", "b", &[("cd", "e")]));
        assert_ne!(hash("a", "b", &[]), hash("a", "b", &[("", "")]));
    }

    #[test]
    fn a_point_is_24_bytes() {
        assert_eq!(size_of::<Point>(), 24);
    }
}
