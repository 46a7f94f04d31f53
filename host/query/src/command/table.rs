//! Answers as tables and as comma-separated values.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Screen;
use super::result::{Answered, ResultRow};
use super::sparkline::sparkline;

/// The widest that a sparkline gets, and the least that is worth drawing.
const SPARK_COLUMNS: std::ops::RangeInclusive<usize> = 10..=60;
const NAME: &str = "__name__";

/// A table: a line a series, a column a label, then the value; of a range the least, the largest and the last one, and
/// in a terminal its course. Warnings stand below.
pub(super) fn table(answered: &Answered, screen: Option<Screen>) -> String {
    if answered.rows.is_empty() {
        return with_warnings("no series\n".into(), answered);
    }
    let names = names(&answered.rows);
    let mut heads: Vec<String> = names.iter().map(|name| head(name).to_owned()).collect();
    let values = if answered.is_matrix { &["min", "max", "last"][..] } else { &["value"] };
    heads.extend(values.iter().map(|name| (*name).to_owned()));
    let mut lines: Vec<Vec<String>> = vec![heads];
    for row in &answered.rows {
        let mut line: Vec<String> = names.iter().map(|name| label(row, name).to_owned()).collect();
        line.extend(if answered.is_matrix { extremes(row) } else { vec![last(row)] });
        lines.push(line);
    }
    let courses = screen.filter(|_| answered.is_matrix).and_then(|screen| courses(answered, &lines, screen));
    with_warnings(aligned(&lines, names.len(), courses.as_deref()), answered)
}

fn with_warnings(mut text: String, answered: &Answered) -> String {
    for warning in &answered.warnings {
        // Writing into a text does not fail.
        let _ = writeln!(text, "! {warning}");
    }
    text
}

/// Left for labels, right for numbers.
fn aligned(lines: &[Vec<String>], labels: usize, courses: Option<&[String]>) -> String {
    let widths = widths(lines);
    let mut out = String::new();
    for (place, line) in lines.iter().enumerate() {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            let gap = if column == 0 { "" } else { "  " };
            let _ = if column < labels { write!(text, "{gap}{cell}{pad}") } else { write!(text, "{gap}{pad}{cell}") };
        }
        if let Some(course) = courses.and_then(|courses| courses.get(place)) {
            let _ = write!(text, "  {course}");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    (0..columns).map(width).collect()
}

/// A sparkline for each line, the head included, if there is room for them.
fn courses(answered: &Answered, lines: &[Vec<String>], screen: Screen) -> Option<Vec<String>> {
    let taken: usize = widths(lines).iter().map(|width| width + 2).sum();
    let columns = screen.columns.saturating_sub(taken).min(*SPARK_COLUMNS.end());
    if columns < *SPARK_COLUMNS.start() {
        return None;
    }
    let times = || answered.rows.iter().flat_map(|row| row.points.iter().map(|(time, _)| *time));
    let (start, end) = (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
    let course = |row: &ResultRow| sparkline(&numbers(row), start, end, columns);
    Some(std::iter::once(String::new()).chain(answered.rows.iter().map(course)).collect())
}

fn numbers(row: &ResultRow) -> Vec<(f64, f64)> {
    row.points.iter().filter_map(|(time, value)| Some((*time, value.parse().ok()?))).collect()
}

fn last(row: &ResultRow) -> String {
    row.points.last().map_or_else(String::new, |(_, value)| value.clone())
}

fn extremes(row: &ResultRow) -> Vec<String> {
    let by = |a: &&(f64, String), b: &&(f64, String)| {
        let number = |point: &(f64, String)| point.1.parse::<f64>().unwrap_or(f64::NAN);
        number(a).total_cmp(&number(b))
    };
    let text = |point: Option<&(f64, String)>| point.map_or_else(String::new, |(_, value)| value.clone());
    vec![text(row.points.iter().min_by(by)), text(row.points.iter().max_by(by)), last(row)]
}

/// A line a value: the time in seconds, each label, the value.
pub(super) fn csv(answered: &Answered) -> String {
    let names = names(&answered.rows);
    let heads = std::iter::once("time").chain(names.iter().map(|name| head(name))).chain(["value"]);
    let mut out = String::new();
    push_line(&mut out, heads);
    for row in &answered.rows {
        for (time, value) in &row.points {
            let time = time.to_string();
            let cells = std::iter::once(time.as_str()).chain(names.iter().map(|name| label(row, name)));
            push_line(&mut out, cells.chain([value.as_str()]));
        }
    }
    out
}

/// As RFC 4180 has it, but for the line's end. What a spreadsheet would take for a formula is made a text.
fn push_line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.push(',');
        }
        let is_formula = cell.starts_with(['=', '@', '+', '-']) && cell.parse::<f64>().is_err();
        if is_formula || cell.contains([',', '"', '\n', '\r']) {
            let _ = write!(out, "\"{}{}\"", if is_formula { "'" } else { "" }, cell.replace('"', "\"\""));
        } else {
            out.push_str(cell);
        }
    }
    out.push('\n');
}

/// All names of labels, the metric's first.
fn names(rows: &[ResultRow]) -> Vec<String> {
    let all: BTreeSet<&String> = rows.iter().flat_map(|row| row.labels.iter().map(|(name, _)| name)).collect();
    let (metric, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| *name == NAME);
    metric.into_iter().chain(others).cloned().collect()
}

fn head(name: &str) -> &str {
    if name == NAME { "metric" } else { name }
}

fn label<'a>(row: &'a ResultRow, name: &str) -> &'a str {
    row.labels.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}
