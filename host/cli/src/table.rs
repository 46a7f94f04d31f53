//! What goes to the terminal: columns of text, and JSON.
//!
//! A cell may hold what a plugin, a server or a lock file says, so what a terminal would act on is taken out here.

use std::fmt::Write;

use saker_model::text::{clean, is_clean};
use serde_json::Value;

/// Bytes of a cell.
const CELL_BYTES_MAX: usize = 8 << 10;

/// Rows with their columns lined up; the last column of a row may be as long as it likes.
pub fn render(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> =
        rows.iter().map(|row| row.iter().map(|cell| clean(cell, CELL_BYTES_MAX)).collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in &rows {
        let last = row.len().saturating_sub(1);
        for (column, cell) in row.iter().enumerate() {
            if column < last {
                text.push_str(&format!("{cell:<width$}  ", width = widths[column]));
            } else {
                text.push_str(cell);
            }
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// JSON for a terminal or a program: what a terminal would act on stands in it as an escape, which means the same.
pub fn json(value: &Value) -> String {
    let text = format!("{value:#}");
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        let mut bytes = [0; 4];
        if c == '\n' || is_clean(c.encode_utf8(&mut bytes)) {
            line.push(c);
            continue;
        }
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            // Writing to a string does not fail.
            let _ = write!(line, "\\u{unit:04x}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_one_line_that_no_terminal_acts_on() {
        let rows =
            [vec!["a\x1b[2J".to_owned(), "two\nlines\u{202e}".to_owned()], vec!["b".to_owned(), "x".repeat(1 << 20)]];
        let text = render(&rows);
        assert!(text.starts_with("a [2J  two lines\nb      xxx") && text.len() < 2 * CELL_BYTES_MAX, "{}", text.len());
    }

    #[test]
    fn json_means_the_same_and_shows_nothing_to_a_terminal() {
        let value = json!({"a\u{9b}": ["x\x1b[2J\n\u{202e}\u{e0041}\u{7f}", "Grüße"]});
        let text = super::json(&value);
        assert!(text.lines().all(is_clean), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let rows = [vec!["a", "bb", "c"], vec!["aaa", "", ""]];
        let rows = rows.map(|row| row.into_iter().map(String::from).collect::<Vec<_>>());
        assert_eq!(render(&rows), "a    bb  c\naaa\n");
    }
}
