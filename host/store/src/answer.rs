//! Answers as text: JSON for programs, CSV for tables.

use std::io::{self, Write as _};

use crate::budget::Budget;
use crate::key::StoredSeries;
use crate::policy::ArchiveAggregate;
use crate::read::{ReadColumns, StoredChunk, TimeRange};
use crate::store::Store;
use crate::transfer::TransferError;

/// Longer answers are rejected: they are held whole.
const BYTES_MAX: usize = 32 << 20;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFormat {
    /// For programs: a list of series with their points.
    Json,
    /// A line a point.
    Csv,
}

/// An answer that is being written.
pub(crate) struct AnswerWriter {
    format: AnswerFormat,
    out: Vec<u8>,
    /// The heads of the columns behind the time.
    columns: Vec<String>,
    /// The series that is being written, and the length of its buckets.
    current: Option<(StoredSeries, i64)>,
    /// Its first fields, of CSV.
    prefix: Vec<u8>,
    /// What of it was handed over.
    drained: usize,
}

impl AnswerWriter {
    pub(crate) fn new(format: AnswerFormat, columns: &ReadColumns) -> Self {
        let columns: Vec<String> = match columns.granularity_ms {
            0 => vec!["value".into()],
            _ => columns.aggregates.iter().map(|aggregate| aggregate.name()).collect(),
        };
        let out = match format {
            AnswerFormat::Json => b"[".to_vec(),
            AnswerFormat::Csv => format!("endpoint,metric,tags,timestamp,{}\n", columns.join(",")).into_bytes(),
        };
        Self { format, out, columns, current: None, prefix: Vec::new(), drained: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.out.len() > BYTES_MAX
    }

    pub(crate) fn add(&mut self, chunk: &StoredChunk<'_>) {
        if self.is_full() {
            return;
        }
        let current = self.current.as_ref();
        if current.is_none_or(|(series, granularity)| series != chunk.series || *granularity != chunk.granularity_ms) {
            self.begin(chunk.series, chunk.granularity_ms);
        }
        match self.format {
            AnswerFormat::Json => self.json_rows(chunk),
            AnswerFormat::Csv => self.csv_rows(chunk),
        }
    }

    fn begin(&mut self, series: &StoredSeries, granularity_ms: i64) {
        if self.format == AnswerFormat::Json {
            if self.current.is_some() {
                self.out.extend_from_slice(b"]},");
            }
            let tags: serde_json::Map<String, serde_json::Value> =
                series.tags().map(|(name, value)| (name.to_owned(), value.into())).collect();
            let head = serde_json::json!({
                "endpoint": series.endpoint(),
                "metric": series.metric(),
                "tags": tags,
                "type": series.metric_type().as_str(),
                "step_s": series.step_s(),
                "granularity_s": granularity_ms as f64 / 1e3,
                "columns": self.columns,
            });
            let head = head.to_string();
            // Its points are its last field.
            self.out.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
            self.out.extend_from_slice(b",\"points\":[");
        } else {
            self.prefix.clear();
            let tags = saker_model::flat::tags(series.tags());
            for field in [series.endpoint(), series.metric(), &tags] {
                csv_field(&mut self.prefix, field);
                self.prefix.push(b',');
            }
        }
        self.current = Some((series.clone(), granularity_ms));
    }

    fn json_rows(&mut self, chunk: &StoredChunk<'_>) {
        for (row, time_ms) in chunk.timestamps.iter().enumerate() {
            if self.out.last() != Some(&b'[') {
                self.out.push(b',');
            }
            self.out.push(b'[');
            // Several times as fast as `write!`, and most of an answer.
            let _ = serde_json::to_writer(&mut self.out, time_ms);
            for column in chunk.columns {
                self.out.push(b',');
                // A stale mark and what a bucket does not have are no numbers.
                if serde_json::to_writer(&mut self.out, &column[row]).is_err() {
                    self.out.extend_from_slice(b"null");
                }
            }
            self.out.push(b']');
        }
    }

    fn csv_rows(&mut self, chunk: &StoredChunk<'_>) {
        for (row, time_ms) in chunk.timestamps.iter().enumerate() {
            self.out.extend_from_slice(&self.prefix);
            let _ = serde_json::to_writer(&mut self.out, time_ms);
            for column in chunk.columns {
                self.out.push(b',');
                if column[row].is_finite() {
                    let _ = serde_json::to_writer(&mut self.out, &column[row]);
                }
            }
            self.out.push(b'\n');
        }
    }

    /// Hands over what is written so far.
    fn drain(&mut self, to: &mut dyn io::Write) -> io::Result<()> {
        // What the next row looks at stays.
        let keep = self.out.last().copied();
        let written = to.write_all(&self.out[self.drained..]);
        self.out.clear();
        self.out.extend(keep);
        self.drained = self.out.len();
        written
    }

    /// Its type and the whole of it; nothing if it is too long.
    pub(crate) fn finish(mut self) -> Option<(&'static str, Vec<u8>)> {
        if self.is_full() {
            return None;
        }
        match self.format {
            AnswerFormat::Json => {
                self.out.extend_from_slice(if self.current.is_some() { b"]}]" } else { b"]" });
                Some(("application/json", self.out))
            }
            AnswerFormat::Csv => Some(("text/csv; charset=utf-8", self.out)),
        }
    }
}

impl Store {
    /// Writes what series were in a range of time, as text, however long that is.
    ///
    /// # Errors
    /// The file's, and those of [`read`](Self::read).
    pub fn dump(
        &self,
        series: &[StoredSeries],
        (range, columns): (TimeRange, &ReadColumns),
        budget: &Budget,
        format: AnswerFormat,
        to: &mut dyn io::Write,
    ) -> Result<(), TransferError> {
        let mut answer = AnswerWriter::new(format, columns);
        let mut written = Ok(());
        for series in series {
            self.read(std::slice::from_ref(series), range, columns, budget, &mut |chunk| {
                answer.add(&chunk);
                if written.is_ok() {
                    written = answer.drain(to);
                }
            })?;
            std::mem::replace(&mut written, Ok(()))?;
        }
        if format == AnswerFormat::Json {
            answer.out.extend_from_slice(if answer.current.is_some() { b"]}]\n" } else { b"]\n" });
        }
        answer.drain(to)?;
        Ok(to.flush()?)
    }
}

/// A field, in quotes if it has to be.
fn csv_field(out: &mut Vec<u8>, field: &str) {
    if field.contains([',', '"', '\n', '\r']) {
        let _ = write!(out, "\"{}\"", field.replace('"', "\"\""));
    } else {
        out.extend_from_slice(field.as_bytes());
    }
}

impl ArchiveAggregate {
    /// What there is, for who asks for what there is not.
    pub(crate) const NAMES: &'static str = "there are mean, min, max, sum, count, first, last, first_time, last_time, \
        increase, std, median and 1pct to 99pct";

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Count => "count".into(),
            Self::Sum => "sum".into(),
            Self::Min => "min".into(),
            Self::Max => "max".into(),
            Self::First => "first".into(),
            Self::Last => "last".into(),
            Self::Mean => "mean".into(),
            Self::FirstTime => "first_time".into(),
            Self::LastTime => "last_time".into(),
            Self::Increase => "increase".into(),
            Self::SumOfSquares => "sum_of_squares".into(),
            Self::Std => "std".into(),
            Self::Percentile(500) => "median".into(),
            Self::Percentile(thousandths) => format!("{}pct", f64::from(*thousandths) / 10.0),
        }
    }

    /// The aggregate of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain = [
            Self::Count,
            Self::Sum,
            Self::Min,
            Self::Max,
            Self::First,
            Self::Last,
            Self::Mean,
            Self::FirstTime,
            Self::LastTime,
            Self::Increase,
            Self::SumOfSquares,
            Self::Std,
            Self::Percentile(500),
        ];
        let percentile = || {
            let percent = name.strip_suffix("pct")?.parse::<u16>().ok()?;
            (1..=99).contains(&percent).then_some(Self::Percentile(10 * percent))
        };
        plain.into_iter().find(|aggregate| aggregate.name() == name).or_else(percentile)
    }
}
