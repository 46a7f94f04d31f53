//! Finds the parts of lines: `measurement,tag=value field=value,field=value timestamp`.
//!
//! The syntax is InfluxDB's (`models/points.go`), read forgivingly where that does no harm: more than one space, spaces
//! before and after a line, `\r` at its end. Nothing is copied or unescaped here.

use super::number::{self, FieldValue};
use crate::batch::shown;

/// What bounds a line, so that one cannot hold up the rest. Bytes: VictoriaMetrics' limit.
pub(super) const LINE_BYTES_MAX: usize = 256 << 10;
/// How much of a line is shown in a message.
const SHOWN_BYTES: usize = 64;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineProblem<'a> {
    pub(super) what: LineErrorKind,
    /// The text at that place.
    pub(super) near: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineErrorKind {
    #[error("the line has no fields: a space and name=value must follow measurement and tags")]
    NoFields,
    #[error("the line begins with a comma instead of a measurement")]
    NoMeasurement,
    #[error("a tag must be key=value")]
    BadTag,
    #[error("measurement, tags and field names must be UTF-8")]
    NotUtf8,
    #[error("a field must be name=value")]
    NoEqualsSign,
    #[error("a field's value must be a number, true, false or text in double quotes")]
    BadValue,
    #[error("behind the fields only a timestamp may stand, a whole number")]
    BadTimestamp,
    #[error("the line has more than 262144 bytes")]
    TooLong,
    #[error("the line has more than 1024 fields")]
    TooManyFields,
}

impl LineProblem<'_> {
    /// In words, with the place where it was found.
    pub(super) fn message(&self) -> String {
        let line = self.near.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let near = shown(&line[..line.len().min(SHOWN_BYTES)]);
        let more = if line.len() > SHOWN_BYTES { "…" } else { "" };
        format!("unable to parse '{near}{more}': {}", self.what)
    }
}

/// A place in a body that moves on from part to part.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(body: &'a [u8], at: usize) -> Self {
        Self { body, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes to the next line that is neither empty nor a comment; false if there is none.
    pub(super) fn next_line(&mut self) -> bool {
        while let Some(&byte) = self.body.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.skip_comment(),
                _ => return true,
            }
        }
        false
    }

    /// Goes behind the end of a line without quotes.
    fn skip_comment(&mut self) {
        self.at = memchr::memchr(b'\n', &self.body[self.at..]).map_or(self.body.len(), |end| self.at + end + 1);
    }

    /// Goes behind the end of the line that begins at `start`, whatever is wrong with it. A line feed in a quoted text
    /// does not end it, or what stands in the text would be read as lines of its own.
    ///
    /// As in InfluxDB (`scanLine` in `models/points.go`) quotes count only behind the first space, where fields are, and a
    /// text without its closing quote takes the rest of the body with it. Unlike there, a text begins only right behind an
    /// equals sign, as values do.
    #[cold]
    pub(super) fn skip_line(&mut self, start: usize) {
        let (mut at, mut in_fields, mut in_text) = (start, false, false);
        while let Some(&byte) = self.body.get(at) {
            match byte {
                b'"' if in_text => in_text = false,
                b'"' if in_fields && self.body[at - 1] == b'=' => in_text = true,
                b'\n' if !in_text => break,
                // What follows has no meaning of its own; a line feed outside of texts ends a line all the same.
                b'\\' if in_text || self.body.get(at + 1) != Some(&b'\n') => at += 1,
                b' ' => in_fields = true,
                _ => {}
            }
            at += 1;
        }
        self.at = self.body.len().min(at + 1);
    }

    /// Measurement and tags as they are written, up to the space that ends them.
    #[inline]
    pub(super) fn key(&mut self) -> Result<&'a [u8], LineProblem<'a>> {
        let start = self.at;
        let window = &self.body[start..self.body.len().min(start + LINE_BYTES_MAX)];
        let mut from = 0;
        loop {
            let Some(found) = memchr::memchr2(b' ', b'\n', &window[from..]) else {
                let what = if start + window.len() < self.body.len() {
                    LineErrorKind::TooLong
                } else {
                    LineErrorKind::NoFields
                };
                return Err(self.wrong(what, start));
            };
            let end = from + found;
            if window[end] == b'\n' {
                return Err(self.wrong(LineErrorKind::NoFields, start));
            }
            if !is_escaped(window, end) {
                self.at = start + end;
                self.skip_spaces();
                return if self.is_line_end() {
                    Err(self.wrong(LineErrorKind::NoFields, start))
                } else {
                    Ok(&window[..end])
                };
            }
            from = end + 1;
        }
    }

    /// The field's name, if it is this one, and goes behind its equals sign.
    #[inline]
    pub(super) fn field_is(&mut self, name: &[u8]) -> Option<&'a [u8]> {
        let found = self.body[self.at..].split_at_checked(name.len())?;
        if found.0 != name || found.1.first() != Some(&b'=') {
            return None;
        }
        self.at += name.len() + 1;
        Some(found.0)
    }

    /// A field's name as it is written, up to the equals sign, and goes behind that.
    pub(super) fn field_name(&mut self) -> Result<&'a [u8], LineProblem<'a>> {
        let start = self.at;
        loop {
            match self.body.get(self.at) {
                Some(b'=') if self.at > start => break,
                None | Some(b'=' | b',' | b' ' | b'\n' | b'\r') => {
                    return Err(self.wrong(LineErrorKind::NoEqualsSign, start));
                }
                Some(b'\\') if self.body.get(self.at + 1).is_some_and(|&next| next != b'\n') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(&self.body[start..self.at - 1])
    }

    /// A field's value.
    #[inline]
    pub(super) fn value(&mut self) -> Result<FieldValue, LineProblem<'a>> {
        match number::value(&self.body[self.at..]) {
            Some((value, length)) if self.body.get(self.at + length).copied().is_none_or(number::is_end) => {
                self.at += length;
                Ok(value)
            }
            _ => Err(self.wrong(LineErrorKind::BadValue, self.at)),
        }
    }

    /// Whether another field follows; goes behind the comma.
    #[inline]
    pub(super) fn has_more_fields(&mut self) -> bool {
        let more = self.body.get(self.at) == Some(&b',');
        self.at += usize::from(more);
        more
    }

    /// The timestamp, if there is one, and goes behind the end of the line.
    #[inline]
    pub(super) fn timestamp(&mut self) -> Result<Option<i64>, LineProblem<'a>> {
        self.skip_spaces();
        let start = self.at;
        let end = memchr::memchr(b'\n', &self.body[start..]).map_or(self.body.len(), |end| start + end);
        let text = self.body[start..end].trim_ascii_end();
        let time = if text.is_empty() {
            None
        } else {
            Some(whole_number(text).ok_or_else(|| self.wrong(LineErrorKind::BadTimestamp, start))?)
        };
        self.at = self.body.len().min(end + 1);
        Ok(time)
    }

    /// Something is wrong at this place.
    pub(super) fn wrong(&self, what: LineErrorKind, at: usize) -> LineProblem<'a> {
        LineProblem { what, near: &self.body[at..self.body.len().min(at + 4 * SHOWN_BYTES)] }
    }

    fn skip_spaces(&mut self) {
        while self.body.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }

    fn is_line_end(&self) -> bool {
        matches!(self.body.get(self.at), None | Some(b'\n' | b'\r'))
    }
}

/// Whether a backslash takes its meaning from the byte at this place: an odd number of them stands before it.
#[inline]
pub(super) fn is_escaped(text: &[u8], at: usize) -> bool {
    let backslashes = text[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
    backslashes % 2 == 1
}

#[inline]
fn whole_number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    // Nineteen digits fit into an unsigned number, and every time that fits into a signed one has no more.
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    if negative { 0i64.checked_sub_unsigned(number) } else { i64::try_from(number).ok() }
}
