//! What an operator makes of two numbers.

use crate::ast::BinaryOp;
use crate::eval::series::ABSENT;

/// An operator, and whether a comparison answers 0 or 1.
#[derive(Clone, Copy)]
pub(super) struct StepOperation {
    op: BinaryOp,
    bool: bool,
}

impl StepOperation {
    pub(super) fn new(op: BinaryOp, bool: bool) -> Self {
        Self { op, bool }
    }

    /// Whether the result is another thing than what stood on the left, so that its name is no longer true.
    pub(super) fn drops_name(self) -> bool {
        !self.op.is_comparison() || self.bool
    }

    /// Between scalars, where a comparison always answers 0 or 1.
    pub(super) fn scalar(self, left: f64, right: f64) -> f64 {
        if self.op.is_comparison() { f64::from(u8::from(self.holds(left, right))) } else { self.compute(left, right) }
    }

    /// A comparison keeps the value on its left, or nothing.
    pub(super) fn keep(self, left: f64, right: f64) -> f64 {
        self.keep_value(left, right, left)
    }

    /// The same, where the value on the right is the one to be kept.
    pub(super) fn keep_right(self, left: f64, right: f64) -> f64 {
        self.keep_value(left, right, right)
    }

    fn keep_value(self, left: f64, right: f64, kept: f64) -> f64 {
        if !self.op.is_comparison() || self.bool {
            return self.scalar(left, right);
        }
        if self.holds(left, right) { kept } else { ABSENT }
    }

    fn compute(self, left: f64, right: f64) -> f64 {
        match self.op {
            BinaryOp::Add => left + right,
            BinaryOp::Sub => left - right,
            BinaryOp::Mul => left * right,
            BinaryOp::Div => left / right,
            BinaryOp::Mod => left % right,
            BinaryOp::Pow => left.powf(right),
            BinaryOp::Atan2 => left.atan2(right),
            // Set operators do not compute.
            _ => f64::NAN,
        }
    }

    fn holds(self, left: f64, right: f64) -> bool {
        match self.op {
            BinaryOp::Equal => left == right,
            BinaryOp::NotEqual => left != right,
            BinaryOp::Greater => left > right,
            BinaryOp::Less => left < right,
            BinaryOp::GreaterOrEqual => left >= right,
            BinaryOp::LessOrEqual => left <= right,
            _ => false,
        }
    }
}
