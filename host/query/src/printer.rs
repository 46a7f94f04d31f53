//! Writes a tree as a query that parses to the same tree: on one line as Prometheus does, or broken into lines for people.

mod pretty;

use std::fmt::{self, Write};

use crate::ast::{AggregateExpr, At, Binary, Expr, ExprKind, Matching, Selector, TimeShift};
use crate::float;
use crate::lexer::UNITS;
use crate::names::{is_plain_label, is_plain_metric};

pub use pretty::pretty;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number { value, duration: true } if value.is_finite() => {
                let sign = if *value < 0.0 { "-" } else { "" };
                write!(f, "{sign}{}", duration((value.abs() * 1000.0).round() as i64))
            }
            // A plus in front would be a sign of its own, which binds less than some operators.
            ExprKind::Number { value, .. } => f.write_str(float::plain(*value).trim_start_matches('+')),
            ExprKind::Text(text) => f.write_str(&quoted(text)),
            ExprKind::Selector(selector) => write!(f, "{}{}", SelectorText(selector), Shift(&selector.time)),
            ExprKind::Range { selector, range_ms } => {
                write!(f, "{}[{}]{}", SelectorText(selector), duration(*range_ms), Shift(&selector.time))
            }
            ExprKind::Subquery(subquery) => {
                let step = subquery.step_ms.map(duration).unwrap_or_default();
                write!(f, "{}[{}:{step}]{}", subquery.operand, duration(subquery.range_ms), Shift(&subquery.time))
            }
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::Unary { negative, operand } => write!(f, "{}{operand}", if *negative { '-' } else { '+' }),
            ExprKind::Binary(binary) => write!(f, "{} {} {}", binary.left, Operator(binary), binary.right),
            ExprKind::Aggregate(aggregate) => {
                write!(f, "{}(", AggregateHead(aggregate))?;
                if let Some(parameter) = &aggregate.parameter {
                    write!(f, "{parameter}, ")?;
                }
                write!(f, "{})", aggregate.operand)
            }
            ExprKind::Call { function, arguments } => {
                write!(f, "{}(", function.name)?;
                for (place, argument) in arguments.iter().enumerate() {
                    write!(f, "{}{argument}", if place == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// A selector without its time.
#[must_use]
pub(crate) fn series(selector: &Selector) -> String {
    SelectorText(selector).to_string()
}

struct SelectorText<'a>(&'a Selector);

impl fmt::Display for SelectorText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut matchers: Vec<String> = self
            .0
            .matchers
            .iter()
            .map(|matcher| format!("{}{}{}", label(&matcher.label), matcher.op.as_str(), quoted(&matcher.value)))
            .collect();
        match &self.0.name {
            Some(name) if is_plain_metric(name) => f.write_str(name)?,
            Some(name) => matchers.insert(0, quoted(name)),
            None => {}
        }
        if matchers.is_empty() { Ok(()) } else { write!(f, "{{{}}}", matchers.join(",")) }
    }
}

struct Shift<'a>(&'a TimeShift);

impl fmt::Display for Shift<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.at {
            Some(At::Time(time_ms)) => write!(f, " @ {:.3}", time_ms as f64 / 1000.0)?,
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            None => {}
        }
        match self.0.offset_ms {
            0 => Ok(()),
            offset if offset < 0 => write!(f, " offset -{}", duration(-offset)),
            offset => write!(f, " offset {}", duration(offset)),
        }
    }
}

struct Operator<'a>(&'a Binary);

impl fmt::Display for Operator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        if self.0.bool {
            f.write_str(" bool")?;
        }
        let Matching { on, labels, group } = &self.0.matching;
        if *on || !labels.is_empty() || group.is_some() {
            write!(f, " {} ({})", if *on { "on" } else { "ignoring" }, list(labels))?;
        }
        if let Some(group) = group {
            write!(f, " group_{} ({})", if group.left { "left" } else { "right" }, list(&group.include))?;
        }
        Ok(())
    }
}

struct AggregateHead<'a>(&'a AggregateExpr);

impl fmt::Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        if self.0.without {
            write!(f, " without ({}) ", list(&self.0.grouping))?;
        } else if !self.0.grouping.is_empty() {
            write!(f, " by ({}) ", list(&self.0.grouping))?;
        }
        Ok(())
    }
}

fn list(labels: &[String]) -> String {
    labels.iter().map(|name| label(name)).collect::<Vec<_>>().join(", ")
}

fn label(name: &str) -> String {
    if is_plain_label(name) { name.into() } else { quoted(name) }
}

/// A duration as it is written: `1h30m`.
#[must_use]
pub(crate) fn duration(duration_ms: i64) -> String {
    if duration_ms == 0 {
        return "0s".into();
    }
    let mut rest = duration_ms;
    let mut text = String::new();
    for (unit, scale) in UNITS {
        // Weeks and years only where nothing is left over, for nobody knows 1w3d as ten days.
        let whole = !matches!(unit, "y" | "w") || rest % scale == 0;
        if whole && rest >= scale {
            let _ = write!(text, "{}{unit}", rest / scale);
            rest %= scale;
        }
    }
    text
}

/// A text in quotes, with Go's escapes.
#[must_use]
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(quoted, "\\x{:02x}", c as u32);
            }
            c if !saker_model::text::is_clean(c.encode_utf8(&mut [0; 4])) => {
                let code = c as u32;
                let _ = if code > 0xffff { write!(quoted, "\\U{code:08x}") } else { write!(quoted, "\\u{code:04x}") };
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
