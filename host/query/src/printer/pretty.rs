//! A query over several lines, as Prometheus' `format_query` breaks it: what fits on a line stays on it.

use super::{AggregateHead, Operator, Shift, duration};
use crate::ast::{Expr, ExprKind};

/// Characters of a line.
const LINE_CHARS: usize = 100;

/// The query with lines broken and indented where they would be too long.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    node(expr, 0)
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

fn node(expr: &Expr, level: usize) -> String {
    let line = expr.to_string();
    if line.chars().count() <= LINE_CHARS {
        return format!("{}{line}", indent(level));
    }
    let around = indent(level);
    match &expr.kind {
        ExprKind::Paren(inner) => format!("{around}(\n{}\n{around})", node(inner, level + 1)),
        ExprKind::Unary { negative, operand } => {
            let sign = if *negative { '-' } else { '+' };
            format!("{around}{sign}{}", node(operand, level).trim_start())
        }
        ExprKind::Binary(binary) => {
            let (left, right) = (node(&binary.left, level + 1), node(&binary.right, level + 1));
            format!("{left}\n{around}{}\n{right}", Operator(binary))
        }
        ExprKind::Aggregate(aggregate) => {
            let arguments = aggregate.parameter.iter().chain([&aggregate.operand]).map(|argument| &**argument);
            call(&AggregateHead(aggregate).to_string(), arguments, level)
        }
        ExprKind::Call { function, arguments } => call(function.name, arguments.iter(), level),
        ExprKind::Subquery(subquery) => {
            let step = subquery.step_ms.map(duration).unwrap_or_default();
            let shift = Shift(&subquery.time);
            format!("{}[{}:{step}]{shift}", node(&subquery.operand, level), duration(subquery.range_ms))
        }
        _ => format!("{around}{line}"),
    }
}

fn call<'a>(head: &str, arguments: impl Iterator<Item = &'a Expr>, level: usize) -> String {
    let around = indent(level);
    let arguments: Vec<String> = arguments.map(|argument| node(argument, level + 1)).collect();
    format!("{around}{head}(\n{}\n{around})", arguments.join(",\n"))
}
