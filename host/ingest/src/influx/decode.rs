//! Reads lines: keys that are known cost a look-up and their numbers, those that are not are taken apart.

use std::sync::Arc;

use saker_model::{RejectReason, Sample};

use super::key::{LineKey, unescaped};
use super::line::{LINE_BYTES_MAX, LineErrorKind, LineProblem, Scanner};
use super::number::FieldValue;
use super::{Mapping, Precision};
use crate::batch::{Batch, Decoder};
use crate::extra::ExtraTags;
use crate::keys::{FIELDS_MAX, KnownKey};
use crate::naming::Naming;

/// The tag that a database or bucket becomes, as in VictoriaMetrics.
const DB_TAG: &str = "db";

/// What one request says of all its lines.
#[derive(Clone, Debug)]
pub(super) struct WriteParameters {
    /// The database or bucket: a tag `db` of every line that has none.
    pub(super) db: Option<Arc<str>>,
    /// What timestamps count.
    pub(super) precision: Precision,
    /// The tags of all lines, and whose values these are where no tag says it.
    pub(super) naming: Naming,
}

impl WriteParameters {
    /// One that says nothing.
    pub(super) fn new(mapping: &Mapping, endpoint: &Arc<str>) -> Self {
        let naming = Naming::new(&mapping.endpoint_tag, mapping.step_s, endpoint);
        Self { db: None, precision: Precision::Unsaid, naming }
    }

    /// With a database and tags for all lines.
    pub(super) fn with(mut self, db: Option<Arc<str>>, extra: ExtraTags) -> Self {
        self.naming = self.naming.with(extra, db.as_deref().unwrap_or_default());
        Self { db, ..self }
    }
}

/// Reads the lines of one request, or of sockets.
pub struct InfluxLines {
    mapping: Mapping,
    request: WriteParameters,
}

impl InfluxLines {
    pub(super) fn new(mapping: Mapping, request: WriteParameters) -> Self {
        Self { mapping, request }
    }

    #[inline]
    fn line<'a>(&'a self, scanner: &mut Scanner<'a>, out: &mut Batch<'a>) -> Result<(), LineProblem<'a>> {
        let start = scanner.at();
        let raw = scanner.key()?;
        let key = self.request.naming.key(raw);
        let known = out.known(&key);
        if known.is_none() {
            parse(raw, scanner, start)?;
        }
        let (mut fields, mut place) = (0, 0);
        loop {
            fields += 1;
            let (name, found) = field(scanner, known.as_ref(), place)?;
            place = found.map_or(place, |found| found + 1);
            match (scanner.value()?, found.zip(known.as_ref())) {
                (FieldValue::Text, _) => out.reject(RejectReason::TextValue, name),
                (FieldValue::Number(value), Some((place, known))) => out.value(known.target(place), name, value),
                (FieldValue::Number(value), None) => {
                    let parsed = parse(raw, scanner, start)?;
                    let field = std::str::from_utf8(name).map_err(|_| scanner.wrong(LineErrorKind::NotUtf8, start))?;
                    out.new_value(key, name, self.sample(&parsed, field, value));
                }
            }
            if !scanner.has_more_fields() {
                break;
            }
            if fields == FIELDS_MAX {
                return Err(scanner.wrong(LineErrorKind::TooManyFields, start));
            }
        }
        if scanner.at() - start > LINE_BYTES_MAX {
            return Err(scanner.wrong(LineErrorKind::TooLong, start));
        }
        let (time, precision) = (scanner.timestamp()?, self.request.precision);
        let time = time.map_or_else(|| Some(precision.now(out.now_ms())), |time| precision.to_ms(time));
        out.end(time, fields);
        Ok(())
    }

    /// What a key and a field say.
    fn sample(&self, key: &LineKey<'_>, field: &str, value: f64) -> Sample {
        let mapping = &self.mapping;
        let mut metric = key.measurement().into_owned();
        let field = unescaped(field);
        if *field != *mapping.value_field {
            metric.push_str(&mapping.separator);
            metric.push_str(&field);
        }
        let mut tags: Vec<_> = key.tags().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        if let Some(db) = &self.request.db
            && tags.iter().all(|(name, _)| name != DB_TAG)
        {
            tags.push((DB_TAG.to_owned(), db.to_string()));
        }
        self.request.naming.sample(&metric, tags, value)
    }
}

impl Decoder for InfluxLines {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        let mut scanner = Scanner::new(input, 0);
        while !out.is_full() && scanner.next_line() {
            let start = scanner.at();
            out.begin(start);
            if let Err(wrong) = self.line(&mut scanner, out) {
                out.malformed(|| wrong.message());
                scanner.skip_line(start);
            }
        }
        scanner.at()
    }

    fn silent(&self) -> &'static [RejectReason] {
        if self.mapping.reject_string_fields {
            &[RejectReason::Processor]
        } else {
            &[RejectReason::Processor, RejectReason::TextValue]
        }
    }
}

fn parse<'a>(raw: &'a [u8], scanner: &Scanner<'a>, start: usize) -> Result<LineKey<'a>, LineProblem<'a>> {
    LineKey::read(raw).map_err(|what| scanner.wrong(what, start))
}

/// The next field's name, and its place if it is known. Fields are expected in the order they had before.
#[inline]
fn field<'a>(
    scanner: &mut Scanner<'a>,
    known: Option<&KnownKey<'_>>,
    place: usize,
) -> Result<(&'a [u8], Option<usize>), LineProblem<'a>> {
    if let Some(known) = known.filter(|known| place < known.fields())
        && let Some(name) = scanner.field_is(known.name(place))
    {
        return Ok((name, Some(place)));
    }
    let name = scanner.field_name()?;
    Ok((name, known.and_then(|known| known.find(name, place))))
}

#[cfg(test)]
mod tests;
