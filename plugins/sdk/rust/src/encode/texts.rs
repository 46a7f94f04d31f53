//! Texts that many series share, each kept once: the tags of all metrics of one host, the name of one metric on all.

use std::collections::HashMap;
use std::rc::Rc;

/// Byte strings, each known by a number as long as something holds it.
///
/// Made for `define` and `forget`; in `write`, [`get`](Texts::get) costs an index.
#[derive(Debug, Default)]
pub struct Texts {
    numbers: HashMap<Rc<[u8]>, u32>,
    held: Vec<TextEntry>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct TextEntry {
    text: Rc<[u8]>,
    uses: u32,
}

impl Texts {
    /// The number of a text, which it keeps until it was [let go](Texts::release) as often as it was held. Numbers are
    /// dense: they begin at zero, and those that became free are given again.
    pub fn hold(&mut self, text: &[u8]) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            self.held[number as usize].uses += 1;
            return number;
        }
        let text: Rc<[u8]> = text.into();
        let held = TextEntry { text: text.clone(), uses: 1 };
        let number = match self.free.pop() {
            Some(number) => {
                self.held[number as usize] = held;
                number
            }
            None => {
                self.held.push(held);
                u32::try_from(self.held.len() - 1)
                    .expect("there are fewer texts than series, whose handles are 32 bits")
            }
        };
        self.numbers.insert(text, number);
        number
    }

    /// The text behind a number that is held.
    #[must_use]
    pub fn get(&self, number: u32) -> &[u8] {
        &self.held[number as usize].text
    }

    /// Lets a text go once.
    pub fn release(&mut self, number: u32) {
        let held = &mut self.held[number as usize];
        held.uses -= 1;
        if held.uses == 0 {
            self.numbers.remove(&held.text);
            held.text = Rc::new([]);
            self.free.push(number);
        }
    }

    /// One more than the greatest number that was ever given.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_its_number_given_again_when_nothing_holds_it() {
        let mut texts = Texts::default();
        let (a, b) = (texts.hold(b"a"), texts.hold(b"b"));
        assert_eq!((texts.hold(b"a"), texts.bound()), (a, 2));
        texts.release(a);
        assert_eq!((texts.get(a), texts.get(b)), (&b"a"[..], &b"b"[..]));
        texts.release(a);
        assert_eq!((texts.hold(b"c"), texts.bound()), (a, 2));
        assert_eq!(texts.get(a), b"c");
        assert_ne!(texts.hold(b"a"), a);
    }
}
