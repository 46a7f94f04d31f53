//! Where in a query something stands, and what is wrong there.

use std::fmt;

/// Bytes of a query, from `start` up to and without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct QuerySpan {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl QuerySpan {
    /// From the start of this one to the end of another.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.end) }
    }

    /// Line and column of its start in a query, both from 1; columns count characters.
    #[must_use]
    pub fn place(self, query: &str) -> QueryPosition {
        let before = &query[..query.floor_char_boundary(self.start)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        QueryPosition { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// A line and a column of a query, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryPosition {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for QueryPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A query that cannot be understood: where, what is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: parse error: {problem}; {cure}")]
pub struct SyntaxError {
    /// Line and column.
    pub place: QueryPosition,
    /// The bytes that it is about, to draw a line under them.
    pub span: QuerySpan,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub cure: String,
}

impl SyntaxError {
    pub(crate) fn new(query: &str, span: QuerySpan, problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { place: span.place(query), span, problem: problem.into(), cure: cure.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let query = "sum(\n  größe +)";
        let place = |start| QuerySpan { start, end: start }.place(query);
        assert_eq!(place(0), QueryPosition { line: 1, column: 1 });
        assert_eq!(place(query.find('+').unwrap()), QueryPosition { line: 2, column: 9 });
        assert_eq!(place(99).line, 2);
    }
}
