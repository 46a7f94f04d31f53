//! Aggregations: `sum by (mode) (…)`, `topk(5, …)`, `count(…) without (core)`.

use super::Parser;
use crate::ast::{AggregateExpr, AggregateOp, Expr, ExprKind};
use crate::place::{QuerySpan, SyntaxError};

impl Parser<'_> {
    pub(super) fn aggregate(&mut self, op: AggregateOp) -> Result<Expr, SyntaxError> {
        let start = self.next().span;
        let before = self.grouping()?;
        let arguments = self.arguments()?;
        let after = if before.is_none() { self.grouping()? } else { None };
        let span = self.since(start);
        let (without, grouping) = before.or(after).unwrap_or_default();
        let (parameter, operand) = self.operands(op, arguments, span)?;
        let aggregate =
            AggregateExpr { op, operand: operand.into(), parameter: parameter.map(Box::new), without, grouping };
        self.checker().aggregate(&aggregate)?;
        Ok(Expr { kind: ExprKind::Aggregate(aggregate), span })
    }

    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, SyntaxError> {
        let without = self.peek().is_word("without");
        if !without && !self.peek().is_word("by") {
            return Ok(None);
        }
        self.next();
        Ok(Some((without, self.labels("grouping opts")?)))
    }

    fn operands(
        &self,
        op: AggregateOp,
        arguments: Vec<Expr>,
        span: QuerySpan,
    ) -> Result<(Option<Expr>, Expr), SyntaxError> {
        let wanted = 1 + usize::from(op.has_parameter());
        let found = arguments.len();
        let mut arguments = arguments.into_iter();
        match (arguments.next(), arguments.next()) {
            (Some(parameter), Some(operand)) if found == 2 && wanted == 2 => Ok((Some(parameter), operand)),
            (Some(operand), None) if wanted == 1 => Ok((None, operand)),
            _ => {
                let problem = format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {found}"
                );
                let form = if wanted == 2 { "(parameter, vector)" } else { "(vector)" };
                Err(self.error(span, problem, format!("write {}{form}", op.as_str())))
            }
        }
    }
}
