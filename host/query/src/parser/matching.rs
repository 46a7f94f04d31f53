//! What stands between an operator and its right side: `on (…)`, `ignoring (…)`, `group_left (…)`.

use super::Parser;
use crate::ast::{GroupSide, Matching};
use crate::place::SyntaxError;
use crate::token::TokenKind;

impl Parser<'_> {
    pub(super) fn matching(&mut self) -> Result<Matching, SyntaxError> {
        let mut matching = Matching { on: self.peek().is_word("on"), ..Matching::default() };
        if !matching.on && !self.peek().is_word("ignoring") {
            return Ok(matching);
        }
        self.next();
        matching.labels = self.labels("vector matching")?;
        let left = self.peek().is_word("group_left");
        if left || self.peek().is_word("group_right") {
            self.next();
            let include = if self.peek().is("(") { self.labels("vector matching")? } else { Vec::new() };
            matching.group = Some(GroupSide { left, include });
        }
        Ok(matching)
    }

    /// Labels in parentheses; words of the language may be labels too.
    pub(super) fn labels(&mut self, context: &str) -> Result<Vec<String>, SyntaxError> {
        self.expect("(", context)?;
        let mut labels = Vec::new();
        while !self.take(")") {
            let at = self.at;
            match self.next().kind {
                TokenKind::Name(name) if !name.contains(':') => labels.push(name),
                TokenKind::Text(name) if !name.is_empty() => labels.push(name),
                _ => {
                    self.at = at;
                    return Err(self.unexpected(context, "expected a label's name"));
                }
            }
            if !self.peek().is(")") {
                self.expect(",", context)?;
            }
        }
        Ok(labels)
    }
}
