//! Where documents go: a data stream, or an index that is named after a point's day.

use saker_sdk::OpenError;
use saker_sdk::encode::time::Date;

const DEFAULT_STREAM: &str = "metrics-saker-default";
const DAY_MS: i64 = 86_400_000;

/// What the settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// Everything goes there.
    DataStream(String),
    /// With `%Y`, `%m` and `%d` for a day.
    Pattern(String),
}

impl Index {
    pub(crate) fn new(data_stream: Option<String>, index: Option<String>) -> Result<Self, OpenError> {
        match (data_stream, index) {
            (Some(_), Some(_)) => Err(OpenError::Settings("index: give either it or data_stream".into())),
            (None, Some(pattern)) => {
                let name = pattern.replace("%Y", "2000").replace("%m", "01").replace("%d", "01");
                check("index", &name)?;
                Ok(Self::Pattern(pattern))
            }
            (stream, None) => {
                let name = stream.unwrap_or_else(|| DEFAULT_STREAM.into());
                check("data_stream", &name)?;
                Ok(Self::DataStream(name))
            }
        }
    }

    /// Its name, where there is one for all points.
    pub(crate) fn data_stream(&self) -> Option<&str> {
        match self {
            Self::DataStream(name) => Some(name),
            Self::Pattern(_) => None,
        }
    }
}

/// The rules of both Elasticsearch and OpenSearch. Percent signs are among what may stand in a name, but not here: they
/// would be mistyped patterns.
fn check(setting: &str, name: &str) -> Result<(), OpenError> {
    let bad = |letter: char| letter.is_uppercase() || letter.is_control() || " \"*\\<>|,/?#:%".contains(letter);
    if name.is_empty() || name.len() > 255 || name.starts_with(['-', '_', '+', '.']) || name.contains(bad) {
        let what = "must be 1 to 255 lower-case letters, digits and signs other than \" * \\ < > | , / ? # : and space";
        let more = "not beginning with - _ + or ., and with no % but in %Y, %m and %d of an index";
        return Err(OpenError::Settings(format!("{setting}: {what}, {more}; found {name:?}")));
    }
    Ok(())
}

/// The index of each point, worked out once for those of a day that follow each other.
#[derive(Clone, Debug)]
pub(crate) struct IndexNames {
    index: Index,
    day: Option<i64>,
    name: String,
}

impl IndexNames {
    pub(crate) fn new(index: Index) -> Self {
        Self { index, day: None, name: String::new() }
    }

    /// The index for a time, unless the path says it already.
    pub(crate) fn of(&mut self, timestamp_ms: i64) -> Option<&str> {
        let Index::Pattern(pattern) = &self.index else { return None };
        let day = timestamp_ms.div_euclid(DAY_MS);
        if self.day != Some(day) {
            let date = Date::of(timestamp_ms);
            self.name = pattern
                .replace("%Y", &format!("{:04}", date.year))
                .replace("%m", &format!("{:02}", date.month))
                .replace("%d", &format!("{:02}", date.day));
            self.day = Some(day);
        }
        Some(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(data_stream: Option<&str>, index: Option<&str>) -> Result<Index, OpenError> {
        Index::new(data_stream.map(str::to_owned), index.map(str::to_owned))
    }

    #[test]
    fn points_go_to_the_data_stream_or_to_the_index_of_their_day() {
        assert_eq!(index(None, None).unwrap().data_stream(), Some("metrics-saker-default"));
        assert_eq!(IndexNames::new(index(Some("metrics-a-b"), None).unwrap()).of(0), None);
        let mut names = IndexNames::new(index(None, Some("saker-%Y.%m.%d")).unwrap());
        for (time, name) in [
            (1_700_000_000_123, "saker-2023.11.14"),
            (1_700_000_000_124, "saker-2023.11.14"),
            (1_700_006_400_000, "saker-2023.11.15"),
            (-1, "saker-1969.12.31"),
        ] {
            assert_eq!(names.of(time), Some(name));
        }
        assert_eq!(IndexNames::new(index(None, Some("fixed")).unwrap()).of(0), Some("fixed"));
    }

    #[test]
    fn a_name_that_a_server_rejects_is_named() {
        for name in ["", "Metrics", "a b", "a/b", "a*", "-a", "_a", ".a", "a%y", "a:b", &"a".repeat(256)] {
            for (stream, pattern, setting) in
                [(Some(name), None, "data_stream: must"), (None, Some(name), "index: must")]
            {
                let Err(OpenError::Settings(message)) = index(stream, pattern) else { panic!("{name}") };
                assert!(message.starts_with(setting), "{message}");
            }
        }
        assert!(
            matches!(index(Some("a"), Some("b")), Err(OpenError::Settings(text)) if text.starts_with("index: give either"))
        );
    }
}
