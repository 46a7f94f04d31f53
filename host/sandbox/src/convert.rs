//! Between the contract's records and the agent's own.

use std::sync::Arc;

use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_model::{MetricType, Point, Sample, Series, SeriesId};

use crate::bindings::types;
use crate::failure::{CallError, Denied, PluginFault};
use crate::grants::Permission;
use crate::instance::Run;

/// A guest's words: an error, a reason. All of them come in here.
pub(crate) fn words(text: &str) -> String {
    clean(text, MESSAGE_BYTES_MAX)
}

/// As a guest names it; its texts are [`words`] from here on.
impl From<types::Permission> for Permission {
    fn from(permission: types::Permission) -> Self {
        let permission = match permission {
            types::Permission::Read(path) => Self::Read(path),
            types::Permission::Write(path) => Self::Write(path),
            types::Permission::DataDir => Self::DataDir,
            types::Permission::Statfs(path) => Self::Statfs(path),
            types::Permission::Connect(address) => Self::Connect(address),
            types::Permission::Secret(to) => Self::Secret(to),
            types::Permission::Env(name) => Self::Env(name),
            types::Permission::Stdout => Self::Stdout,
            types::Permission::Unix(request) => Self::Unix(request),
        };
        permission.in_words()
    }
}

impl Permission {
    /// The same with texts that can be shown and kept: guests choose what they ask for.
    pub(crate) fn in_words(self) -> Self {
        match self {
            Self::Read(path) => Self::Read(words(&path)),
            Self::Write(path) => Self::Write(words(&path)),
            Self::Statfs(path) => Self::Statfs(words(&path)),
            Self::Connect(address) => Self::Connect(words(&address)),
            Self::ConnectBehind { name, address } => Self::ConnectBehind { name: words(&name), address },
            Self::Secret(to) => Self::Secret(words(&to)),
            Self::Env(name) => Self::Env(words(&name)),
            Self::Never(path) => Self::Never(words(&path)),
            Self::Unix(request) => Self::Unix(words(&request)),
            plain @ (Self::DataDir | Self::ProcessArguments | Self::Stdout) => plain,
        }
    }
}

pub(crate) fn denied(permission: types::Permission, section: &str) -> CallError {
    Denied { permission: permission.into(), section: section.into() }.into()
}

pub(crate) fn open_error(error: types::OpenError, section: &str) -> CallError {
    match error {
        types::OpenError::Settings(message) => PluginFault::Settings(words(&message)).into(),
        types::OpenError::Denied(permission) => denied(permission, section),
        types::OpenError::Other(message) => PluginFault::Other(words(&message)).into(),
    }
}

/// Fills in what a collector has left out.
pub(crate) fn sample(value: types::Sample, endpoint: &Arc<str>, run: &Run) -> Sample {
    Sample {
        endpoint: value.endpoint.map_or_else(|| endpoint.clone(), Arc::from),
        metric: value.metric,
        tags: value.tags,
        metric_type: metric_type(value.metric_type),
        value: value.value,
        timestamp_ms: value.timestamp_ms.unwrap_or(run.timestamp_ms),
        step_s: value.step_s.unwrap_or(run.step_s),
    }
}

pub(crate) fn series_out(series: &Series) -> types::Series {
    types::Series {
        endpoint: series.endpoint.to_string(),
        metric: series.metric.to_string(),
        tags: series.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        metric_type: match series.metric_type {
            MetricType::Gauge => types::MetricType::Gauge,
            MetricType::Counter => types::MetricType::Counter,
            MetricType::Derive => types::MetricType::Derive,
        },
        step_s: series.step_s,
    }
}

/// A series that a plugin has made, as the value that would bring it: so that it is validated like any other.
pub(crate) fn series_in(series: types::Series) -> Sample {
    Sample {
        endpoint: series.endpoint.into(),
        metric: series.metric,
        tags: series.tags,
        metric_type: metric_type(series.metric_type),
        value: 0.0,
        timestamp_ms: 0,
        step_s: series.step_s,
    }
}

/// Points as they cross.
pub(crate) fn columns(points: &[Point]) -> types::Columns {
    types::Columns {
        series: points.iter().map(|&Point { series: SeriesId(series), .. }| series).collect(),
        timestamps_ms: points.iter().map(|point| point.timestamp_ms).collect(),
        values: points.iter().map(|point| point.value).collect(),
    }
}

pub(crate) fn metric_type(metric_type: types::MetricType) -> MetricType {
    match metric_type {
        types::MetricType::Gauge => MetricType::Gauge,
        types::MetricType::Counter => MetricType::Counter,
        types::MetricType::Derive => MetricType::Derive,
    }
}
