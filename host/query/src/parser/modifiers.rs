//! What stands behind an expression: `[5m]`, `[1h:1m]`, `offset 1d`, `@ end()`.

use super::Parser;
use crate::ast::{At, Expr, ExprKind, Subquery, TimeShift};
use crate::place::{QuerySpan, SyntaxError};
use crate::token::TokenKind;

/// Longer than any history, and short enough that sums of times never overflow: about 300 years.
const DURATION_MS_MAX: f64 = 9e12;

impl Parser<'_> {
    pub(super) fn postfixed(&mut self) -> Result<Expr, SyntaxError> {
        let start = self.peek().span;
        let mut expr = self.primary()?;
        loop {
            let sign = self.peek().span;
            if self.take("[") {
                expr = self.bracket(expr, sign)?;
            } else if self.take_word("offset") {
                let offset_ms = self.offset()?;
                let time = self.time_shift(&mut expr, "offset modifier", sign)?;
                if std::mem::replace(&mut time.offset_ms, offset_ms) != 0 {
                    return Err(self.error(sign, "offset may not be set multiple times", "leave one of them out"));
                }
            } else if self.take("@") {
                let at = self.at_time()?;
                let time = self.time_shift(&mut expr, "@ modifier", sign)?;
                if time.at.replace(at).is_some() {
                    return Err(self.error(
                        sign,
                        "@ <timestamp> may not be set multiple times",
                        "leave one of them out",
                    ));
                }
            } else {
                return Ok(expr);
            }
            expr.span = self.since(start);
        }
    }

    fn time_shift<'e>(
        &self,
        expr: &'e mut Expr,
        what: &str,
        span: QuerySpan,
    ) -> Result<&'e mut TimeShift, SyntaxError> {
        match &mut expr.kind {
            ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => Ok(&mut selector.time),
            ExprKind::Subquery(subquery) => Ok(&mut subquery.time),
            _ => {
                let problem = format!(
                    "{what} must be preceded by an instant vector selector or range vector selector or a subquery"
                );
                Err(self.error(span, problem, "put it right behind the metric, within the parentheses"))
            }
        }
    }

    fn bracket(&mut self, operand: Expr, start: QuerySpan) -> Result<Expr, SyntaxError> {
        let range_ms = self.positive_duration("range")?;
        if self.take(":") {
            let step_ms = if self.peek().is("]") { None } else { Some(self.positive_duration("subquery step")?) };
            self.expect("]", "subquery selector")?;
            self.checker().subquery(&operand)?;
            let subquery = Subquery { operand: operand.into(), range_ms, step_ms, time: TimeShift::default() };
            return Ok(Expr { kind: ExprKind::Subquery(subquery), span: self.since(start) });
        }
        self.expect("]", "subquery or range selector")?;
        let ExprKind::Selector(selector) = operand.kind else {
            let problem = "ranges only allowed for vector selectors";
            return Err(self.error(start, problem, "write a subquery, with a colon in the brackets: [5m:1m]"));
        };
        if selector.time != TimeShift::default() {
            let problem = "no offset or @ modifiers allowed before range";
            return Err(self.error(start, problem, "put the range first: cpu_busy[5m] offset 1h"));
        }
        Ok(Expr { kind: ExprKind::Range { selector, range_ms }, span: self.since(start) })
    }

    fn positive_duration(&mut self, context: &str) -> Result<i64, SyntaxError> {
        let span = self.peek().span;
        let duration_ms = self.duration(context)?;
        if duration_ms > 0 {
            return Ok(duration_ms);
        }
        Err(self.error(span, "duration must be greater than 0", "write it as 5m, for example"))
    }

    fn duration(&mut self, context: &str) -> Result<i64, SyntaxError> {
        let found = self.peek().clone();
        let duration_ms = match found.kind {
            TokenKind::Duration(duration_ms) => duration_ms as f64,
            TokenKind::Number(seconds) => (seconds * 1000.0).round(),
            _ => return Err(self.unexpected(context, "expected a duration such as 5m, or a number of seconds")),
        };
        if duration_ms.is_nan() || duration_ms.abs() > DURATION_MS_MAX {
            return Err(self.error(found.span, "duration out of range", "at most about 280 years will do"));
        }
        self.next();
        Ok(duration_ms as i64)
    }

    fn offset(&mut self) -> Result<i64, SyntaxError> {
        let negative = self.sign();
        let offset_ms = self.duration("offset")?;
        Ok(if negative { -offset_ms } else { offset_ms })
    }

    fn sign(&mut self) -> bool {
        let negative = self.peek().is("-");
        if negative || self.peek().is("+") {
            self.next();
        }
        negative
    }

    fn at_time(&mut self) -> Result<At, SyntaxError> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.take_word(word) {
                self.expect("(", "@ modifier")?;
                self.expect(")", "@ modifier")?;
                return Ok(at);
            }
        }
        let span = self.peek().span;
        let negative = self.sign();
        let seconds = match self.peek().kind {
            TokenKind::Number(seconds) => seconds,
            TokenKind::Duration(duration_ms) => duration_ms as f64 / 1000.0,
            _ => return Err(self.unexpected("@ modifier", "expected seconds since 1970, start() or end()")),
        };
        self.next();
        let time_ms = (if negative { -seconds } else { seconds } * 1000.0).round();
        if time_ms.is_nan() || time_ms.abs() > DURATION_MS_MAX {
            return Err(self.error(span, "timestamp out of bounds for @ modifier", "it is in seconds since 1970"));
        }
        Ok(At::Time(time_ms as i64))
    }
}
