//! What of which series a question reads, and when.

use crate::ast::{At, Expr, ExprKind, Selector, TimeShift};
use crate::eval::EvalSettings;

/// A range is open on the left; what lies at its very start is asked for all the same, which is no harm.
const SLACK_MS: i64 = 1;

/// The times of a question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) lookback_ms: i64,
    pub(crate) subquery_step_ms: i64,
}

impl Asked {
    pub(crate) fn new(start_ms: i64, end_ms: i64, settings: &EvalSettings) -> Self {
        let EvalSettings { lookback_ms, subquery_step_ms, .. } = *settings;
        Self { start_ms, end_ms, lookback_ms, subquery_step_ms }
    }
}

/// A selector, and the times that are read of it, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) selector: String,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

/// What an expression reads; each selector once, over all the times that it is read at.
pub(super) fn spans(expr: &Expr, asked: Asked) -> Vec<Span> {
    let mut walk = Walk { asked, found: Vec::new() };
    walk.expr(expr, (asked.start_ms, asked.end_ms));
    walk.found
}

/// The spans as a form.
pub(super) fn form(spans: &[Span]) -> String {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let one =
        |span: &Span| format!("match[]={}&start[]={}&end[]={}", escaped(&span.selector), span.start_ms, span.end_ms);
    spans.iter().map(one).collect::<Vec<_>>().join("&")
}

struct Walk {
    asked: Asked,
    found: Vec<Span>,
}

impl Walk {
    fn expr(&mut self, expr: &Expr, times: (i64, i64)) {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Text(_) => {}
            ExprKind::Selector(selector) => self.selector(selector, times, self.asked.lookback_ms),
            ExprKind::Range { selector, range_ms } => self.selector(selector, times, *range_ms),
            ExprKind::Paren(inner) => self.expr(inner, times),
            ExprKind::Unary { operand, .. } => self.expr(operand, times),
            ExprKind::Binary(binary) => {
                self.expr(&binary.left, times);
                self.expr(&binary.right, times);
            }
            ExprKind::Aggregate(aggregate) => {
                aggregate.parameter.iter().for_each(|parameter| self.expr(parameter, times));
                self.expr(&aggregate.operand, times);
            }
            ExprKind::Call { arguments, .. } => arguments.iter().for_each(|argument| self.expr(argument, times)),
            ExprKind::Subquery(subquery) => {
                let (start_ms, end_ms) = self.shifted(&subquery.time, times);
                let step_ms = subquery.step_ms.unwrap_or(self.asked.subquery_step_ms);
                let start_ms = start_ms.saturating_sub(subquery.range_ms).saturating_sub(step_ms);
                self.expr(&subquery.operand, (start_ms, end_ms));
            }
        }
    }

    fn selector(&mut self, selector: &Selector, times: (i64, i64), range_ms: i64) {
        let (start_ms, end_ms) = self.shifted(&selector.time, times);
        let start_ms = start_ms.saturating_sub(range_ms).saturating_sub(SLACK_MS);
        let span = Span { selector: crate::printer::series(selector), start_ms, end_ms };
        match self.found.iter_mut().find(|found| found.selector == span.selector) {
            Some(found) => {
                found.start_ms = found.start_ms.min(span.start_ms);
                found.end_ms = found.end_ms.max(span.end_ms);
            }
            None => self.found.push(span),
        }
    }

    fn shifted(&self, time: &TimeShift, (start_ms, end_ms): (i64, i64)) -> (i64, i64) {
        let (start_ms, end_ms) = match time.at {
            None => (start_ms, end_ms),
            Some(At::Time(time_ms)) => (time_ms, time_ms),
            Some(At::Start) => (self.asked.start_ms, self.asked.start_ms),
            Some(At::End) => (self.asked.end_ms, self.asked.end_ms),
        };
        (start_ms.saturating_sub(time.offset_ms), end_ms.saturating_sub(time.offset_ms))
    }
}
