//! Aggregations that pick series of each group: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use crate::ast::AggregateOp;
use crate::eval::QueryError;
use crate::eval::evaluator::Evaluator;
use crate::eval::grid::Grid;
use crate::eval::series::{ABSENT, StepSeries, is_present};
use crate::float;
use crate::labels::Labels;
use crate::place::QuerySpan;

type LabelGroups = [(Labels, Vec<usize>)];

impl Evaluator<'_> {
    pub(super) fn pick(
        &mut self,
        op: AggregateOp,
        series: Vec<StepSeries>,
        groups: &LabelGroups,
        parameter: &[f64],
        span: QuerySpan,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        if op == AggregateOp::LimitRatio {
            return self.limit_ratio(series, parameter, span);
        }
        if parameter.iter().all(|wanted| *wanted < 1.0) {
            return Ok(Vec::new());
        }
        if let Some(wrong) = parameter.iter().find(|wanted| wanted.is_nan() || wanted.abs() >= i64::MAX as f64) {
            let found = float::short(*wrong);
            return Err(QueryError::Argument { what: "number of series to pick", found, cure: "it is a whole number" });
        }
        self.hold_columns(series.len(), grid.steps)?;
        let mut picked: Vec<StepSeries> = series
            .iter()
            .map(|series| StepSeries { labels: series.labels.clone(), values: vec![ABSENT; grid.steps] })
            .collect();
        let mut order = Vec::with_capacity(series.len());
        let mut ranked = Vec::new();
        for (_, members) in groups {
            self.budget.check()?;
            for (step, wanted) in parameter.iter().enumerate().filter(|(_, wanted)| **wanted >= 1.0) {
                order.clear();
                order.extend(members.iter().copied().filter(|member| is_present(series[*member].values[step])));
                rank(op, &series, step, *wanted as usize, &mut order);
                for member in &order {
                    picked[*member].values[step] = series[*member].values[step];
                }
            }
            // The order means something at a single step.
            if grid.is_instant() {
                ranked.append(&mut order);
            }
        }
        if grid.is_instant() {
            return Ok(ranked.into_iter().map(|member| picked[member].clone()).collect());
        }
        picked.retain(|series| !series.is_empty());
        Ok(picked)
    }

    fn limit_ratio(
        &mut self,
        mut series: Vec<StepSeries>,
        ratios: &[f64],
        span: QuerySpan,
    ) -> Result<Vec<StepSeries>, QueryError> {
        if ratios.iter().any(|ratio| ratio.is_nan()) {
            let what = "ratio";
            return Err(QueryError::Argument { what, found: "NaN".into(), cure: "it lies between -1 and 1" });
        }
        for wrong in ratios.iter().filter(|ratio| ratio.abs() > 1.0) {
            let (found, most) = (float::short(*wrong), wrong.signum());
            let text = format!("ratio value should be between -1 and 1, got {found}, capping to {most}");
            self.annotations.warn(text, span, self.text);
        }
        for series in &mut series {
            let place = place(&series.labels);
            for (value, ratio) in series.values.iter_mut().zip(ratios) {
                // What a ratio takes from the front, its complement takes from the back.
                let taken = if *ratio >= 0.0 { place < *ratio } else { place >= 1.0 + ratio };
                if !taken {
                    *value = ABSENT;
                }
            }
        }
        series.retain(|series| !series.is_empty());
        Ok(series)
    }
}

/// Leaves those that are picked, in their order. NaN is picked last; of equals those that come first.
fn rank(op: AggregateOp, series: &[StepSeries], step: usize, wanted: usize, order: &mut Vec<usize>) {
    if op != AggregateOp::LimitK {
        let compare = |a: &usize, b: &usize| {
            let (x, y) = (series[*a].values[step], series[*b].values[step]);
            let by_value = match x.partial_cmp(&y) {
                Some(order) if op == AggregateOp::TopK => order.reverse(),
                Some(order) => order,
                None => x.is_nan().cmp(&y.is_nan()),
            };
            by_value.then(a.cmp(b))
        };
        if wanted < order.len() {
            order.select_nth_unstable_by(wanted - 1, compare);
            order.truncate(wanted);
        }
        order.sort_unstable_by(compare);
    }
    order.truncate(wanted);
}

/// A number from 0 to 1 that belongs to the labels for good: FNV-1a, with its bits mixed.
fn place(labels: &Labels) -> f64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for (name, value) in labels.iter() {
        // 0xff is no byte of UTF-8, so text cannot move from name to value.
        for byte in name.bytes().chain([0xff]).chain(value.bytes()).chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash as f64 / u64::MAX as f64
}
