//! The two parts of a series' line: tags, which series of one host share, and the field's name.
//!
//! VictoriaMetrics' dialect of the line protocol, as `lib/protoparser/influx/parser.go` reads it from 1.79 on: the
//! measurement is empty, so that a field's name is the metric's; a backslash stands before a space, a comma, an equals
//! sign and another backslash, anywhere; everything else stands for itself, control characters included. Two things
//! cannot be said: a line feed, and in the name of a field a quotation mark. A server skips a line that it cannot read
//! and answers 204, so neither is ever sent.

use std::collections::BTreeMap;

use saker_sdk::encode::Labels;
use saker_sdk::{OpenError, Series};

/// The longest name and value of a label that servers take, in bytes. Newer ones drop the series of longer ones, and
/// older ones cut them, without a word in the answer.
const NAME_MAX: usize = 256;
const VALUE_MAX: usize = 4096;
/// The name of the label that holds the metric.
const METRIC: &str = "__name__";

/// Which labels are added to a series' tags, and how many there may be.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    endpoint_label: String,
    more: BTreeMap<String, String>,
    labels_max: usize,
}

/// What stands in a line for a series.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineParts {
    /// `,key=value,…`, or nothing where a series has no tags.
    pub(crate) tags: Vec<u8>,
    /// `metric=`
    pub(crate) field: Vec<u8>,
}

impl Naming {
    /// A label for the endpoint (empty leaves it out) and labels of all series.
    pub(crate) fn new(
        endpoint_label: String,
        more: BTreeMap<String, String>,
        labels_max: u32,
    ) -> Result<Self, OpenError> {
        check("endpoint_label", &endpoint_label)?;
        for (name, value) in &more {
            let setting = format!("labels.{name}");
            if name.is_empty() || *name == endpoint_label {
                let what = if name.is_empty() { "a name is missing" } else { "is the endpoint's label" };
                return Err(OpenError::Settings(format!("{setting}: {what}")));
            }
            check(&setting, name)?;
            if value.is_empty() || value.len() > VALUE_MAX {
                return Err(OpenError::Settings(format!("{setting}: must have 1 to {VALUE_MAX} bytes")));
            }
        }
        Ok(Self { endpoint_label, more, labels_max: labels_max as usize })
    }

    /// What stands for a series, or why no server would keep it as it is.
    pub(crate) fn parts(&self, series: &Series) -> Result<LineParts, String> {
        let mut labels = Labels::default();
        if !self.endpoint_label.is_empty() {
            labels.add(&self.endpoint_label, &series.endpoint);
        }
        self.more.iter().for_each(|(name, value)| labels.add(name, value));
        for (key, value) in &series.tags {
            match key.as_str() {
                "" => labels.add("_", value),
                METRIC => labels.add("exported___name__", value),
                key => labels.add(key, value),
            }
        }
        let rejected = |what: String| Err(format!("series {}: {what}", series.metric));
        let count = labels.iter().count();
        if count > self.labels_max {
            return rejected(format!("{count} labels, and max_labels is {}", self.labels_max));
        }
        if series.metric.len() > VALUE_MAX || labels.iter().any(|(_, value)| value.len() > VALUE_MAX) {
            return rejected(format!("a metric or a tag's value of more than {VALUE_MAX} bytes"));
        }
        if labels.iter().any(|(name, _)| name.len() > NAME_MAX) {
            return rejected(format!("a tag's key of more than {NAME_MAX} bytes"));
        }
        Ok(parts(&series.metric, &labels))
    }
}

fn parts(metric: &str, labels: &Labels) -> LineParts {
    let mut tags = Vec::with_capacity(64);
    for (name, value) in labels.iter() {
        tags.push(b',');
        push_escaped(&mut tags, name);
        tags.push(b'=');
        push_escaped(&mut tags, value);
    }
    let mut field = Vec::with_capacity(metric.len() + 1);
    let metric = metric.replace('"', "_");
    push_escaped(&mut field, if metric.is_empty() { "_" } else { &metric });
    field.push(b'=');
    LineParts { tags, field }
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'\n' => out.push(b'_'),
            b' ' | b',' | b'=' | b'\\' => out.extend([b'\\', byte]),
            byte => out.push(byte),
        }
    }
}

fn check(setting: &str, label: &str) -> Result<(), OpenError> {
    if label == METRIC || label.len() > NAME_MAX {
        return Err(OpenError::Settings(format!("{setting}: must not be {METRIC}, and have {NAME_MAX} bytes at most")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use saker_sdk::MetricType;

    use super::*;

    fn series(metric: &str, tags: &[(&str, &str)]) -> Series {
        Series {
            endpoint: "web 1".into(),
            metric: metric.into(),
            tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        }
    }

    fn naming(endpoint_label: &str, more: &[(&str, &str)], labels_max: u32) -> Result<Naming, OpenError> {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Naming::new(endpoint_label.into(), more, labels_max)
    }

    fn text(naming: &Naming, metric: &str, tags: &[(&str, &str)]) -> String {
        let parts = naming.parts(&series(metric, tags)).unwrap();
        String::from_utf8([parts.tags, b" ".into(), parts.field].concat()).unwrap()
    }

    #[test]
    fn endpoint_labels_and_tags_come_before_the_metric_sorted_by_name() {
        let usual = naming("endpoint", &[("dc", "eu1")], 30).unwrap();
        assert_eq!(
            text(&usual, "cpu.idle", &[("core", "0"), ("zone", "a")]),
            r",core=0,dc=eu1,endpoint=web\ 1,zone=a cpu.idle="
        );
        assert_eq!(text(&naming("", &[], 30).unwrap(), "cpu.idle", &[]), " cpu.idle=");
        assert_eq!(text(&naming("host", &[], 30).unwrap(), "m", &[("empty", "")]), r",host=web\ 1 m=");
    }

    #[test]
    fn a_backslash_stands_before_what_is_special_and_the_rest_is_as_it_is() {
        let naming = naming("", &[], 30).unwrap();
        assert_eq!(text(&naming, r#"a b,c=d\e"f"#, &[]), r" a\ b\,c\=d\\e_f=");
        assert_eq!(
            text(&naming, "m", &[(r#"a b,c=d\e"f"#, "C:\\\t\r\0💡")]),
            ",a\\ b\\,c\\=d\\\\e\"f=C:\\\\\t\r\0💡 m="
        );
        assert_eq!(text(&naming, "", &[("", "v"), ("k\n", "a\nb")]), ",_=v,k_=a_b _=");
    }

    #[test]
    fn tags_that_are_called_like_something_else_are_kept_under_another_name() {
        let naming = naming("endpoint", &[("dc", "eu1")], 30).unwrap();
        assert_eq!(
            text(&naming, "m", &[("__name__", "n"), ("dc", "x"), ("endpoint", "y")]),
            r",dc=eu1,endpoint=web\ 1,exported___name__=n,exported_dc=x,exported_endpoint=y m="
        );
    }

    #[test]
    fn a_series_that_servers_would_drop_or_cut_is_rejected_with_the_reason() {
        let naming = naming("endpoint", &[], 2).unwrap();
        let why = |metric: &str, tags: &[(&str, &str)]| naming.parts(&series(metric, tags)).unwrap_err();
        assert_eq!(why("m", &[("a", "1"), ("b", "2")]), "series m: 3 labels, and max_labels is 2");
        let (key, long) = ("k".repeat(NAME_MAX + 1), "v".repeat(VALUE_MAX + 1));
        assert_eq!(why("m", &[(&key, "1")]), "series m: a tag's key of more than 256 bytes");
        assert_eq!(why("m", &[("a", &long)]), "series m: a metric or a tag's value of more than 4096 bytes");
        assert!(why(&long, &[]).ends_with("of more than 4096 bytes"));
        assert!(naming.parts(&series("m", &[(&key[1..], &long[1..])])).is_ok());
    }

    #[test]
    fn labels_that_cannot_be_meant_are_named() {
        let long = "v".repeat(VALUE_MAX + 1);
        for (endpoint, more, named) in [
            ("__name__", vec![], "endpoint_label: "),
            (&"k".repeat(NAME_MAX + 1), vec![], "endpoint_label: "),
            ("endpoint", vec![("endpoint", "x")], "labels.endpoint: is the endpoint's"),
            ("", vec![("", "x")], "labels.: a name is missing"),
            ("", vec![("__name__", "x")], "labels.__name__: "),
            ("", vec![("a", "")], "labels.a: must have"),
            ("", vec![("a", &long[..])], "labels.a: must have"),
        ] {
            let Err(OpenError::Settings(message)) = naming(endpoint, &more, 30) else { panic!("{named}") };
            assert!(message.starts_with(named), "{message}");
        }
    }
}
