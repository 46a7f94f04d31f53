//! Builds the tree of a query: operators by precedence here, everything else in the modules below.

mod aggregate;
mod matching;
mod modifiers;
mod selector;

use crate::ast::{AggregateOp, Binary, BinaryOp, Expr, ExprKind};
use crate::lexer::tokens;
use crate::place::{QuerySpan, SyntaxError};
use crate::signature::{Function, nearest};
use crate::token::{QueryToken, TokenKind};
use crate::types::TypeChecker;

/// How deep parentheses and calls may nest; each level costs a few frames of a query thread's stack.
const DEPTH_MAX: usize = 100;
/// How many operators a query may have: a chain of them is a tree as deep.
const OPERATORS_MAX: usize = 500;

/// Parses a query and checks its types.
///
/// # Errors
/// [`SyntaxError`], with the place and the cure.
pub fn parse(query: &str) -> Result<Expr, SyntaxError> {
    let mut parser = Parser { query, tokens: tokens(query)?, at: 0, depth: 0, operators: 0 };
    if parser.peek().kind == TokenKind::End {
        return Err(parser.error_here("no expression found in input", "write a metric's name, for example"));
    }
    let expr = parser.expression(0)?;
    match parser.peek().kind {
        TokenKind::End => Ok(expr),
        _ => Err(parser.unexpected("the end of the query", "an operator may be missing before it")),
    }
}

struct Parser<'a> {
    query: &'a str,
    tokens: Vec<QueryToken>,
    at: usize,
    depth: usize,
    operators: usize,
}

/// Precedence of the operator that binds most, and of signs before an expression, which bind less than that.
const POWER: u8 = 6;

fn binary_op(token: &QueryToken) -> Option<(BinaryOp, u8)> {
    use BinaryOp::*;
    let op = match &token.kind {
        TokenKind::Sign(sign) => match *sign {
            "+" => Add,
            "-" => Sub,
            "*" => Mul,
            "/" => Div,
            "%" => Mod,
            "^" => Pow,
            "==" => Equal,
            "!=" => NotEqual,
            ">" => Greater,
            "<" => Less,
            ">=" => GreaterOrEqual,
            "<=" => LessOrEqual,
            _ => return None,
        },
        TokenKind::Name(name) => match name.to_ascii_lowercase().as_str() {
            "and" => And,
            "or" => Or,
            "unless" => Unless,
            "atan2" => Atan2,
            _ => return None,
        },
        _ => return None,
    };
    let precedence = match op {
        Or => 1,
        And | Unless => 2,
        op if op.is_comparison() => 3,
        Add | Sub => 4,
        Pow => POWER,
        _ => 5,
    };
    Some((op, precedence))
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &QueryToken {
        &self.tokens[self.at]
    }

    fn peek_after(&self) -> &QueryToken {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> QueryToken {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.peek().is(sign);
        if found {
            self.next();
        }
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_word(word);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, sign: &str, context: &str) -> Result<QuerySpan, SyntaxError> {
        let span = self.peek().span;
        if self.take(sign) { Ok(span) } else { Err(self.unexpected(context, &format!("expected {sign:?}"))) }
    }

    /// From a place to the end of the word that was taken last.
    fn since(&self, start: QuerySpan) -> QuerySpan {
        start.to(self.tokens[self.at.saturating_sub(1)].span)
    }

    fn error(&self, span: QuerySpan, problem: impl Into<String>, cure: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.query, span, problem, cure)
    }

    fn error_here(&self, problem: impl Into<String>, cure: impl Into<String>) -> SyntaxError {
        self.error(self.peek().span, problem, cure)
    }

    fn unexpected(&self, context: &str, cure: &str) -> SyntaxError {
        self.error_here(format!("unexpected {} in {context}", self.peek().describe()), cure)
    }

    fn checker(&self) -> TypeChecker<'a> {
        TypeChecker { query: self.query }
    }

    fn expression(&mut self, least: u8) -> Result<Expr, SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error_here(format!("more than {DEPTH_MAX} levels"), "take the query apart"));
        }
        let mut left = self.signed()?;
        while let Some((op, precedence)) = binary_op(self.peek()).filter(|(_, precedence)| *precedence >= least) {
            left = self.binary(left, op, precedence)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn binary(&mut self, left: Expr, op: BinaryOp, precedence: u8) -> Result<Expr, SyntaxError> {
        let operator = self.next().span;
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            return Err(self.error(
                operator,
                format!("more than {OPERATORS_MAX} operators"),
                "match several by a pattern",
            ));
        }
        let bool = self.take_word("bool");
        let matching = self.matching()?;
        // The power is the only one that groups from the right.
        let right = self.expression(if op == BinaryOp::Pow { precedence } else { precedence + 1 })?;
        let span = left.span.to(right.span);
        let binary = Binary { op, left: left.into(), right: right.into(), bool, matching };
        self.checker().binary(&binary, operator)?;
        Ok(Expr { kind: ExprKind::Binary(binary), span })
    }

    fn signed(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.peek().span;
        let negative = self.peek().is("-");
        if !negative && !self.peek().is("+") {
            return self.postfixed();
        }
        self.next();
        self.operators += 1;
        let operand = self.expression(POWER)?;
        self.checker().unary(&operand)?;
        let span = self.since(start);
        let kind = match operand.kind {
            ExprKind::Number { value, duration } => {
                ExprKind::Number { value: if negative { -value } else { value }, duration }
            }
            _ => ExprKind::Unary { negative, operand: operand.into() },
        };
        Ok(Expr { kind, span })
    }

    fn primary(&mut self) -> Result<Expr, SyntaxError> {
        let token = self.peek().clone();
        let kind = match &token.kind {
            TokenKind::Number(value) => ExprKind::Number { value: *value, duration: false },
            TokenKind::Duration(duration_ms) => {
                ExprKind::Number { value: *duration_ms as f64 / 1000.0, duration: true }
            }
            TokenKind::Text(text) => ExprKind::Text(text.clone()),
            TokenKind::Sign("(") => return self.parenthesis(),
            TokenKind::Sign("{") => return self.selector(None),
            TokenKind::Name(name) => return self.named(name),
            _ => return Err(self.unexpected("expression", "expected a metric, a function, a number or \"(\"")),
        };
        self.next();
        Ok(Expr { kind, span: token.span })
    }

    fn parenthesis(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.next().span;
        let inner = self.expression(0)?;
        self.expect(")", "parenthesised expression")?;
        Ok(Expr { kind: ExprKind::Paren(inner.into()), span: self.since(start) })
    }

    fn named(&mut self, name: &str) -> Result<Expr, SyntaxError> {
        let after = self.peek_after();
        let aggregate = AggregateOp::ALL.into_iter().find(|op| name.eq_ignore_ascii_case(op.as_str()));
        if let Some(op) = aggregate.filter(|_| after.is("(") || after.is_word("by") || after.is_word("without")) {
            return self.aggregate(op);
        }
        if after.is("(") {
            return self.call(name);
        }
        if ["bool", "on", "ignoring", "group_left", "group_right"].iter().any(|word| name.eq_ignore_ascii_case(word)) {
            return Err(self.unexpected("expression", "this word stands after an operator only"));
        }
        self.selector(Some(name))
    }

    fn call(&mut self, name: &str) -> Result<Expr, SyntaxError> {
        let start = self.peek().span;
        let Some(function) = Function::find(name) else {
            let meant =
                nearest(name).map_or("see the list of functions".into(), |meant| format!("did you mean {meant}?"));
            return Err(self.error_here(format!("unknown function with name {name:?}"), meant));
        };
        self.next();
        let arguments = self.arguments()?;
        let span = self.since(start);
        self.checker().call(function, &arguments, span)?;
        Ok(Expr { kind: ExprKind::Call { function, arguments }, span })
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, SyntaxError> {
        self.expect("(", "function call")?;
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if self.take(")") {
                return Ok(arguments);
            }
            self.expect(",", "function call")?;
        }
    }
}

#[cfg(test)]
mod tests;
