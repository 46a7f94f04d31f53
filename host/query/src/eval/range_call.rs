//! Functions over ranges: which one, with which parameters, over a selector or a subquery.

use super::QueryError;
use super::evaluator::Evaluator;
use super::functions::{over_time, rate, regression};
use super::grid::Grid;
use super::part::PartFn;
use super::series::{ABSENT, StepColumn, StepSeries, distinct, is_present};
use super::window::{RangeFn, Window, WindowFn};
use crate::ast::{Expr, ExprKind};
use crate::float;
use crate::labels::Labels;
use crate::names::NamingMode;
use crate::place::QuerySpan;
use crate::signature::Function;
use crate::types::ValueType;

/// Names of counters, by Prometheus' custom.
const COUNTER_SUFFIXES: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

impl Evaluator<'_> {
    pub(super) fn range_call(
        &mut self,
        function: &Function,
        arguments: &[Expr],
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let mut parameters = Vec::new();
        let mut range = None;
        for argument in arguments {
            match argument.value_type() {
                ValueType::Matrix => range = Some(argument.unwrapped()),
                _ => parameters.push(self.scalar(argument, grid)?),
            }
        }
        let Some(range) = range else { return Ok(Vec::new()) };
        let run = RangeFn {
            name: function.name,
            run: window_fn(function.name, &parameters),
            parts: PartFn::find(function.name),
        };
        let mut series = self.windows(range, &run, grid)?;
        if series.is_empty() {
            return if function.name == "absent_over_time" { Ok(absent(range, &[], grid)) } else { Ok(series) };
        }
        self.check_parameters(function.name, &parameters, arguments)?;
        match function.name {
            "absent_over_time" => return Ok(absent(range, &series, grid)),
            "rate" | "increase" => self.hint_counters(&series, range.span),
            "last_over_time" | "first_over_time" => return Ok(series),
            _ => {}
        }
        series.iter_mut().for_each(|series| series.labels = series.labels.without_name());
        distinct(series)
    }

    fn windows(&mut self, range: &Expr, run: &RangeFn<'_>, grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        match &range.kind {
            ExprKind::Range { selector, range_ms } => self.range_selector((selector, range.span), *range_ms, run, grid),
            ExprKind::Subquery(subquery) => self.range_subquery(subquery, run, grid),
            _ => Ok(Vec::new()),
        }
    }

    fn check_parameters(
        &mut self,
        name: &str,
        parameters: &[StepColumn],
        arguments: &[Expr],
    ) -> Result<(), QueryError> {
        let within = |value: &f64| *value > 0.0 && *value < 1.0;
        match name {
            "double_exponential_smoothing" => {
                for (what, column) in ["smoothing factor", "trend factor"].into_iter().zip(parameters) {
                    if let Some(wrong) = column.iter().find(|value| !within(value)) {
                        let found = float::short(*wrong);
                        return Err(QueryError::Argument { what, found, cure: "it lies between 0 and 1" });
                    }
                }
            }
            "quantile_over_time" => self.warn_quantiles(&parameters[0], arguments[0].span),
            _ => {}
        }
        Ok(())
    }

    /// Warns of quantiles that are none.
    pub(super) fn warn_quantiles(&mut self, quantiles: &[f64], span: QuerySpan) {
        for wrong in quantiles.iter().filter(|quantile| !(0.0..=1.0).contains(*quantile)) {
            let text = format!("quantile value should be between 0 and 1, got {}", float::short(*wrong));
            self.annotations.warn(text, span, self.text);
        }
    }

    /// Our own names do not depend on their type, so only names that come from a Prometheus say something.
    fn hint_counters(&mut self, series: &[StepSeries], span: QuerySpan) {
        if self.settings.naming == NamingMode::Prometheus {
            return;
        }
        for series in series {
            let name = series.labels.metric();
            if !name.is_empty() && !COUNTER_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
                let text =
                    format!("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}");
                self.annotations.inform(text, span, self.text);
            }
        }
    }
}

/// Ones at the steps where no series has a value.
fn absent(range: &Expr, series: &[StepSeries], grid: Grid) -> Vec<StepSeries> {
    let mut values = vec![1.0; grid.steps];
    for series in series {
        for (absent, value) in values.iter_mut().zip(&series.values) {
            if is_present(*value) {
                *absent = ABSENT;
            }
        }
    }
    let labels = match &range.kind {
        ExprKind::Range { selector, .. } => super::functions::absent::labels(selector),
        _ => Labels::default(),
    };
    let absent = StepSeries { labels, values };
    if absent.is_empty() { Vec::new() } else { vec![absent] }
}

fn window_fn<'f>(name: &str, parameters: &'f [StepColumn]) -> Box<WindowFn<'f>> {
    let plain = |run: fn(&Window<'_>) -> Option<f64>| -> Box<WindowFn<'f>> { Box::new(move |window, _| run(window)) };
    match name {
        "rate" => plain(|window| rate::extrapolated(window, true, true)),
        "increase" => plain(|window| rate::extrapolated(window, true, false)),
        "delta" => plain(|window| rate::extrapolated(window, false, false)),
        "irate" => plain(|window| rate::of_last_two(window, true)),
        "idelta" => plain(|window| rate::of_last_two(window, false)),
        "resets" => plain(rate::resets),
        "changes" => plain(rate::changes),
        "deriv" => plain(regression::deriv),
        "predict_linear" => Box::new(|window, step| regression::predict(window, parameters[0][step])),
        "double_exponential_smoothing" => {
            Box::new(|window, step| regression::smoothed(window, parameters[0][step], parameters[1][step]))
        }
        "quantile_over_time" => Box::new(|window, step| Some(over_time::quantile(window, parameters[0][step]))),
        "sum_over_time" => plain(over_time::sum),
        "avg_over_time" => plain(over_time::avg),
        "min_over_time" => plain(over_time::min),
        "max_over_time" => plain(over_time::max),
        "count_over_time" => plain(over_time::count),
        "stddev_over_time" => plain(|window| over_time::variance(window).map(f64::sqrt)),
        "stdvar_over_time" => plain(over_time::variance),
        "mad_over_time" => plain(over_time::mad),
        "first_over_time" => plain(|window| window.values.first().copied()),
        "last_over_time" => plain(|window| window.values.last().copied()),
        "ts_of_first_over_time" => plain(|window| over_time::seconds(window.timestamps.first())),
        "ts_of_last_over_time" => plain(|window| over_time::seconds(window.timestamps.last())),
        "ts_of_min_over_time" => plain(over_time::time_of_min),
        "ts_of_max_over_time" => plain(over_time::time_of_max),
        // Both only say that there is something.
        _ => plain(|_| Some(1.0)),
    }
}
