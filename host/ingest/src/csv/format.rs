//! What stands in which column.

use super::layout::Layout;

/// Columns that are looked at: VictoriaMetrics' limit is higher, and nobody's rows are longer.
const COLUMNS_MAX: usize = 1024;

/// What stands in each column, from the first on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Format {
    pub(super) columns: Vec<Column>,
}

/// What stands in a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Column {
    /// Nothing that is looked at.
    #[default]
    Other,
    /// When.
    Time(Unit),
    /// A label's value.
    Label(String),
    /// A value of this metric.
    Metric(String),
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Nanoseconds,
    Layout(Layout),
}

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum What {
    #[error("format is missing: what stands in which column, such as 1:metric:cpu,2:label:host,3:time:unix_s")]
    Missing,
    #[error("a column of the format must be position:time, label or metric:what, found {0:?}")]
    BadColumn(String),
    #[error("a position must be from 1 to {COLUMNS_MAX}, found {0:?}")]
    BadPosition(String),
    #[error("two columns of the format stand at position {0}")]
    Twice(usize),
    #[error("a time must be unix_s, unix_ms, unix_ns, rfc3339 or custom:LAYOUT, found {0:?}")]
    BadTime(String),
    #[error("the format has more than one column of time")]
    TwoTimes,
    #[error("the format has no column of a metric")]
    NoMetric,
}

impl Format {
    pub(super) fn read(text: &str) -> Result<Self, What> {
        if text.is_empty() {
            return Err(What::Missing);
        }
        let mut format = Self::default();
        // A layout may hold commas: what does not begin with a position belongs to the column before.
        let mut columns: Vec<String> = Vec::new();
        for part in text.split(',') {
            let begins = part.trim_start().split_once(':').is_some_and(|(at, _)| at.parse::<usize>().is_ok());
            match columns.last_mut() {
                Some(before) if !begins && before.contains(":time:custom:") => before.extend([",", part]),
                _ => columns.push(part.to_owned()),
            }
        }
        columns.iter().try_for_each(|column| format.add(column))?;
        let is_time = |column: &&Column| matches!(column, Column::Time(_));
        if format.columns.iter().filter(is_time).count() > 1 {
            return Err(What::TwoTimes);
        }
        if !format.columns.iter().any(|column| matches!(column, Column::Metric(_))) {
            return Err(What::NoMetric);
        }
        Ok(format)
    }

    fn add(&mut self, text: &str) -> Result<(), What> {
        let bad = || What::BadColumn(text.to_owned());
        let (position, rest) = text.trim_start().split_once(':').ok_or_else(bad)?;
        let (kind, what) = rest.split_once(':').ok_or_else(bad)?;
        let at = position.parse().ok().filter(|at| (1..=COLUMNS_MAX).contains(at));
        let at: usize = at.ok_or_else(|| What::BadPosition(position.to_owned()))?;
        if what.is_empty() {
            return Err(bad());
        }
        let column = match kind {
            "time" => Column::Time(Unit::read(what).ok_or_else(|| What::BadTime(what.to_owned()))?),
            "label" => Column::Label(what.to_owned()),
            "metric" => Column::Metric(what.to_owned()),
            _ => return Err(bad()),
        };
        if self.columns.len() < at {
            self.columns.resize(at, Column::Other);
        }
        match std::mem::replace(&mut self.columns[at - 1], column) {
            Column::Other => Ok(()),
            _ => Err(What::Twice(at)),
        }
    }
}

impl Unit {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "unix_s" => Self::Seconds,
            "unix_ms" => Self::Milliseconds,
            "unix_ns" => Self::Nanoseconds,
            "rfc3339" => Self::Layout(Layout::read("2006-01-02T15:04:05Z07:00")?),
            custom => Self::Layout(Layout::read(custom.strip_prefix("custom:")?)?),
        })
    }

    /// A time in milliseconds.
    #[inline]
    pub(super) fn time_ms(&self, text: &str) -> Option<i64> {
        match self {
            Self::Seconds => match text.parse::<i64>() {
                Ok(seconds) => seconds.checked_mul(1000),
                Err(_) => text.parse::<f64>().ok().filter(|time| time.is_finite()).map(|time| (time * 1000.0) as i64),
            },
            Self::Milliseconds => text.parse().ok(),
            Self::Nanoseconds => text.parse::<i64>().ok().map(|time| time.div_euclid(1_000_000)),
            Self::Layout(layout) => layout.time_ms(text),
        }
    }
}
