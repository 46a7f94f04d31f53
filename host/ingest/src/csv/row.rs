//! Reads rows: fields with commas between them, in quotes where they hold some.

use std::borrow::Cow;

use saker_model::RejectReason;

use super::format::{Column, Format};
use crate::batch::{Batch, Decoder, shown};
use crate::naming::Naming;

/// A row is no longer: VictoriaMetrics' limit.
const ROW_BYTES_MAX: usize = 256 << 10;
/// How much of a row is shown in a message.
const SHOWN_BYTES: usize = 64;

/// Reads the rows of a body.
pub(super) struct CsvRows {
    pub(super) naming: Naming,
    pub(super) format: Format,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum What {
    #[error("the row has {0} columns, fewer than the format")]
    TooShort(usize),
    #[error("the time in column {0} is not written as the format says")]
    BadTime(usize),
    #[error("the value in column {0} must be a number")]
    BadValue(usize),
    #[error("a quote has no end, or something follows it")]
    BadQuote,
    #[error("the row must be UTF-8")]
    NotUtf8,
    #[error("the row has more than 262144 bytes")]
    TooLong,
}

impl Decoder for CsvRows {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        out.each_line(input, |out, at, row| {
            let is_first = out.base + at == 0;
            if !(is_first && self.is_head(row)) {
                out.begin(at);
                if let Err(what) = self.row(row, out) {
                    out.malformed(|| message(row, &what));
                }
            }
        })
    }

    fn silent(&self) -> &'static [RejectReason] {
        &[RejectReason::Processor, RejectReason::NotFinite]
    }
}

impl CsvRows {
    /// Whether a first row names its columns: where a value belongs, it has words.
    fn is_head(&self, row: &[u8]) -> bool {
        let Ok(row) = std::str::from_utf8(row) else { return false };
        let values = fields(row).zip(&self.format.columns).filter(|(_, column)| matches!(column, Column::Metric(_)));
        let mut is_head = false;
        for (field, _) in values {
            let Ok(field) = field else { return false };
            let text = field.text();
            let has_word = text.starts_with(|first: char| first.is_alphabetic() || first == '_');
            if text.parse::<f64>().is_ok() || !has_word {
                return false;
            }
            is_head = true;
        }
        is_head
    }

    fn row<'a>(&'a self, row: &'a [u8], out: &mut Batch<'a>) -> Result<(), What> {
        if row.len() > ROW_BYTES_MAX {
            return Err(What::TooLong);
        }
        let row = std::str::from_utf8(row).map_err(|_| What::NotUtf8)?;
        let mut parts = LabelParts::default();
        let (mut time, mut count) = (None, 0);
        for (field, column) in fields(row).zip(&self.format.columns) {
            let field = field?;
            count += 1;
            match column {
                Column::Label(_) => parts.add(field.begin, row.len().min(field.end + 1)),
                Column::Time(unit) if !field.raw.is_empty() => {
                    time = Some(unit.time_ms(&field.text()).ok_or(What::BadTime(count))?);
                }
                _ => {}
            }
        }
        if count < self.format.columns.len() {
            return Err(What::TooShort(count));
        }
        let texts = parts.of(row);
        let key = texts.map(|texts| self.naming.key_in_parts(texts));
        let known = key.as_ref().and_then(|key| out.known(key));
        let (mut values, mut place) = (0, 0);
        for (at, (field, column)) in fields(row).zip(&self.format.columns).enumerate() {
            let Column::Metric(metric) = column else { continue };
            let field = field?;
            if field.raw.is_empty() {
                continue;
            }
            values += 1;
            let value = field.text().parse::<f64>().map_err(|_| What::BadValue(at + 1))?;
            let found = known.as_ref().and_then(|known| Some((known, known.find(metric.as_bytes(), place)?)));
            match (found, key) {
                (Some((known, found)), _) => {
                    place = found + 1;
                    out.value(known.target(found), metric.as_bytes(), value);
                }
                (None, Some(key)) => out.new_value(key, metric.as_bytes(), self.sample(row, metric, value)?),
                // Its labels stand in too many places to be known again.
                (None, None) => {
                    let key = self.naming.key(b"");
                    out.new_value(key, metric.as_bytes(), self.sample(row, metric, value)?);
                }
            }
        }
        out.end(Some(time.unwrap_or_else(|| out.now_ms())), values);
        Ok(())
    }

    fn sample(&self, row: &str, metric: &str, value: f64) -> Result<saker_model::Sample, What> {
        let mut labels = Vec::new();
        for (field, column) in fields(row).zip(&self.format.columns) {
            if let Column::Label(name) = column {
                labels.push((name.clone(), field?.text().into_owned()));
            }
        }
        Ok(self.naming.sample(metric, labels, value))
    }
}

/// Where labels stand in a row, side by side as one.
#[derive(Default)]
struct LabelParts {
    parts: [(usize, usize); 3],
    count: usize,
}

impl LabelParts {
    fn add(&mut self, begin: usize, end: usize) {
        match self.count.checked_sub(1).and_then(|last| self.parts.get_mut(last)) {
            Some(last) if last.1 == begin => last.1 = end,
            _ => {
                if let Some(part) = self.parts.get_mut(self.count) {
                    *part = (begin, end);
                }
                self.count += 1;
            }
        }
    }

    /// Their texts, if they are no more than a key may have.
    fn of<'a>(&self, row: &'a str) -> Option<[&'a [u8]; 3]> {
        (self.count <= self.parts.len()).then(|| self.parts.map(|(begin, end)| &row.as_bytes()[begin..end]))
    }
}

/// A field as it is written.
struct Field<'a> {
    raw: &'a str,
    begin: usize,
    end: usize,
}

impl<'a> Field<'a> {
    /// What it says.
    fn text(&self) -> Cow<'a, str> {
        let quote = match self.raw.chars().next() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => return self.raw.trim().into(),
        };
        let inner = &self.raw[1..self.raw.len() - 1];
        if inner.contains(quote) {
            inner.replace(&format!("{quote}{quote}"), &quote.to_string()).into()
        } else {
            inner.into()
        }
    }
}

/// The fields of a row. After one that is wrong there is none.
fn fields(row: &str) -> impl Iterator<Item = Result<Field<'_>, What>> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let begin = next?;
        let end = field_end(row, begin);
        next = end.filter(|&end| end < row.len()).map(|end| end + 1);
        Some(end.map(|end| Field { raw: &row[begin..end], begin, end }).ok_or(What::BadQuote))
    })
}

/// Where a field ends that begins at this place.
fn field_end(row: &str, begin: usize) -> Option<usize> {
    let rest = &row.as_bytes()[begin..];
    let Some(&quote @ (b'"' | b'\'')) = rest.first() else {
        return Some(memchr::memchr(b',', rest).map_or(row.len(), |end| begin + end));
    };
    let mut at = 1;
    loop {
        at += memchr::memchr(quote, rest.get(at..)?)? + 1;
        match rest.get(at) {
            // Two quotes are one that is meant.
            Some(next) if *next == quote => at += 1,
            None | Some(b',') => return Some(begin + at),
            Some(_) => return None,
        }
    }
}

fn message(row: &[u8], what: &What) -> String {
    let more = if row.len() > SHOWN_BYTES { "…" } else { "" };
    format!("unable to parse '{}{more}': {what}", shown(&row[..row.len().min(SHOWN_BYTES)]))
}
