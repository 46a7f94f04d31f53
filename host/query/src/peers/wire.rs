//! Samples and buckets on their way from agent to agent: JSON, values as the bits that they are.

use std::sync::Arc;

use saker_model::MetricType;
use saker_pipeline::reader::{
    Aggregate, AggregateSet, Attributes, Chunk, Identity, ReadBudget, SeriesReader, TimeRange,
};
use serde::{Deserialize, Serialize};

use super::PeerError;
use crate::ast::Selector;
use crate::eval::{EvalSettings, QueryError};
use crate::names::Conditions;

/// A series, and what there is of it in the order of times.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireSeries {
    endpoint: String,
    metric: String,
    tags: Vec<(String, String)>,
    #[serde(rename = "type")]
    metric_type: String,
    step_s: u32,
    pub(super) chunks: Vec<WireChunk>,
}

/// Samples, which have one column, or buckets, which have all.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireChunk {
    pub(super) granularity_ms: i64,
    pub(super) timestamps: Vec<i64>,
    bits: Vec<Vec<u64>>,
    #[serde(skip)]
    pub(super) columns: Vec<Vec<f64>>,
}

/// All columns that there are.
pub(super) fn all_columns() -> AggregateSet {
    Aggregate::ALL.into_iter().fold(AggregateSet::default(), AggregateSet::with)
}

impl WireSeries {
    /// What identifies it.
    pub(super) fn identity(&self) -> Option<(Identity, Attributes)> {
        let mut tags: Vec<(Box<str>, Box<str>)> =
            self.tags.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
        tags.sort_unstable();
        tags.dedup_by(|a, b| a.0 == b.0);
        let identity = Identity {
            endpoint: self.endpoint.as_str().into(),
            metric: self.metric.as_str().into(),
            tags: tags.into(),
        };
        let metric_type = MetricType::parse(&self.metric_type)?;
        Some((identity, Attributes { metric_type, step_s: self.step_s }))
    }
}

/// Reads what selectors find, each in its times.
///
/// # Errors
/// The reader's and the budget's, and more series than may be.
pub(crate) fn read(
    reader: &dyn SeriesReader,
    spans: &[(Selector, TimeRange)],
    settings: &EvalSettings,
    budget: &ReadBudget,
) -> Result<Vec<WireSeries>, QueryError> {
    let mut all = Vec::new();
    for (selector, range) in spans {
        let conditions = Conditions::new(settings.naming, selector.name.as_deref(), &selector.matchers)?;
        let mut refs = reader.select(&conditions.pushed_down(), *range, settings.series_max + 1)?;
        refs.retain(|series| conditions.matches(&series.identity, &settings.naming.labels(&series.identity)));
        if refs.len() > settings.series_max {
            let selector = crate::printer::series(selector);
            return Err(QueryError::SeriesLimit { selector, limit: settings.series_max });
        }
        budget.foresee_samples(reader.estimate(&refs, *range, budget.limits().samples))?;
        let first = all.len();
        all.extend(refs.iter().map(|series| WireSeries {
            endpoint: series.identity.endpoint.to_string(),
            metric: series.identity.metric.to_string(),
            tags: series.identity.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            metric_type: series.attributes.metric_type.as_str().into(),
            step_s: series.attributes.step_s,
            chunks: Vec::new(),
        }));
        let mut over = Ok(());
        reader.read(&refs, *range, all_columns(), budget, &mut |chunk: Chunk<'_>| {
            let columns = if chunk.granularity_ms == 0 { &chunk.columns[..1] } else { chunk.columns };
            let bytes = (chunk.timestamps.len() * (columns.len() + 1) * size_of::<u64>()) as u64;
            if over.is_ok() {
                over = budget.charge_memory(bytes);
            }
            if over.is_ok() {
                all[first + chunk.series].chunks.push(WireChunk {
                    granularity_ms: chunk.granularity_ms,
                    timestamps: chunk.timestamps.to_vec(),
                    bits: columns.iter().map(|column| column.iter().map(|value| value.to_bits()).collect()).collect(),
                    columns: Vec::new(),
                });
            }
        })?;
        over?;
    }
    all.retain(|series| !series.chunks.is_empty());
    Ok(all)
}

/// As text.
pub(crate) fn encode(series: &[WireSeries]) -> Vec<u8> {
    // Numbers and texts are JSON in any case.
    serde_json::to_vec(series).unwrap_or_default()
}

/// A series of a peer's, what it is, and its chunks.
type PeerSeries = (Arc<Identity>, Attributes, Vec<WireChunk>);

/// From text; a peer's lies are no harm.
pub(super) fn decode(body: &[u8]) -> Result<Vec<PeerSeries>, PeerError> {
    let series: Vec<WireSeries> = serde_json::from_slice(body).map_err(|_| PeerError::Answer)?;
    let mut all = Vec::with_capacity(series.len());
    for mut series in series {
        let (identity, attributes) = series.identity().ok_or(PeerError::Answer)?;
        let mut newest_ms = i64::MIN;
        for chunk in &mut series.chunks {
            let wanted = if chunk.granularity_ms == 0 { 1 } else { Aggregate::ALL.len() };
            let rows = chunk.timestamps.len();
            let is_whole = chunk.bits.len() == wanted && chunk.bits.iter().all(|column| column.len() == rows);
            let grows = chunk.timestamps.first().is_none_or(|first| *first > newest_ms)
                && chunk.timestamps.is_sorted_by(|a, b| a < b);
            if !is_whole || !grows || chunk.granularity_ms < 0 {
                return Err(PeerError::Answer);
            }
            newest_ms = chunk.timestamps.last().copied().unwrap_or(newest_ms);
            let column = |bits: Vec<u64>| bits.into_iter().map(f64::from_bits).collect();
            chunk.columns = std::mem::take(&mut chunk.bits).into_iter().map(column).collect();
        }
        all.push((Arc::new(identity), attributes, series.chunks));
    }
    Ok(all)
}
