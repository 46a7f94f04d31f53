//! Shares of time: what containers used over the last minute, hour and day. From all samples that are kept, so a day is one
//! as soon as it is stored, and percentiles are those of the samples themselves.

use saker_pipeline::reader::{AggregateSet, Chunk, ReadBudget, SeriesReader, TimeRange};
use serde_json::{Value, json};

use super::find::Container;
use super::{CadvisorError, json};

const MINUTE_MS: i64 = 60_000;
/// A day, the longest that is summed up.
pub(crate) const DAY_MS: i64 = 86_400_000;

type Samples = Vec<(i64, f64)>;

/// The derived stats of a container, as of the end of the range.
///
/// # Errors
/// The reader's and the budget's.
pub fn summary(
    reader: &dyn SeriesReader,
    container: &Container,
    end_ms: i64,
    budget: &ReadBudget,
) -> Result<Value, CadvisorError> {
    let range = TimeRange { start_ms: end_ms.saturating_sub(DAY_MS), end_ms };
    let used = samples(reader, container, "cpu_usage_total", range, budget)?;
    // Nanoseconds in a second are millionths of a thousandth of a core.
    let rates = used.windows(2).filter(|pair| pair[1].0 > pair[0].0 && pair[1].1 >= pair[0].1);
    let cpu: Samples =
        rates.map(|pair| (pair[1].0, (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0) as f64 / 1000.0)).collect();
    let memory = samples(reader, container, "memory_working_set", range, budget)?;
    let last = |samples: &Samples| samples.last().map_or(Value::Null, |(_, value)| value.round().into());
    let newest = cpu.last().into_iter().chain(memory.last()).map(|(time_ms, _)| *time_ms).max().unwrap_or(end_ms);
    let usage = |span_ms: i64| {
        let part = |samples: &Samples| percentiles(samples, end_ms - span_ms);
        let covered = |samples: &Samples| {
            let first = samples.iter().map(|(time_ms, _)| *time_ms).find(|time_ms| *time_ms > end_ms - span_ms);
            first.map_or(0, |first| ((end_ms - first) * 100 / span_ms).clamp(0, 100))
        };
        json!({"percent_complete": covered(&memory).max(covered(&cpu)), "cpu": part(&cpu), "memory": part(&memory)})
    };
    Ok(json!({
        "timestamp": json::time(newest),
        "latest_usage": {"cpu": last(&cpu), "memory": last(&memory)},
        "minute_usage": usage(MINUTE_MS),
        "hour_usage": usage(60 * MINUTE_MS),
        "day_usage": usage(DAY_MS),
    }))
}

fn samples(
    reader: &dyn SeriesReader,
    container: &Container,
    metric: &str,
    range: TimeRange,
    budget: &ReadBudget,
) -> Result<Samples, CadvisorError> {
    let series: Vec<_> = container.series.iter().filter(|series| &*series.identity.metric == metric).cloned().collect();
    let mut found = Samples::new();
    reader.read(&series, range, AggregateSet::LAST, budget, &mut |chunk: Chunk<'_>| {
        let values = chunk.timestamps.iter().copied().zip(chunk.columns[0].iter().copied());
        found.extend(values.filter(|(_, value)| value.is_finite()));
    })?;
    Ok(found)
}

/// Mean, deviation, largest and percentiles of what came after a time.
fn percentiles(samples: &Samples, after_ms: i64) -> Value {
    let mut values: Vec<f64> =
        samples.iter().filter(|(time_ms, _)| *time_ms > after_ms).map(|(_, value)| *value).collect();
    if values.is_empty() {
        return json!({"present": false});
    }
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    // The smallest that so many are not above.
    let at = |share: f64| values[((share * count).ceil() as usize).clamp(1, values.len()) - 1].round();
    json!({
        "present": true,
        "mean": mean.round(),
        "std": deviation.round(),
        "max": at(1.0),
        "fifty": at(0.5),
        "ninety": at(0.9),
        "ninetyfive": at(0.95),
        "count": values.len(),
    })
}
