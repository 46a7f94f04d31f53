//! The words of a query.

use crate::place::QuerySpan;

/// What a word is. Keywords are names: the parser knows from their place what they mean, as a metric may be called
/// `sum` or `by`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A name, with or without colons.
    Name(String),
    Number(f64),
    /// A length of time such as `5m`, in milliseconds.
    Duration(i64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueryToken {
    pub(crate) kind: TokenKind,
    pub(crate) span: QuerySpan,
}

impl QueryToken {
    /// Whether it is this operator or bracket.
    pub(crate) fn is(&self, sign: &str) -> bool {
        matches!(&self.kind, TokenKind::Sign(found) if *found == sign)
    }

    /// Whether it is this keyword, in whatever case.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, TokenKind::Name(found) if found.eq_ignore_ascii_case(word))
    }

    /// For an error: what stands there.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            TokenKind::Name(name) => format!("{name:?}"),
            TokenKind::Number(value) => format!("number {value}"),
            TokenKind::Duration(_) => "duration".into(),
            TokenKind::Text(_) => "string".into(),
            TokenKind::Sign(sign) => format!("{sign:?}"),
            TokenKind::End => "end of input".into(),
        }
    }
}
