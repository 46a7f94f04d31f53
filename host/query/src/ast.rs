//! A query as a tree. Every node knows where it stood; two trees are the same if they print the same with `{:?}`, which
//! leaves places out.

use std::fmt;

use crate::place::QuerySpan;
use crate::signature::Function;

/// A node of the tree.
#[derive(Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: QuerySpan,
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A number.
    Number {
        /// Its value.
        value: f64,
        /// Whether it was written as a duration.
        duration: bool,
    },
    /// A string.
    Text(String),
    /// An instant vector selector.
    Selector(Selector),
    /// A range vector selector: a selector, and how far back it reaches.
    Range {
        /// The series.
        selector: Selector,
        /// In milliseconds.
        range_ms: i64,
    },
    /// A subquery: an expression evaluated at many times.
    Subquery(Subquery),
    /// An expression in parentheses.
    Paren(Box<Expr>),
    /// A sign before an expression.
    Unary {
        /// Whether it is a minus.
        negative: bool,
        /// What it stands before.
        operand: Box<Expr>,
    },
    /// Two expressions and an operator.
    Binary(Binary),
    /// An aggregation over series.
    Aggregate(AggregateExpr),
    /// A call of a function.
    Call {
        /// Which.
        function: &'static Function,
        /// With what.
        arguments: Vec<Expr>,
    },
}

/// Which series, and at what time.
#[derive(Clone, Debug)]
pub struct Selector {
    /// The metric's name, if it was written as one.
    pub name: Option<String>,
    /// What else must match.
    pub matchers: Vec<LabelMatcher>,
    /// When.
    pub time: TimeShift,
}

/// How a matcher compares. Patterns match a whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// How it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A condition on a label.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMatcher {
    /// The label.
    pub label: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what.
    pub value: String,
}

/// When something is evaluated, seen from the time of the query.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeShift {
    /// What `@` says.
    pub at: Option<At>,
    /// What `offset` says: so many milliseconds earlier.
    pub offset_ms: i64,
}

/// A time of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// Milliseconds since 1970-01-01 UTC.
    Time(i64),
    /// The start of the query's range.
    Start,
    /// The end of the query's range.
    End,
}

/// An expression evaluated at many times.
#[derive(Clone, Debug)]
pub struct Subquery {
    /// What is evaluated.
    pub operand: Box<Expr>,
    /// How far back it reaches, in milliseconds.
    pub range_ms: i64,
    /// How far its times lie apart, in milliseconds, if it was said.
    pub step_ms: Option<i64>,
    /// When.
    pub time: TimeShift,
}

/// Operators between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the operators'")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// Whether it compares.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Equal | NotEqual | Greater | Less | GreaterOrEqual | LessOrEqual)
    }

    /// Whether it is about which series there are, and not about their values.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// How it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterOrEqual => ">=",
            Self::LessOrEqual => "<=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }
}

/// Two expressions and an operator.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// The expression on its left.
    pub left: Box<Expr>,
    /// The expression on its right.
    pub right: Box<Expr>,
    /// Whether a comparison answers 0 or 1.
    pub bool: bool,
    /// How series of both sides find each other.
    pub matching: Matching,
}

/// How series of two vectors find each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matching {
    /// Whether only the labels count (`on`), or all but them (`ignoring`).
    pub on: bool,
    /// The labels.
    pub labels: Vec<String>,
    /// Which side may have several series for one of the other.
    pub group: Option<GroupSide>,
}

/// The side with many series, and the labels that it takes from the other.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSide {
    /// Whether it is the left side.
    pub left: bool,
    /// The labels.
    pub include: Vec<String>,
}

/// An aggregation over series.
#[derive(Clone, Debug)]
pub struct AggregateExpr {
    /// Which.
    pub op: AggregateOp,
    /// Over what.
    pub operand: Box<Expr>,
    /// Its parameter.
    pub parameter: Option<Box<Expr>>,
    /// Whether all labels but these make the groups.
    pub without: bool,
    /// The labels that make the groups.
    pub grouping: Vec<String>,
}

/// The aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the aggregations'")]
pub enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Stddev,
    Stdvar,
    Group,
    TopK,
    BottomK,
    LimitK,
    LimitRatio,
    Quantile,
    CountValues,
}

impl AggregateOp {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Sum,
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Count,
        Self::Stddev,
        Self::Stdvar,
        Self::Group,
        Self::TopK,
        Self::BottomK,
        Self::LimitK,
        Self::LimitRatio,
        Self::Quantile,
        Self::CountValues,
    ];

    /// How it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Group => "group",
            Self::TopK => "topk",
            Self::BottomK => "bottomk",
            Self::LimitK => "limitk",
            Self::LimitRatio => "limit_ratio",
            Self::Quantile => "quantile",
            Self::CountValues => "count_values",
        }
    }

    /// Whether it picks series instead of making new ones.
    #[must_use]
    pub fn picks(self) -> bool {
        matches!(self, Self::TopK | Self::BottomK | Self::LimitK | Self::LimitRatio)
    }

    /// Whether it takes a parameter.
    #[must_use]
    pub fn has_parameter(self) -> bool {
        self.picks() || matches!(self, Self::Quantile | Self::CountValues)
    }
}

impl Expr {
    /// The expression within its parentheses.
    #[must_use]
    pub fn unwrapped(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}
