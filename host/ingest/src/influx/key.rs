//! Takes a key apart: measurement and tags. Done once for each key that is new, and checked before anything is taken.

use std::borrow::Cow;

use super::line::{LineErrorKind, is_escaped};

/// Measurement and tags as they are written, known to be in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineKey<'a> {
    measurement: &'a str,
    /// `tag=value,tag=value`, or nothing.
    tags: &'a str,
}

impl<'a> LineKey<'a> {
    /// Checks a key.
    pub(super) fn read(raw: &'a [u8]) -> Result<Self, LineErrorKind> {
        let text = std::str::from_utf8(raw).map_err(|_| LineErrorKind::NotUtf8)?;
        let (measurement, tags) = split(text, b',').unwrap_or((text, ""));
        if measurement.is_empty() {
            return Err(LineErrorKind::NoMeasurement);
        }
        let key = Self { measurement, tags };
        let is_tag = |tag| split(tag, b'=').is_some_and(|(name, _)| !name.is_empty());
        if measurement.len() < text.len() && !key.raw_tags().all(is_tag) {
            return Err(LineErrorKind::BadTag);
        }
        Ok(key)
    }

    pub(super) fn measurement(&self) -> Cow<'a, str> {
        unescape(self.measurement, |byte| matches!(byte, b',' | b' ' | b'\\'))
    }

    /// The tags in their order.
    pub(super) fn tags(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.raw_tags().filter_map(|tag| split(tag, b'=')).map(|(name, value)| (unescaped(name), unescaped(value)))
    }

    fn raw_tags(&self) -> impl Iterator<Item = &'a str> {
        let mut rest = Some(self.tags);
        std::iter::from_fn(move || {
            let (tag, behind) = match split(rest?, b',') {
                Some((tag, behind)) => (tag, Some(behind)),
                None => (rest?, None),
            };
            rest = behind;
            Some(tag)
        })
    }
}

/// The text behind the escapes of a tag or a field's name.
pub(super) fn unescaped(raw: &str) -> Cow<'_, str> {
    unescape(raw, |byte| matches!(byte, b',' | b'=' | b' ' | b'\\'))
}

/// Leaves out each backslash that stands before a byte which needs one; all others stand for themselves.
fn unescape(raw: &str, needs_one: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return raw.into();
    }
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some(next) if u8::try_from(next).is_ok_and(&needs_one) => text.push(next),
            next => text.extend([character].into_iter().chain(next)),
        }
    }
    text.into()
}

/// The text before and behind the first such byte that no backslash stands before.
fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    let found = memchr::memchr_iter(at, text.as_bytes()).find(|&found| !is_escaped(text.as_bytes(), found))?;
    Some((&text[..found], &text[found + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, measurement: &str, tags: &[(&str, &str)]) {
        let key = LineKey::read(raw.as_bytes()).unwrap();
        assert_eq!(key.measurement(), measurement, "{raw}");
        let found: Vec<_> = key.tags().collect();
        assert_eq!(found.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), tags, "{raw}");
    }

    #[test]
    fn a_key_comes_apart_at_what_is_not_escaped() {
        check("cpu", "cpu", &[]);
        check("cpu,host=a,core=0", "cpu", &[("host", "a"), ("core", "0")]);
        check(r"my\ disk\,x,pa\ th=/a\,b,e\=q=\\", "my disk,x", &[("pa th", "/a,b"), ("e=q", r"\")]);
        check(r"a\=b,c\d=\e", r"a\=b", &[(r"c\d", r"\e")]);
        check("m,a=b=c,d=", "m", &[("a", "b=c"), ("d", "")]);
    }

    #[test]
    fn what_is_no_key_is_told() {
        for (raw, expected) in [
            (&b",a=b"[..], LineErrorKind::NoMeasurement),
            (b"m,", LineErrorKind::BadTag),
            (b"m,a", LineErrorKind::BadTag),
            (b"m,=b", LineErrorKind::BadTag),
            (b"m,a=b,,c=d", LineErrorKind::BadTag),
            (b"m,a\\=b", LineErrorKind::BadTag),
            (b"m\xff", LineErrorKind::NotUtf8),
        ] {
            assert_eq!(LineKey::read(raw).unwrap_err(), expected, "{raw:?}");
        }
    }
}
