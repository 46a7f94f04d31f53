//! Series and points that are awkward, and some that are not.

use std::sync::Arc;

use saker_model::{MetricType, Point, Series, SeriesId};

/// Texts that are allowed everywhere: in an endpoint, a metric, a tag's key and a tag's value.
const AWKWARD: &[&str] = &[
    "with space",
    " leading and trailing ",
    "quote\"quote",
    "apostrophe'",
    "back\\slash",
    "trailing\\",
    "ünïcödé",
    "漢字かな",
    "🦀👩‍👩‍👧",
    "شَبَكة",
    "{braces}[brackets]",
    "a/b/c",
    "..",
    "-leading-hyphen",
    "1digit",
    "#hash",
    "semi;colon:colon",
    "%41percent%",
    "$dollar`run`",
    "<b>&amp;",
    "a|b*c?d",
    "null",
    "NaN",
    "time",
    "value",
    "endpoint",
    "metric",
    "__name__",
    "_",
    "comma,comma",
    "equals=equals",
    "all, of=them \"at\\once",
];

pub(crate) fn series(metric: &str, tags: &[(&str, &str)]) -> Series {
    Series {
        endpoint: "kit-1".into(),
        metric: metric.into(),
        tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        metric_type: MetricType::Gauge,
        step_s: 10,
    }
}

/// Series with every awkward text in every place, and some of unusual shape.
pub(crate) fn awkward() -> Vec<Series> {
    let longest = "x".repeat(saker_model::LIMITS.text_bytes);
    let mut all = Vec::new();
    for text in AWKWARD.iter().copied().chain([longest.as_str()]) {
        all.push(Series { endpoint: text.into(), ..series("kit.awkward.endpoint", &[]) });
        all.push(series(text, &[("place", "metric")]));
        all.push(series("kit.awkward.key", &[(text, "v")]));
        all.push(series("kit.awkward.value", &[("k", text)]));
    }
    let keys: Vec<_> = (0..saker_model::LIMITS.tags).map(|number| format!("tag{number:02}")).collect();
    let most: Vec<_> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    all.push(series("kit.awkward.tags", &most));
    for (place, metric_type) in [MetricType::Counter, MetricType::Derive].into_iter().enumerate() {
        all.push(Series { metric_type, step_s: 1, ..series(&format!("kit.awkward.type{place}"), &[]) });
    }
    all
}

/// Every class of finite number.
pub(crate) const FINITE: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1,
    f64::MIN_POSITIVE,
    5e-324,
    -5e-324,
    f64::EPSILON,
    9_007_199_254_740_993.0,
    1e15,
    1e21,
    -1e300,
    f64::MAX,
    f64::MIN,
];

/// Times from the beginning to the end of what a number can say: `now`, before it, after it.
pub(crate) fn times(now_ms: i64) -> Vec<i64> {
    vec![
        now_ms,
        now_ms + saker_model::LIMITS.ahead_ms,
        0,
        1,
        -1,
        // 1901 and 2038 in seconds, 1677 and 2262 in nanoseconds: where 32 and 64 bits end.
        -2_147_483_649_000,
        2_147_483_648_000,
        -9_223_372_036_855,
        9_223_372_036_855,
        // The years 0 and 10000: where calendars end.
        -62_167_219_200_001,
        253_402_300_800_000,
        i64::MIN,
        i64::MAX,
    ]
}

/// Series with handles from `first` on.
pub(crate) fn numbered(first: u32, series: Vec<Series>) -> Vec<(SeriesId, Arc<Series>)> {
    (first..).map(SeriesId).zip(series.into_iter().map(Arc::new)).collect()
}

/// A point for each of these series.
pub(crate) fn points(definitions: &[(SeriesId, Arc<Series>)], timestamp_ms: i64) -> Vec<Point> {
    definitions.iter().map(|(series, _)| Point { series: *series, timestamp_ms, value: 1.5 }).collect()
}

#[cfg(test)]
mod tests {
    use saker_model::Sample;

    use super::*;

    #[test]
    fn what_is_awkward_is_still_what_the_agent_lets_pass() {
        let all = awkward();
        assert!(all.len() > 100);
        for series in all {
            let mut value = Sample {
                endpoint: series.endpoint.clone(),
                metric: series.metric.to_string(),
                tags: series.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
                metric_type: series.metric_type,
                value: 1.0,
                timestamp_ms: 0,
                step_s: series.step_s,
            };
            assert_eq!(value.validate(0), Ok(()), "{series}");
        }
    }

    #[test]
    fn finite_numbers_are_finite() {
        assert!(FINITE.iter().all(|value| value.is_finite()));
    }
}
