//! The functions of the language: what they take and what they give. What they do stands in `eval`.

use crate::types::ValueType;

/// A function of the language.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The types that it takes; the last one stands for all further ones.
    pub arguments: &'static [ValueType],
    /// How many of them must be there.
    pub required: usize,
    /// How many there may be.
    pub most: usize,
    /// The type that it gives.
    pub result: ValueType,
}

/// Arguments of a function that takes any number of them.
const MANY: usize = usize::MAX;

use ValueType::{Matrix as M, Scalar as S, Text as T, Vector as V};

const fn function(
    name: &'static str,
    arguments: &'static [ValueType],
    required: usize,
    most: usize,
    result: ValueType,
) -> Function {
    Function { name, arguments, required, most, result }
}

/// A function with so many arguments as it has types.
const fn fixed(name: &'static str, arguments: &'static [ValueType], result: ValueType) -> Function {
    function(name, arguments, arguments.len(), arguments.len(), result)
}

/// All functions, by name.
pub static FUNCTIONS: &[Function] = &[
    fixed("abs", &[V], V),
    fixed("absent", &[V], V),
    fixed("absent_over_time", &[M], V),
    fixed("acos", &[V], V),
    fixed("acosh", &[V], V),
    fixed("asin", &[V], V),
    fixed("asinh", &[V], V),
    fixed("atan", &[V], V),
    fixed("atanh", &[V], V),
    fixed("avg_over_time", &[M], V),
    fixed("ceil", &[V], V),
    fixed("changes", &[M], V),
    fixed("clamp", &[V, S, S], V),
    fixed("clamp_max", &[V, S], V),
    fixed("clamp_min", &[V, S], V),
    fixed("cos", &[V], V),
    fixed("cosh", &[V], V),
    fixed("count_over_time", &[M], V),
    function("day_of_month", &[V], 0, 1, V),
    function("day_of_week", &[V], 0, 1, V),
    function("day_of_year", &[V], 0, 1, V),
    function("days_in_month", &[V], 0, 1, V),
    fixed("deg", &[V], V),
    fixed("delta", &[M], V),
    fixed("deriv", &[M], V),
    fixed("double_exponential_smoothing", &[M, S, S], V),
    fixed("end", &[], S),
    fixed("exp", &[V], V),
    fixed("first_over_time", &[M], V),
    fixed("floor", &[V], V),
    fixed("histogram_avg", &[V], V),
    fixed("histogram_count", &[V], V),
    fixed("histogram_fraction", &[S, S, V], V),
    fixed("histogram_quantile", &[S, V], V),
    function("histogram_quantiles", &[V, T, S], 3, 12, V),
    fixed("histogram_stddev", &[V], V),
    fixed("histogram_stdvar", &[V], V),
    fixed("histogram_sum", &[V], V),
    function("hour", &[V], 0, 1, V),
    fixed("idelta", &[M], V),
    fixed("increase", &[M], V),
    fixed("irate", &[M], V),
    function("label_join", &[V, T, T, T], 3, MANY, V),
    fixed("label_replace", &[V, T, T, T, T], V),
    fixed("last_over_time", &[M], V),
    fixed("ln", &[V], V),
    fixed("log10", &[V], V),
    fixed("log2", &[V], V),
    fixed("mad_over_time", &[M], V),
    fixed("max_of", &[S, S], S),
    fixed("max_over_time", &[M], V),
    fixed("min_of", &[S, S], S),
    fixed("min_over_time", &[M], V),
    function("minute", &[V], 0, 1, V),
    function("month", &[V], 0, 1, V),
    fixed("pi", &[], S),
    fixed("predict_linear", &[M, S], V),
    fixed("present_over_time", &[M], V),
    fixed("quantile_over_time", &[S, M], V),
    fixed("rad", &[V], V),
    fixed("range", &[], S),
    fixed("rate", &[M], V),
    fixed("resets", &[M], V),
    function("round", &[V, S], 1, 2, V),
    fixed("scalar", &[V], S),
    fixed("sgn", &[V], V),
    fixed("sin", &[V], V),
    fixed("sinh", &[V], V),
    fixed("sort", &[V], V),
    function("sort_by_label", &[V, T], 1, MANY, V),
    function("sort_by_label_desc", &[V, T], 1, MANY, V),
    fixed("sort_desc", &[V], V),
    fixed("sqrt", &[V], V),
    fixed("start", &[], S),
    fixed("stddev_over_time", &[M], V),
    fixed("stdvar_over_time", &[M], V),
    fixed("step", &[], S),
    fixed("sum_over_time", &[M], V),
    fixed("tan", &[V], V),
    fixed("tanh", &[V], V),
    fixed("time", &[], S),
    fixed("timestamp", &[V], V),
    fixed("ts_of_first_over_time", &[M], V),
    fixed("ts_of_last_over_time", &[M], V),
    fixed("ts_of_max_over_time", &[M], V),
    fixed("ts_of_min_over_time", &[M], V),
    fixed("vector", &[S], V),
    function("year", &[V], 0, 1, V),
];

impl Function {
    /// The function of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|at| &FUNCTIONS[at])
    }

    /// The type of its argument at a place.
    #[must_use]
    pub fn argument(&self, place: usize) -> Option<ValueType> {
        self.arguments.get(place).or(self.arguments.last()).copied()
    }
}

/// The name that somebody may have meant, of functions and aggregations.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let aggregates = crate::ast::AggregateOp::ALL.into_iter().map(crate::ast::AggregateOp::as_str);
    let names = FUNCTIONS.iter().map(|function| function.name).chain(aggregates);
    let scored = names.map(|known| (distance(name, known), known)).min();
    scored.filter(|(distance, known)| distance * 3 <= known.len()).map(|(_, known)| known)
}

/// How many characters must be changed, added or left out to make one name the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_and_found() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(Function::find("rate").map(|function| function.name), Some("rate"));
        assert_eq!(Function::find("rat"), None);
        assert_eq!(Function::find("label_join").and_then(|function| function.argument(7)), Some(ValueType::Text));
    }

    #[test]
    fn a_name_that_is_nearly_right_is_recognised() {
        assert_eq!(nearest("rates"), Some("rate"));
        assert_eq!(nearest("avg_overtime"), Some("avg_over_time"));
        assert_eq!(nearest("something_else"), None);
    }
}
