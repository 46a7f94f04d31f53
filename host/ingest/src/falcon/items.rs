//! The items of a JSON array, one by one: nothing is kept of those that were read, however many there are.

use saker_model::text::{NAME_BYTES_MAX, clean};
use serde_json::error::Category;

use super::item::Item;

/// An item is no longer, so that one cannot hold up the rest; a line of Influx' has the same limit.
const ITEM_BYTES_MAX: usize = 256 << 10;

/// A place in an array.
pub(super) struct Items<'a> {
    body: &'a [u8],
    at: usize,
    stage: ArrayStage,
    count: usize,
}

/// What stands at a place.
pub(super) enum FoundItem<'a> {
    Item(Item<'a>),
    Null,
    /// What is too long to be looked at; it was passed over.
    TooLong(String),
}

#[derive(Clone, Copy, PartialEq)]
enum ArrayStage {
    Before,
    First,
    Within,
    After,
}

impl<'a> Items<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, stage: ArrayStage::Before, count: 0 }
    }

    /// The next item; or what is wrong with the array, and where.
    pub(super) fn next_item(&mut self) -> Result<Option<FoundItem<'a>>, String> {
        if self.stage == ArrayStage::Before {
            self.expect(b'[', "a list")?;
            self.stage = ArrayStage::First;
        }
        if self.stage == ArrayStage::After {
            return Ok(None);
        }
        match (self.stage, self.peek()) {
            (_, Some(b']')) => {
                self.at += 1;
                self.stage = ArrayStage::After;
                return if self.peek().is_none() { Ok(None) } else { Err(self.wrong("something follows the list")) };
            }
            (ArrayStage::Within, Some(b',')) => self.at += 1,
            (ArrayStage::Within, _) => return Err(self.wrong("expected , or ]")),
            _ => {}
        }
        self.stage = ArrayStage::Within;
        self.item().map(Some)
    }

    fn item(&mut self) -> Result<FoundItem<'a>, String> {
        let rest = &self.body[self.at..];
        let window = &rest[..rest.len().min(ITEM_BYTES_MAX)];
        let mut values = serde_json::Deserializer::from_slice(window).into_iter::<Option<Item<'a>>>();
        let item = match values.next() {
            Some(Ok(item)) => item,
            Some(Err(error)) if error.classify() == Category::Eof && window.len() < rest.len() => {
                return self.pass_over();
            }
            Some(Err(error)) => return Err(self.wrong(&bare(&error))),
            None => return Err(self.wrong("it is not there")),
        };
        self.at += values.byte_offset();
        self.count += 1;
        Ok(item.map_or(FoundItem::Null, FoundItem::Item))
    }

    /// Goes to the end of an item that is too long.
    fn pass_over(&mut self) -> Result<FoundItem<'a>, String> {
        let rest = &self.body[self.at..];
        let Some(bytes) = length(rest) else {
            return Err(self.wrong(&format!("it has more than {ITEM_BYTES_MAX} bytes, and no end")));
        };
        let begin = String::from_utf8_lossy(&rest[..bytes.min(NAME_BYTES_MAX)]);
        let begin = clean(begin.trim_end_matches(char::REPLACEMENT_CHARACTER), NAME_BYTES_MAX);
        self.at += bytes;
        self.count += 1;
        Ok(FoundItem::TooLong(format!("it has {bytes} bytes, more than {ITEM_BYTES_MAX}; it begins with {begin}")))
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.body[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.body.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), String> {
        if self.peek() != Some(byte) {
            return Err(format!("expected {what} that begins with {}", char::from(byte)));
        }
        self.at += 1;
        Ok(())
    }

    fn wrong(&self, what: &str) -> String {
        format!("item {}, at byte {}: {what}", self.count, self.at)
    }
}

/// How long the value is that begins here; none if it does not end. What is within is not looked at, but for what tells
/// its end.
fn length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_text, mut at) = (0_usize, false, 0);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 && !in_text {
            return (at <= text.len()).then_some(at);
        }
    }
    None
}

/// What is wrong, without the place, which is that within the item.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many items there are, or what is wrong.
    fn count(body: &str) -> Result<usize, String> {
        let mut items = Items::new(body.as_bytes());
        let mut count = 0;
        while items.next_item()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn items_are_read_one_by_one() {
        for (body, expected) in
            [("[]", 0), (" [ ] ", 0), ("[{}]", 1), (" [ {\"metric\":\"m\"} ,\n{\"a\":[[1],{\"b\":2}]},null ]\n", 3)]
        {
            assert_eq!(count(body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_is_no_list_is_named_with_its_place() {
        for (body, expected) in [
            ("", "expected a list that begins with ["),
            ("{}", "expected a list that begins with ["),
            ("[", "item 0, at byte 1: it is not there"),
            ("[{]", "item 0, at byte 1: key must be a string"),
            ("[{}", "item 1, at byte 3: expected , or ]"),
            ("[{} {}]", "item 1, at byte 4: expected , or ]"),
            ("[{},]", "item 1, at byte 4: expected value"),
            ("[,{}]", "item 0, at byte 1: expected value"),
            ("[{}] x", "item 1, at byte 5: something follows the list"),
            ("[{}][{}]", "item 1, at byte 4: something follows the list"),
            ("[{\"a\":1", "item 0, at byte 1: EOF while parsing an object"),
        ] {
            assert_eq!(count(body).unwrap_err(), expected, "{body}");
        }
        assert!(
            count("[1]").unwrap_err().starts_with("item 0, at byte 1: invalid type: integer `1`, expected an object")
        );
    }

    #[test]
    fn an_item_that_is_too_long_is_passed_over_to_its_own_end_and_named() {
        let long = "x\\\"]},{\\\\".repeat(ITEM_BYTES_MAX / 8);
        for item in [
            format!("{{\"endpoint\":\"{long}\",\"metric\":\"m\"}}"),
            format!("{{\"other\":[{{\"a\":\"{long}\"}}],\"metric\":\"m\"}}"),
        ] {
            let body = format!("[{item},{{\"metric\":\"good\"}} , {item}]");
            let mut items = Items::new(body.as_bytes());
            let Some(FoundItem::TooLong(what)) = items.next_item().unwrap() else { panic!("{}", &item[..20]) };
            assert!(
                what.starts_with(&format!("it has {} bytes, more than 262144; it begins with", item.len())),
                "{what}"
            );
            assert!(what.len() < 1000, "{}", what.len());
            assert!(matches!(items.next_item(), Ok(Some(FoundItem::Item(_)))));
            assert!(matches!(items.next_item(), Ok(Some(FoundItem::TooLong(_)))));
            assert!(matches!(items.next_item(), Ok(None)));
        }
    }

    #[test]
    fn an_item_is_bounded_in_length_and_depth() {
        let long = format!("[{{\"metric\":\"{}\"}}]", "x".repeat(ITEM_BYTES_MAX));
        assert_eq!(count(&long), Ok(1), "it is passed over");
        assert_eq!(
            count(&long[..long.len() - 4]).unwrap_err(),
            "item 0, at byte 1: it has more than 262144 bytes, and no end"
        );
        let deep = format!("[{{\"value\":{}", "[".repeat(ITEM_BYTES_MAX / 2));
        assert!(count(&deep).is_err());
        let deep_ignored = format!("[{{\"other\":{}1{}}}]", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(count(&deep_ignored), Ok(1));
    }
}
