//! Calls of functions: which module does what with the arguments.

use super::QueryError;
use super::evaluator::{Evaluated, Evaluator};
use super::functions::{absent, date, histogram, label, math, sort};
use super::grid::Grid;
use super::lookup::LookupColumn;
use super::series::{ABSENT, StepColumn, StepSeries, is_present, merged};
use crate::ast::{Expr, ExprKind};
use crate::float;
use crate::labels::Labels;
use crate::place::QuerySpan;
use crate::signature::Function;
use crate::types::ValueType;

impl Evaluator<'_> {
    pub(super) fn call(
        &mut self,
        function: &Function,
        arguments: &[Expr],
        span: QuerySpan,
        grid: Grid,
    ) -> Result<Evaluated, QueryError> {
        if function.arguments.contains(&ValueType::Matrix) {
            return self.range_call(function, arguments, grid).map(Evaluated::Vector);
        }
        if function.result == ValueType::Scalar {
            return self.scalar_call(function.name, arguments, grid).map(Evaluated::Scalar);
        }
        self.vector_call(function.name, arguments, span, grid).map(Evaluated::Vector)
    }

    fn scalar_call(&mut self, name: &str, arguments: &[Expr], grid: Grid) -> Result<StepColumn, QueryError> {
        let seconds = |time_ms: i64| time_ms as f64 / 1000.0;
        let constant = |value: f64| Ok(vec![value; grid.steps]);
        match name {
            "pi" => constant(std::f64::consts::PI),
            "start" => constant(seconds(self.query_start_ms)),
            "end" => constant(seconds(self.query_end_ms)),
            "range" => constant(seconds(self.query_end_ms - self.query_start_ms)),
            "step" => constant(seconds(self.query_step_ms)),
            "time" => Ok((0..grid.steps).map(|step| seconds(grid.time(step))).collect()),
            "scalar" => Ok(only_value(&self.vector(&arguments[0], grid)?, grid)),
            "max_of" | "min_of" => {
                let [left, right] = [&arguments[0], &arguments[1]].map(|argument| self.scalar(argument, grid));
                let pick = if name == "max_of" { math::max } else { math::min };
                Ok(left?.into_iter().zip(right?).map(|(left, right)| pick(left, right)).collect())
            }
            _ => constant(f64::NAN),
        }
    }

    fn vector_call(
        &mut self,
        name: &str,
        arguments: &[Expr],
        span: QuerySpan,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        if let Some(function) = math::find(name) {
            return self.mapped(&arguments[0], grid, |_, value| function(value));
        }
        if let Some(part) = date::find(name) {
            return match arguments {
                [] => Ok(vec![StepSeries {
                    labels: Labels::default(),
                    values: (0..grid.steps).map(|step| part((grid.time(step).div_euclid(1000)) as f64)).collect(),
                }]),
                _ => self.mapped(&arguments[0], grid, |_, value| part(value)),
            };
        }
        match name {
            "absent" => self.absent(&arguments[0], grid),
            "clamp" | "clamp_min" | "clamp_max" => self.clamp(name, arguments, grid),
            "round" => self.round(arguments, grid),
            "vector" => Ok(vec![StepSeries { labels: Labels::default(), values: self.scalar(&arguments[0], grid)? }]),
            "timestamp" => self.timestamp(&arguments[0], grid),
            "label_replace" => label::replace(self.vector(&arguments[0], grid)?, &self.label_texts(arguments, true)),
            "label_join" => label::join(self.vector(&arguments[0], grid)?, &self.label_texts(arguments, false)),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => self.sort(name, arguments, span, grid),
            "histogram_quantile" => self.histogram_quantile(arguments, grid),
            "histogram_quantiles" => self.histogram_quantiles(arguments, grid),
            "histogram_fraction" => self.histogram_fraction(arguments, grid),
            // The rest is about native histograms, of which there are none.
            _ => self.vector(&arguments[0], grid).map(|_| Vec::new()),
        }
    }

    /// Every value by a function of its step and itself, and series without their names.
    fn mapped(
        &mut self,
        argument: &Expr,
        grid: Grid,
        function: impl Fn(usize, f64) -> f64,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let mut series = self.vector(argument, grid)?;
        for series in &mut series {
            series.labels = series.labels.without_name();
            for (step, value) in series.values.iter_mut().enumerate().filter(|(_, value)| is_present(**value)) {
                *value = function(step, *value);
            }
        }
        merged(series)
    }

    fn clamp(&mut self, name: &str, arguments: &[Expr], grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        let low = match name {
            "clamp_max" => vec![f64::NEG_INFINITY; grid.steps],
            _ => self.scalar(&arguments[1], grid)?,
        };
        let high = match name {
            "clamp_min" => vec![f64::INFINITY; grid.steps],
            "clamp_max" => self.scalar(&arguments[1], grid)?,
            _ => self.scalar(&arguments[2], grid)?,
        };
        let mut series = self.mapped(&arguments[0], grid, |step, value| {
            if high[step] < low[step] { ABSENT } else { math::max(low[step], math::min(high[step], value)) }
        })?;
        series.retain(|series| !series.is_empty());
        Ok(series)
    }

    fn round(&mut self, arguments: &[Expr], grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        let nearest = match arguments.get(1) {
            Some(nearest) => self.scalar(nearest, grid)?,
            None => vec![1.0; grid.steps],
        };
        self.mapped(&arguments[0], grid, |step, value| math::round(value, nearest[step]))
    }

    fn absent(&mut self, argument: &Expr, grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        let mut values = vec![1.0; grid.steps];
        for series in self.vector(argument, grid)? {
            for (absent, value) in values.iter_mut().zip(series.values) {
                if is_present(value) {
                    *absent = ABSENT;
                }
            }
        }
        let labels = match &argument.unwrapped().kind {
            ExprKind::Selector(selector) => absent::labels(selector),
            _ => Labels::default(),
        };
        let absent = StepSeries { labels, values };
        Ok(if absent.is_empty() { Vec::new() } else { vec![absent] })
    }

    /// Of a selector the time of the sample; of anything else the time of the step.
    fn timestamp(&mut self, argument: &Expr, grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        let ExprKind::Selector(selector) = &argument.unwrapped().kind else {
            return self.mapped(argument, grid, |step, _| grid.time(step) as f64 / 1000.0);
        };
        let mut series = self.instant_selector((selector, argument.span), LookupColumn::Time, grid)?;
        series.iter_mut().for_each(|series| series.labels = series.labels.without_name());
        merged(series)
    }

    fn sort(
        &mut self,
        name: &str,
        arguments: &[Expr],
        span: QuerySpan,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let mut series = self.vector(&arguments[0], grid)?;
        let descending = name.ends_with("_desc");
        if !grid.is_instant() {
            let text = "sort is ineffective for range queries since results are always ordered by labels";
            self.annotations.warn(text, span, self.text);
        } else if name.starts_with("sort_by_label") {
            sort::by_label(&mut series, &self.texts(&arguments[1..]), descending);
        } else {
            sort::by_value(&mut series, descending);
        }
        Ok(series)
    }

    fn texts(&self, arguments: &[Expr]) -> Vec<String> {
        let text = |argument: &Expr| match &argument.unwrapped().kind {
            ExprKind::Text(text) => text.clone(),
            _ => String::new(),
        };
        arguments.iter().map(text).collect()
    }

    /// The texts of a function of labels, with the labels' names as results have them.
    fn label_texts(&self, arguments: &[Expr], replaces: bool) -> Vec<String> {
        let mut texts = self.texts(&arguments[1..]);
        for (place, text) in texts.iter_mut().enumerate() {
            let names_label = if replaces { matches!(place, 0 | 2) } else { place != 1 };
            if names_label {
                *text = self.settings.naming.query_label(text).into_owned();
            }
        }
        texts
    }

    fn histograms(&mut self, argument: &Expr, grid: Grid) -> Result<Vec<histogram::Histogram>, QueryError> {
        let (histograms, strange) = histogram::collect(self.vector(argument, grid)?);
        for labels in strange {
            let bound = labels.get(histogram::BOUND);
            let text = format!("bucket label \"le\" is missing or has a malformed value of {bound:?}");
            self.annotations.warn(text, argument.span, self.text);
        }
        Ok(histograms)
    }

    fn histogram_quantile(&mut self, arguments: &[Expr], grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        let wanted = self.scalar(&arguments[0], grid)?;
        let histograms = self.histograms(&arguments[1], grid)?;
        self.warn_quantiles(&wanted, arguments[0].span);
        let series = histograms.iter().map(|histogram| StepSeries {
            labels: histogram.labels.without_name(),
            values: self.quantile_column(histogram, &wanted, arguments[1].span),
        });
        merged(series.collect())
    }

    fn quantile_column(&mut self, histogram: &histogram::Histogram, wanted: &[f64], span: QuerySpan) -> StepColumn {
        let mut seen = None::<histogram::Forced>;
        let values = histogram.column(|step, buckets| {
            let (value, forced) = histogram::quantile(wanted[step], buckets);
            seen = seen.or(forced);
            value
        });
        if let Some(forced) = seen {
            let text = format!(
                "input to histogram_quantile needed to be fixed for monotonicity, from buckets {} to {}, \
                 with a difference of {}",
                float::short(forced.least),
                float::short(forced.most),
                float::short(forced.difference)
            );
            self.annotations.inform(text, span, self.text);
        }
        values
    }

    fn histogram_quantiles(&mut self, arguments: &[Expr], grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        let histograms = self.histograms(&arguments[0], grid)?;
        let texts = self.texts(&arguments[1..2]);
        let label = self.settings.naming.query_label(&texts[0]).into_owned();
        let mut series = Vec::new();
        for argument in &arguments[2..] {
            let wanted = self.scalar(argument, grid)?;
            self.warn_quantiles(&wanted, argument.span);
            for histogram in &histograms {
                let values = self.quantile_column(histogram, &wanted, arguments[0].span);
                // A quantile that changes from step to step is named by its first.
                let labels = histogram.labels.without_name().with(&label, &quantile_label(wanted[0]));
                series.push(StepSeries { labels, values });
            }
        }
        merged(series)
    }

    fn histogram_fraction(&mut self, arguments: &[Expr], grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        let lower = self.scalar(&arguments[0], grid)?;
        let upper = self.scalar(&arguments[1], grid)?;
        let histograms = self.histograms(&arguments[2], grid)?;
        let series = histograms.iter().map(|histogram| StepSeries {
            labels: histogram.labels.without_name(),
            values: histogram.column(|step, buckets| histogram::fraction(lower[step], upper[step], buckets)),
        });
        merged(series.collect())
    }
}

/// As OpenMetrics writes a quantile: with a fraction, always.
fn quantile_label(quantile: f64) -> String {
    let text = float::plain(quantile);
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') { format!("{text}.0") } else { text }
}

/// At each step the value of the only series that has one, else NaN.
fn only_value(series: &[StepSeries], grid: Grid) -> StepColumn {
    let mut values = vec![ABSENT; grid.steps];
    let mut several = vec![false; grid.steps];
    for series in series {
        for (step, value) in series.values.iter().enumerate().filter(|(_, value)| is_present(**value)) {
            several[step] |= is_present(values[step]);
            values[step] = *value;
        }
    }
    let single = |(value, several): (f64, bool)| if several || !is_present(value) { f64::NAN } else { value };
    values.into_iter().zip(several).map(single).collect()
}
