//! Cuts a query into words. Numbers, durations and quoted texts are read here, with all their escapes.

mod number;
mod text;

use crate::place::{QuerySpan, SyntaxError};
use crate::token::{QueryToken, TokenKind};

pub(crate) use number::UNITS;

/// Bytes of a query. The longest that dashboards send have a few thousand.
pub const QUERY_BYTES_MAX: usize = 64 << 10;

/// Longer ones first, so that `=~` is not taken for `=`.
const SIGNS: [&str; 27] = [
    "=~", "!~", "!=", "==", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", ":", "@", "+", "-", "*", "/", "%", "^", "=",
    ">", "<", ";", "!", "&",
];

pub(crate) fn tokens(query: &str) -> Result<Vec<QueryToken>, SyntaxError> {
    if query.len() > QUERY_BYTES_MAX {
        let problem = format!("the query has {} bytes", query.len());
        return Err(SyntaxError::new(
            query,
            QuerySpan::default(),
            problem,
            format!("at most {QUERY_BYTES_MAX} will do"),
        ));
    }
    let mut lexer = Lexer { query, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let start = lexer.at;
        let kind = lexer.token()?;
        let end = kind == TokenKind::End;
        tokens.push(QueryToken { kind, span: QuerySpan { start, end: lexer.at } });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    query: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.query[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_blanks(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            if self.peek() != Some('#') {
                return;
            }
            self.take_while(|c| !matches!(c, '\n' | '\r'));
        }
    }

    fn token(&mut self) -> Result<TokenKind, SyntaxError> {
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        if first.is_ascii_digit() || (first == '.' && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit())) {
            return self.number();
        }
        let colon_name =
            first == ':' && self.rest()[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':'));
        if first.is_ascii_alphabetic() || first == '_' || colon_name {
            return Ok(self.name());
        }
        if matches!(first, '"' | '\'' | '`') {
            return self.text(first);
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign)) {
            self.at += sign.len();
            return Ok(TokenKind::Sign(sign));
        }
        let span = QuerySpan { start: self.at, end: self.at + first.len_utf8() };
        let cure = "names with other characters are written in quotes within braces, as {\"cpu.busy\"}";
        Err(SyntaxError::new(self.query, span, format!("unexpected character {first:?}"), cure))
    }

    fn name(&mut self) -> TokenKind {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if !self.rest().starts_with(':') {
            return match name.to_ascii_lowercase().as_str() {
                "inf" => TokenKind::Number(f64::INFINITY),
                "nan" => TokenKind::Number(f64::NAN),
                _ => TokenKind::Name(name.into()),
            };
        }
        let start = self.at - name.len();
        self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
        TokenKind::Name(self.query[start..self.at].into())
    }

    fn error(&self, start: usize, problem: impl Into<String>, cure: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.query, QuerySpan { start, end: self.at }, problem, cure)
    }
}

#[cfg(test)]
mod tests;
