//! Aggregations: groups are found once a series, then columns are folded into each other.

mod count_values;
mod fold;
mod pick;

use std::collections::HashMap;

use super::QueryError;
use super::evaluator::Evaluator;
use super::functions::quantile::quantile;
use super::grid::Grid;
use super::series::{ABSENT, StepColumn, StepSeries, is_present};
use crate::ast::{AggregateExpr, AggregateOp, Expr, ExprKind};
use crate::labels::{Labels, METRIC_NAME};
use crate::place::QuerySpan;

/// Which labels make the groups.
struct Grouping<'a> {
    labels: Vec<std::borrow::Cow<'a, str>>,
    without: bool,
}

impl Grouping<'_> {
    fn labels(&self, labels: &Labels) -> Labels {
        let named = |name: &str| self.labels.iter().any(|label| label == name);
        labels.filtered(|name| if self.without { name != METRIC_NAME && !named(name) } else { named(name) })
    }

    /// The groups in the order in which they are met, each with the places of its series.
    fn groups(&self, series: &[StepSeries]) -> Vec<(Labels, Vec<usize>)> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut groups: Vec<(Labels, Vec<usize>)> = Vec::new();
        for (place, one) in series.iter().enumerate() {
            let labels = self.labels(&one.labels);
            let group = *places.entry(labels).or_insert_with_key(|labels| {
                groups.push((labels.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[group].1.push(place);
        }
        groups
    }
}

impl Evaluator<'_> {
    pub(super) fn aggregate(
        &mut self,
        aggregate: &AggregateExpr,
        span: QuerySpan,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let naming = self.settings.naming;
        let grouping = Grouping {
            labels: aggregate.grouping.iter().map(|label| naming.query_label(label)).collect(),
            without: aggregate.without,
        };
        let parameter = match &aggregate.parameter {
            Some(parameter) if aggregate.op == AggregateOp::CountValues => {
                return self.count_values(aggregate, parameter, grouping, grid);
            }
            Some(parameter) => self.scalar(parameter, grid)?,
            None => Vec::new(),
        };
        let parameter_span = aggregate.parameter.as_ref().map_or(span, |parameter| parameter.span);
        let series = self.vector(&aggregate.operand, grid)?;
        let groups = grouping.groups(&series);
        if aggregate.op.picks() {
            return self.pick(aggregate.op, series, &groups, &parameter, parameter_span, grid);
        }
        if aggregate.op == AggregateOp::Quantile {
            self.warn_quantiles(&parameter, parameter_span);
        }
        self.hold_columns(groups.len(), grid.steps)?;
        let mut results = Vec::with_capacity(groups.len());
        for (labels, members) in groups {
            self.budget.check()?;
            let members: Vec<&StepColumn> = members.iter().map(|place| &series[*place].values).collect();
            let values = match aggregate.op {
                AggregateOp::Quantile => quantiles(&members, &parameter),
                op => fold::fold(op, &members, grid.steps),
            };
            results.push(StepSeries { labels, values });
        }
        results.retain(|series| !series.is_empty());
        Ok(results)
    }

    fn count_values(
        &mut self,
        aggregate: &AggregateExpr,
        parameter: &Expr,
        mut grouping: Grouping<'_>,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let ExprKind::Text(label) = &parameter.unwrapped().kind else { return Ok(Vec::new()) };
        if label.is_empty() {
            return Err(QueryError::Argument { what: "label name", found: "\"\"".into(), cure: "a label has a name" });
        }
        let label = self.settings.naming.query_label(label).into_owned();
        if !grouping.without {
            grouping.labels.push(label.clone().into());
        }
        let series = self.vector(&aggregate.operand, grid)?;
        let mut counter = count_values::ValueCounter::new(&label, grid.steps);
        for series in &series {
            self.budget.check()?;
            counter.add(series, |labels| grouping.labels(labels));
            self.hold_columns(counter.take_new(), grid.steps)?;
        }
        Ok(counter.series)
    }
}

fn quantiles(members: &[&StepColumn], wanted: &[f64]) -> StepColumn {
    let mut values = Vec::with_capacity(members.len());
    let at = |(step, wanted): (usize, &f64)| {
        values.clear();
        values.extend(members.iter().map(|member| member[step]).filter(|value| is_present(*value)));
        if values.is_empty() { ABSENT } else { quantile(*wanted, &mut values) }
    };
    wanted.iter().enumerate().map(at).collect()
}
