//! Which types expressions have, and whether they fit together.

use std::fmt;

use crate::ast::{AggregateExpr, AggregateOp, Binary, Expr, ExprKind, Selector};
use crate::place::{QuerySpan, SyntaxError};
use crate::signature::Function;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number at each time.
    Scalar,
    /// A number for each of many series at each time.
    Vector,
    /// Many numbers for each of many series.
    Matrix,
    /// A string.
    Text,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::Text => "string",
        })
    }
}

impl Expr {
    /// The type of the expression.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number { .. } => ValueType::Scalar,
            ExprKind::Text(_) => ValueType::Text,
            ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Range { .. } | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Paren(inner) | ExprKind::Unary { operand: inner, .. } => inner.value_type(),
            ExprKind::Call { function, .. } => function.result,
            ExprKind::Binary(binary) => binary.value_type(),
        }
    }
}

impl Binary {
    fn value_type(&self) -> ValueType {
        let scalars = self.left.value_type() == ValueType::Scalar && self.right.value_type() == ValueType::Scalar;
        if scalars { ValueType::Scalar } else { ValueType::Vector }
    }
}

/// Checks what the parser has just put together; its parts have been checked before.
pub(crate) struct TypeChecker<'a> {
    pub(crate) query: &'a str,
}

impl TypeChecker<'_> {
    fn error<T>(&self, span: QuerySpan, problem: impl Into<String>, cure: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError::new(self.query, span, problem, cure))
    }

    fn expect(&self, expr: &Expr, wanted: ValueType, context: &str) -> Result<(), SyntaxError> {
        let found = expr.value_type();
        if found == wanted {
            return Ok(());
        }
        self.error(expr.span, format!("expected type {wanted} in {context}, got {found}"), cure_of(found, wanted))
    }

    pub(crate) fn call(&self, function: &Function, arguments: &[Expr], span: QuerySpan) -> Result<(), SyntaxError> {
        let Function { name, required, most, .. } = *function;
        let found = arguments.len();
        if found < required || found > most {
            let bound = if required == most {
                required.to_string()
            } else if found < required {
                format!("at least {required}")
            } else {
                format!("at most {most}")
            };
            let takes: Vec<String> = function.arguments.iter().map(ToString::to_string).collect();
            let cure = format!("it takes ({})", takes.join(", "));
            return self.error(span, format!("expected {bound} argument(s) in call to {name:?}, got {found}"), cure);
        }
        for (place, argument) in arguments.iter().enumerate() {
            if let Some(wanted) = function.argument(place) {
                self.expect(argument, wanted, &format!("call to function {name:?}"))?;
            }
        }
        Ok(())
    }

    pub(crate) fn aggregate(&self, aggregate: &AggregateExpr) -> Result<(), SyntaxError> {
        self.expect(&aggregate.operand, ValueType::Vector, "aggregation expression")?;
        let Some(parameter) = &aggregate.parameter else { return Ok(()) };
        let counts = aggregate.op == AggregateOp::CountValues;
        self.expect(parameter, if counts { ValueType::Text } else { ValueType::Scalar }, "aggregation parameter")
    }

    pub(crate) fn unary(&self, operand: &Expr) -> Result<(), SyntaxError> {
        let found = operand.value_type();
        if matches!(found, ValueType::Scalar | ValueType::Vector) {
            return Ok(());
        }
        let problem =
            format!("unary expression only allowed on expressions of type scalar or instant vector, got {found}");
        self.error(operand.span, problem, cure_of(found, ValueType::Vector))
    }

    pub(crate) fn subquery(&self, operand: &Expr) -> Result<(), SyntaxError> {
        let found = operand.value_type();
        if found == ValueType::Vector {
            return Ok(());
        }
        let problem = format!("subquery is only allowed on instant vector, got {found} instead");
        self.error(operand.span, problem, cure_of(found, ValueType::Vector))
    }

    pub(crate) fn selector(&self, selector: &Selector, span: QuerySpan) -> Result<(), SyntaxError> {
        let named = selector.matchers.iter().find(|matcher| matcher.label == "__name__");
        if let (Some(name), Some(twice)) = (&selector.name, named) {
            let problem = format!("metric name must not be set twice: {name:?} or {:?}", twice.value);
            return self.error(span, problem, "leave one of them out");
        }
        let selects = |matcher: &crate::ast::LabelMatcher| !crate::names::matches_text(matcher, "");
        if selector.name.is_none() && !selector.matchers.iter().any(selects) {
            let problem = "vector selector must contain at least one non-empty matcher";
            return self.error(span, problem, "name the metric, or a label that the series must have");
        }
        Ok(())
    }

    pub(crate) fn binary(&self, binary: &Binary, operator: QuerySpan) -> Result<(), SyntaxError> {
        let Binary { op, left, right, bool, matching } = binary;
        for side in [left, right] {
            let found = side.value_type();
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let problem = "binary expression must contain only scalar and instant vector types";
                return self.error(side.span, problem, cure_of(found, ValueType::Vector));
            }
        }
        if *bool && !op.is_comparison() {
            let problem = "bool modifier can only be used on comparison operators";
            return self.error(operator, problem, "leave out \"bool\"");
        }
        let vectors = [left, right].map(|side| side.value_type() == ValueType::Vector);
        if op.is_comparison() && !bool && vectors == [false, false] {
            return self.error(
                operator,
                "comparisons between scalars must use BOOL modifier",
                format!("write {} bool", op.as_str()),
            );
        }
        if op.is_set() && vectors != [true, true] {
            let problem = format!("set operator {:?} not allowed in binary scalar expression", op.as_str());
            return self.error(operator, problem, "make a vector of the scalar, as in vector(1)");
        }
        if vectors != [true, true] && !matching.labels.is_empty() {
            let problem = "vector matching only allowed between instant vectors";
            return self.error(operator, problem, "leave out \"on\" and \"ignoring\"");
        }
        let Some(group) = &matching.group else { return Ok(()) };
        if op.is_set() {
            let problem = format!("no grouping allowed for {:?} operation", op.as_str());
            return self.error(operator, problem, "leave out \"group_left\" and \"group_right\"");
        }
        match group.include.iter().find(|label| matching.on && matching.labels.contains(label)) {
            Some(label) => {
                let problem = format!("label {label:?} must not occur in ON and GROUP clause at once");
                self.error(operator, problem, "leave it out of one of them")
            }
            None => Ok(()),
        }
    }
}

/// How to make of one type another.
fn cure_of(found: ValueType, wanted: ValueType) -> &'static str {
    match (found, wanted) {
        (_, ValueType::Matrix) => "give it a range, as in cpu_busy[5m], or a subquery, as in (…)[1h:1m]",
        (ValueType::Matrix, ValueType::Vector) => "leave out the range, or take a function over it, as in rate(…[5m])",
        (ValueType::Scalar, ValueType::Vector) => "make a vector of the scalar, as in vector(1)",
        (ValueType::Vector, ValueType::Scalar) => "write a number, or take the only value of a vector by scalar(…)",
        (_, ValueType::Text) => "write a string in quotes",
        _ => "write an expression of that type",
    }
}
