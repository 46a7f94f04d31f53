//! JSON as it lies in a message: where values end, without a look at what they hold. What has to be understood is given to
//! a parser; what was understood before is only compared.

use std::ops::Range;

use crate::batch::Batch;

/// An item of a list is no longer, so that one cannot hold up the rest; a line of Influx' has the same limit.
pub(crate) const ITEM_BYTES_MAX: usize = 256 << 10;

/// The next place that is no blank.
#[inline]
pub(crate) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Where the value ends that begins at this place; none if it does not, or if none begins there.
#[inline]
pub(crate) fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => text_end(text, at),
        b'{' | b'[' => nest_end(text, at),
        b',' | b']' | b'}' | b':' => None,
        _ => {
            let length =
                text[at..].iter().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t'));
            Some(length.map_or(text.len(), |length| at + length))
        }
    }
}

/// Where a text in quotes ends.
#[inline]
fn text_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn nest_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => {
                at = text_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The fields of an object: the name as it is written, without its quotes, and where the value stands. They end early
/// where the text is no object.
pub(crate) struct Fields<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Those of a text that begins with a brace.
    #[inline]
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        (text.first() == Some(&b'{')).then_some(Self { text, at: 1 })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Range<usize>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let mut at = skip_blanks(self.text, self.at);
        if self.at > 1 {
            if self.text.get(at) != Some(&b',') {
                return None;
            }
            at = skip_blanks(self.text, at + 1);
        }
        if self.text.get(at) != Some(&b'"') {
            return None;
        }
        let end = text_end(self.text, at)?;
        let name = &self.text[at + 1..end - 1];
        let colon = skip_blanks(self.text, end);
        if self.text.get(colon) != Some(&b':') {
            return None;
        }
        let from = skip_blanks(self.text, colon + 1);
        let to = value_end(self.text, from)?;
        self.at = to;
        Some((name, from..to))
    }
}

/// The items of a list, as they are written. They end early where the text is no list.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> List<'a> {
    /// Those of a text that begins with a bracket.
    pub(crate) fn of(text: &'a [u8]) -> Option<Self> {
        (text.first() == Some(&b'[')).then_some(Self { text, at: 1 })
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let mut at = skip_blanks(self.text, self.at);
        if self.at > 1 {
            if self.text.get(at) != Some(&b',') {
                return None;
            }
            at = skip_blanks(self.text, at + 1);
        }
        let end = value_end(self.text, at)?;
        self.at = end;
        Some(&self.text[at..end])
    }
}

/// An object's text without two of its values: what names a series, where these are its value and its time.
#[inline]
pub(crate) fn without<'a>(text: &'a [u8], one: &Range<usize>, other: &Range<usize>) -> [&'a [u8]; 3] {
    let (first, second) = if one.start <= other.start { (one, other) } else { (other, one) };
    [&text[..first.start], &text[first.end..second.start], &text[second.end..]]
}

/// A number, or one that stands in a text.
#[inline]
pub(crate) fn number(token: &[u8]) -> Option<f64> {
    let token = match token {
        [b'"', text @ .., b'"'] => text,
        token => token,
    };
    std::str::from_utf8(token).ok()?.trim().parse().ok()
}

/// What is wrong in a parser's words, without its place, which is that within the item.
pub(crate) fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map_or(text.clone(), str::to_owned)
}

/// Reads a list, or one value in place of a list, item by item: from where a batch before has ended. Answers how much was
/// read. `item` says what is wrong with one.
pub(crate) fn read_list<'a>(
    input: &'a [u8],
    out: &mut Batch<'a>,
    item: impl FnMut(&'a [u8], &mut Batch<'a>) -> Result<(), String>,
) -> usize {
    let mut at = 0;
    let is_first = out.base == 0;
    if is_first {
        at = skip_blanks(input, 0);
        match input.get(at) {
            Some(b'[') => at += 1,
            Some(b'{') => return read_one(input, at, out, item),
            None => return input.len(),
            Some(_) => return broken(input, at, out, "expected a list or an object"),
        }
    }
    read_items(input, at, is_first, Behind::Nothing, out, item)
}

/// What may stand behind a list.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Behind {
    /// Only blanks.
    Nothing,
    /// The rest of what the list is in.
    Anything,
}

/// Reads a list from within, or its rest: what stands behind an item. Answers how much was read.
pub(crate) fn read_items<'a>(
    input: &'a [u8],
    mut at: usize,
    mut is_first: bool,
    behind: Behind,
    out: &mut Batch<'a>,
    mut item: impl FnMut(&'a [u8], &mut Batch<'a>) -> Result<(), String>,
) -> usize {
    while !out.is_full() {
        at = skip_blanks(input, at);
        match input.get(at) {
            Some(b']') if behind == Behind::Anything => return input.len(),
            Some(b']') if skip_blanks(input, at + 1) == input.len() => return input.len(),
            Some(b']') => return broken(input, at + 1, out, "something follows the list"),
            Some(b',') if !is_first => at = skip_blanks(input, at + 1),
            Some(_) if is_first => {}
            Some(_) => return broken(input, at, out, "expected , or ]"),
            None => return broken(input, at, out, "the list does not end"),
        }
        is_first = false;
        let Some(end) = value_end(input, at) else { return broken(input, at, out, "the item does not end") };
        one(&input[at..end], at, out, &mut item);
        at = end;
    }
    at
}

fn read_one<'a>(
    input: &'a [u8],
    at: usize,
    out: &mut Batch<'a>,
    mut item: impl FnMut(&'a [u8], &mut Batch<'a>) -> Result<(), String>,
) -> usize {
    let Some(end) = value_end(input, at) else { return broken(input, at, out, "the object does not end") };
    one(&input[at..end], at, out, &mut item);
    match skip_blanks(input, end) {
        behind if behind == input.len() => behind,
        behind => broken(input, behind, out, "something follows the object"),
    }
}

fn one<'a>(
    text: &'a [u8],
    at: usize,
    out: &mut Batch<'a>,
    item: &mut impl FnMut(&'a [u8], &mut Batch<'a>) -> Result<(), String>,
) {
    out.begin(at);
    let read = if text.len() > ITEM_BYTES_MAX {
        Err(format!("it has {} bytes, more than {ITEM_BYTES_MAX}", text.len()))
    } else {
        item(text, out)
    };
    if let Err(what) = read {
        out.malformed(|| what);
    }
}

/// The rest cannot be read.
fn broken(input: &[u8], at: usize, out: &mut Batch<'_>, what: &'static str) -> usize {
    out.begin(at);
    out.malformed(|| what.to_owned());
    input.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_it_ends_whatever_is_in_it() {
        for (text, length) in [
            ("1,", 1),
            ("\"a\\\"]}\"x", 7),
            ("{\"a\":[1,{\"b\":\"}]\"}]} ", 20),
            ("[[],{}]]", 7),
            ("true]", 4),
            ("-1.5e3", 6),
        ] {
            assert_eq!(value_end(text.as_bytes(), 0), Some(length), "{text}");
        }
        for text in ["", "\"a", "\"a\\", "\"a\\\"", "{", "[[]", "{\"a\":\"}", ",", "]", "}", ":"] {
            assert_eq!(value_end(text.as_bytes(), 0), None, "{text}");
        }
    }

    #[test]
    fn an_objects_fields_are_found_and_what_is_none_ends_them() {
        let fields = |text: &'static str| -> Vec<(&str, &str)> {
            let fields = Fields::of(text.as_bytes()).unwrap();
            let word = |bytes: &'static [u8]| std::str::from_utf8(bytes).unwrap();
            fields.map(|(name, at)| (word(name), &text[at])).collect()
        };
        assert_eq!(
            fields("{ \"a\" : 1 ,\"b\":{\"c\":2},\"\\\"\":[3]}"),
            [("a", "1"), ("b", "{\"c\":2}"), ("\\\"", "[3]")]
        );
        assert_eq!(fields("{}"), []);
        assert_eq!(fields("{\"a\":1,x}"), [("a", "1")]);
        assert_eq!(fields("{\"a\"1}"), []);
        assert_eq!(fields("{\"a\":}"), []);
    }

    #[test]
    fn whatever_the_bytes_are_they_are_read_without_a_panic() {
        let seeds = [&b"{\"a\":[1,2,{\"b\":\"\\u0041\"}],\"c\":null}"[..], b"[\"\\\\\",\"\\\"\"]", b"[[[[{}]]]]"];
        for seed in seeds {
            for place in 0..seed.len() {
                for byte in [b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', 0, 0xff] {
                    let mut bytes = seed.to_vec();
                    bytes[place] = byte;
                    value_end(&bytes, 0);
                    Fields::of(&bytes).into_iter().flatten().for_each(drop);
                    value_end(&bytes[..place], 0);
                }
            }
        }
    }
}
