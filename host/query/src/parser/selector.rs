//! Selectors: `cpu_busy{core="0"}`, `{"cpu.busy", "disk.name"=~"sd."}`.

use super::Parser;
use crate::ast::{Expr, ExprKind, LabelMatcher, MatchOp, Selector, TimeShift};
use crate::pattern::TextPattern;
use crate::place::SyntaxError;
use crate::token::TokenKind;

/// Matchers of one selector.
const MATCHERS_MAX: usize = 200;

impl Parser<'_> {
    pub(super) fn selector(&mut self, name: Option<&str>) -> Result<Expr, SyntaxError> {
        let start = self.peek().span;
        let mut selector = Selector { name: name.map(Into::into), matchers: Vec::new(), time: TimeShift::default() };
        if name.is_some() {
            self.next();
        }
        if self.take("{") {
            self.matchers(&mut selector)?;
        }
        let span = self.since(start);
        self.checker().selector(&selector, span)?;
        Ok(Expr { kind: ExprKind::Selector(selector), span })
    }

    fn matchers(&mut self, selector: &mut Selector) -> Result<(), SyntaxError> {
        while !self.take("}") {
            self.matcher(selector)?;
            if selector.matchers.len() > MATCHERS_MAX {
                return Err(self.error_here(format!("more than {MATCHERS_MAX} matchers"), "match several by a pattern"));
            }
            if !self.peek().is("}") && !self.take(",") {
                return Err(self.unexpected("label matching", "expected \",\" or \"}\""));
            }
        }
        Ok(())
    }

    fn matcher(&mut self, selector: &mut Selector) -> Result<(), SyntaxError> {
        let at = self.at;
        let token = self.next();
        let (label, quoted) = match token.kind {
            TokenKind::Name(name) if !name.contains(':') => (name, false),
            TokenKind::Text(name) => (name, true),
            _ => {
                self.at = at;
                return Err(self.unexpected("label matching", "expected a label's name or \"}\""));
            }
        };
        if quoted && (self.peek().is("}") || self.peek().is(",")) {
            if let Some(name) = &selector.name {
                let problem = format!("metric name must not be set twice: {name:?} or {label:?}");
                return Err(self.error(token.span, problem, "leave one of them out"));
            }
            selector.name = Some(label);
            return Ok(());
        }
        let op = self.match_op()?;
        let span = self.peek().span;
        let TokenKind::Text(value) = self.peek().kind.clone() else {
            return Err(self.unexpected("label matching", "expected a string in quotes"));
        };
        self.next();
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex) {
            TextPattern::new(&value).map_err(|error| {
                self.error(span, format!("bad pattern: {error}"), "it is a regular expression (RE2)")
            })?;
        }
        selector.matchers.push(LabelMatcher { label, op, value });
        Ok(())
    }

    fn match_op(&mut self) -> Result<MatchOp, SyntaxError> {
        let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
        match ops.into_iter().find(|op| self.peek().is(op.as_str())) {
            Some(op) => {
                self.next();
                Ok(op)
            }
            None => Err(self.unexpected("label matching", "expected one of =, !=, =~ and !~")),
        }
    }
}
