//! Columns of text.

/// Rows with their columns lined up; the last column of a row may be as long as it likes.
pub(super) fn render(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let rows = [vec!["a", "bb", "c"], vec!["aaa", "", ""]];
        let rows = rows.map(|row| row.into_iter().map(String::from).collect::<Vec<_>>());
        assert_eq!(render(&rows), "a    bb  c\naaa\n");
    }
}
