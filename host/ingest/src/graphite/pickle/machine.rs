//! The part of Python's pickle machine that makes data: protocols 0 to 5, numbers, texts, lists and tuples.

use std::collections::HashMap;

/// Values of one pickle, in all: some times those of the longest that is sane.
const VALUES_MAX: usize = 1 << 18;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Number(f64),
    Text(&'a [u8]),
    None,
    /// A list or a tuple: its place among all.
    Items(usize),
    /// Where the items of one begin.
    Mark,
}

/// What is wrong with a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum What {
    #[error("it ends too early")]
    Short,
    #[error("opcode {0:#04x} makes more than numbers, texts, lists and tuples")]
    Opcode(u8),
    #[error("it takes what is not there")]
    Stack,
    #[error("a number in it is none")]
    Number,
    #[error("a text in it has escapes")]
    Escapes,
    #[error("it has more than {VALUES_MAX} values")]
    TooMany,
}

/// What runs a pickle.
#[derive(Default)]
pub(super) struct Machine<'a> {
    stack: Vec<Value<'a>>,
    lists: Vec<Vec<Value<'a>>>,
    memo: HashMap<u32, Value<'a>>,
    /// Values that were made.
    count: usize,
}

/// What has not been read of a pickle.
struct Code<'a>(&'a [u8]);

impl<'a> Code<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], What> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(What::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], What> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(What::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, What> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, What> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A text with its length before it, in so many bytes.
    fn counted(&mut self, bytes: usize) -> Result<&'a [u8], What> {
        let length = self.take(bytes)?.iter().rev().fold(0_u64, |length, &byte| length << 8 | u64::from(byte));
        self.take(usize::try_from(length).map_err(|_| What::Short)?)
    }

    fn line(&mut self) -> Result<&'a [u8], What> {
        let end = memchr::memchr(b'\n', self.0).ok_or(What::Short)?;
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, What> {
        let text = std::str::from_utf8(self.line()?).map_err(|_| What::Number)?;
        text.strip_suffix('L').unwrap_or(text).parse().map_err(|_| What::Number)
    }
}

impl<'a> Machine<'a> {
    /// Runs a pickle; answers what it makes.
    pub(super) fn run(&mut self, pickle: &'a [u8]) -> Result<Value<'a>, What> {
        let mut code = Code(pickle);
        loop {
            match code.byte()? {
                b'.' => return self.pop(),
                opcode => self.step(opcode, &mut code)?,
            }
        }
    }

    /// What stands in a list or a tuple.
    pub(super) fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Items(place) => self.lists.get(place).map(Vec::as_slice),
            _ => None,
        }
    }

    fn step(&mut self, opcode: u8, code: &mut Code<'a>) -> Result<(), What> {
        match opcode {
            // A protocol, a frame: how it is packed, not what it holds.
            0x80 => code.byte().map(drop),
            0x95 => code.take(8).map(drop),
            b'N' => self.push(Value::None),
            b'K' => self.number(f64::from(code.byte()?)),
            b'M' => self.number(f64::from(u16::from_le_bytes(code.array()?))),
            b'J' => self.number(f64::from(i32::from_le_bytes(code.array()?))),
            b'G' => self.number(f64::from_be_bytes(code.array()?)),
            b'F' => {
                let number = code.number()?;
                self.number(number)
            }
            b'I' | b'L' => {
                let number: i64 = code.number()?;
                self.number(number as f64)
            }
            0x8a => {
                let bytes = code.counted(1)?;
                self.number(long(bytes)?)
            }
            0x88 => self.number(1.0),
            0x89 => self.number(0.0),
            b'U' | 0x8c | b'C' => self.text(code.counted(1)?),
            b'T' | b'X' | b'B' => self.text(code.counted(4)?),
            0x8d | 0x8e => self.text(code.counted(8)?),
            b'S' => {
                let quoted = code.line()?;
                let text = match quoted {
                    [b'\'', text @ .., b'\''] | [b'"', text @ .., b'"'] => text,
                    _ => return Err(What::Short),
                };
                self.text(without_escapes(text)?)
            }
            b'V' => {
                let text = code.line()?;
                self.text(without_escapes(text)?)
            }
            _ => self.build(opcode, code),
        }
    }

    /// What puts values together, and remembers them.
    fn build(&mut self, opcode: u8, code: &mut Code<'a>) -> Result<(), What> {
        match opcode {
            b'(' => self.push(Value::Mark),
            b']' | b')' => self.list(Vec::new()),
            b'l' | b't' => {
                let items = self.take_to_mark()?;
                self.list(items)
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(opcode - 0x84)).ok_or(What::Stack)?;
                let items = self.stack.split_off(from);
                self.list(items)
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])
            }
            b'e' => {
                let items = self.take_to_mark()?;
                self.extend(&items)
            }
            b'0' => self.pop().map(drop),
            b'1' => self.take_to_mark().map(drop),
            b'p' | b'q' | b'r' | 0x94 => {
                let place = match opcode {
                    b'p' => code.number()?,
                    b'q' => u32::from(code.byte()?),
                    b'r' => code.u32()?,
                    _ => u32::try_from(self.memo.len()).map_err(|_| What::TooMany)?,
                };
                let value = *self.stack.last().ok_or(What::Stack)?;
                self.counted()?;
                self.memo.insert(place, value);
                Ok(())
            }
            b'g' | b'h' | b'j' => {
                let place = match opcode {
                    b'g' => code.number()?,
                    b'h' => u32::from(code.byte()?),
                    _ => code.u32()?,
                };
                self.push(*self.memo.get(&place).ok_or(What::Stack)?)
            }
            opcode => Err(What::Opcode(opcode)),
        }
    }

    fn counted(&mut self) -> Result<(), What> {
        self.count += 1;
        if self.count > VALUES_MAX { Err(What::TooMany) } else { Ok(()) }
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), What> {
        self.counted()?;
        self.stack.push(value);
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<(), What> {
        self.push(Value::Number(number))
    }

    fn text(&mut self, text: &'a [u8]) -> Result<(), What> {
        self.push(Value::Text(text))
    }

    fn list(&mut self, items: Vec<Value<'a>>) -> Result<(), What> {
        self.lists.push(items);
        self.push(Value::Items(self.lists.len() - 1))
    }

    fn pop(&mut self) -> Result<Value<'a>, What> {
        self.stack.pop().filter(|value| *value != Value::Mark).ok_or(What::Stack)
    }

    /// What was pushed since the last mark.
    fn take_to_mark(&mut self) -> Result<Vec<Value<'a>>, What> {
        let mark = self.stack.iter().rposition(|value| *value == Value::Mark).ok_or(What::Stack)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    /// Adds to the list on top.
    fn extend(&mut self, items: &[Value<'a>]) -> Result<(), What> {
        let Some(Value::Items(place)) = self.stack.last() else { return Err(What::Stack) };
        self.lists.get_mut(*place).ok_or(What::Stack)?.extend_from_slice(items);
        Ok(())
    }
}

/// A whole number in as many bytes as it needs, the lowest first, with a sign.
fn long(bytes: &[u8]) -> Result<f64, What> {
    if bytes.len() > 8 {
        return Err(What::Number);
    }
    let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = if is_negative { [0xff; 8] } else { [0; 8] };
    whole[..bytes.len()].copy_from_slice(bytes);
    Ok(i64::from_le_bytes(whole) as f64)
}

fn without_escapes(text: &[u8]) -> Result<&[u8], What> {
    if text.contains(&b'\\') { Err(What::Escapes) } else { Ok(text) }
}
