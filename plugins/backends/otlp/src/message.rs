//! The protocol buffers of OTLP: `collector/metrics/v1/metrics_service.proto` and `metrics/v1/metrics.proto` of
//! <https://github.com/open-telemetry/opentelemetry-proto>, version 1.
//!
//! ```text
//! ExportMetricsServiceRequest { repeated ResourceMetrics resource_metrics = 1 }
//! ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2 }
//! Resource        { repeated KeyValue attributes = 1 }
//! ScopeMetrics    { InstrumentationScope scope = 1; repeated Metric metrics = 2 }
//! InstrumentationScope { string name = 1; string version = 2 }
//! Metric          { string name = 1; Gauge gauge = 5 or Sum sum = 7 }
//! Gauge           { repeated NumberDataPoint data_points = 1 }
//! Sum             { repeated NumberDataPoint data_points = 1; AggregationTemporality aggregation_temporality = 2;
//!                   bool is_monotonic = 3 }
//! NumberDataPoint { fixed64 time_unix_nano = 3; double as_double = 4; repeated KeyValue attributes = 7 }
//! KeyValue        { string key = 1; AnyValue value = 2 }
//! AnyValue        { string string_value = 1 }
//!
//! ExportMetricsServiceResponse { ExportMetricsPartialSuccess partial_success = 1 }
//! ExportMetricsPartialSuccess  { int64 rejected_data_points = 1; string error_message = 2 }
//! ```

use std::collections::BTreeMap;

use saker_sdk::encode::protobuf::{
    bytes_key, fixed64_key, push_bytes, push_fixed64, push_length, varint_key, varint_length,
};
use saker_sdk::encode::{Groups, Labels, Slots, Texts};
use saker_sdk::{MetricType, OpenError, Point, Series, SeriesId};

const REQUEST_RESOURCE_METRICS: u8 = bytes_key(1);
const RESOURCE_METRICS_RESOURCE: u8 = bytes_key(1);
const RESOURCE_METRICS_SCOPE_METRICS: u8 = bytes_key(2);
const RESOURCE_ATTRIBUTES: u8 = bytes_key(1);
const SCOPE_METRICS_SCOPE: u8 = bytes_key(1);
const SCOPE_METRICS_METRICS: u8 = bytes_key(2);
const SCOPE_NAME: u8 = bytes_key(1);
const SCOPE_VERSION: u8 = bytes_key(2);
const METRIC_NAME: u8 = bytes_key(1);
const METRIC_GAUGE: u8 = bytes_key(5);
const METRIC_SUM: u8 = bytes_key(7);
const DATA_POINTS: u8 = bytes_key(1);
const POINT_TIME: u8 = fixed64_key(3);
const POINT_VALUE: u8 = fixed64_key(4);
const POINT_ATTRIBUTES: u8 = bytes_key(7);
const KEY_VALUE_KEY: u8 = bytes_key(1);
const KEY_VALUE_VALUE: u8 = bytes_key(2);
const STRING_VALUE: u8 = bytes_key(1);

/// The fields of a sum behind its points: cumulative (2), and whether it only grows.
const GROWING: &[u8] = &[varint_key(2), 2, varint_key(3), 1];
const CHANGING: &[u8] = &[varint_key(2), 2];

/// The latest time that 64 bits of nanoseconds hold, in milliseconds: in the year 2554.
const LATEST_MS: i64 = (u64::MAX / 1_000_000) as i64;

/// What resources are known by.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    endpoint: String,
    resource: BTreeMap<String, String>,
}

/// What stands in a message for each series.
#[derive(Default)]
pub(crate) struct OtlpMessages {
    series: Slots<NumberPoints>,
    /// The field `resource`, whole.
    resources: Texts,
    /// Kind, resource and the field `name`: see [`metric`].
    metrics: Texts,
    /// The fields `attributes` of a point.
    attributes: Texts,
    groups: Groups,
    points: Vec<u8>,
    scope: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct NumberPoints {
    resource: u32,
    metric: u32,
    attributes: u32,
}

impl Naming {
    /// An attribute for the endpoint (empty leaves it out), and those of every resource.
    pub(crate) fn new(endpoint: String, resource: BTreeMap<String, String>) -> Result<Self, OpenError> {
        for (name, value) in &resource {
            if name.is_empty() || value.is_empty() {
                return Err(OpenError::Settings(format!("resource.{name}: neither name nor value may be empty")));
            }
        }
        if resource.contains_key(&endpoint) {
            return Err(OpenError::Settings(format!("resource.{endpoint}: is the endpoint's, see endpoint_attribute")));
        }
        Ok(Self { endpoint, resource })
    }

    fn resource(&self, endpoint: &str) -> Vec<u8> {
        let mut labels = Labels::default();
        if !self.endpoint.is_empty() {
            labels.add(&self.endpoint, endpoint);
        }
        self.resource.iter().for_each(|(name, value)| labels.add(name, value));
        let mut field = Vec::new();
        push_bytes(&mut field, RESOURCE_METRICS_RESOURCE, &attributes(&labels, RESOURCE_ATTRIBUTES));
        field
    }
}

impl OtlpMessages {
    /// Gives a series its parts of a message, in the place of those that it had.
    pub(crate) fn define(&mut self, id: SeriesId, series: &Series, naming: &Naming) {
        let mut labels = Labels::default();
        series.tags.iter().for_each(|(key, value)| labels.add(key, value));
        let resource = self.resources.hold(&naming.resource(&series.endpoint));
        let numbers = NumberPoints {
            resource,
            metric: self.metrics.hold(&metric(series, resource)),
            attributes: self.attributes.hold(&attributes(&labels, POINT_ATTRIBUTES)),
        };
        self.forget(id);
        self.series.insert(id, numbers);
    }

    /// Takes them away.
    pub(crate) fn forget(&mut self, id: SeriesId) {
        if let Some(&NumberPoints { resource, metric, attributes }) = self.series.get(id) {
            self.resources.release(resource);
            self.metrics.release(metric);
            self.attributes.release(attributes);
            self.series.remove(id);
        }
    }

    pub(crate) fn knows(&self, id: SeriesId) -> bool {
        self.series.get(id).is_some()
    }

    /// Puts the points of a resource side by side, and among them those of a metric.
    pub(crate) fn arrange(&mut self, points: &[Point], places: &mut Vec<u32>) {
        let Self { series, resources, metrics, groups, .. } = self;
        groups.arrange(places, metrics.bound(), |place| numbers(series, points, place).metric, |_| ());
        groups.arrange(places, resources.bound(), |place| numbers(series, points, place).resource, |_| ());
    }

    /// Appends a request of the points at `places`, as they were arranged, until it has `most` bytes. Answers of how many
    /// points, one at least.
    pub(crate) fn push(&mut self, points: &[Point], places: &[u32], most: usize, request: &mut Vec<u8>) -> usize {
        let mut done = 0;
        while done < places.len() && (done == 0 || request.len() < most) {
            let resource = numbers(&self.series, points, places[done]).resource;
            self.begin_scope();
            while let Some(place) = places.get(done)
                && numbers(&self.series, points, *place).resource == resource
                && (done == 0 || request.len() + self.scope.len() < most)
            {
                let room = most.saturating_sub(request.len() + self.scope.len());
                done += self.push_metric(points, &places[done..], room);
            }
            let resource = self.resources.get(resource);
            let scope_metrics = 1 + varint_length(self.scope.len() as u64) + self.scope.len();
            push_length(request, REQUEST_RESOURCE_METRICS, resource.len() + scope_metrics);
            request.extend_from_slice(resource);
            push_bytes(request, RESOURCE_METRICS_SCOPE_METRICS, &self.scope);
        }
        done
    }

    fn begin_scope(&mut self) {
        let mut scope = Vec::with_capacity(16);
        push_bytes(&mut scope, SCOPE_NAME, b"saker");
        push_bytes(&mut scope, SCOPE_VERSION, env!("CARGO_PKG_VERSION").as_bytes());
        self.scope.clear();
        push_bytes(&mut self.scope, SCOPE_METRICS_SCOPE, &scope);
    }

    /// Appends the metric of the first place, with the points of its that follow, to the scope; until they have `room`
    /// bytes. Answers how many points, one at least.
    fn push_metric(&mut self, points: &[Point], places: &[u32], room: usize) -> usize {
        let metric = numbers(&self.series, points, places[0]).metric;
        self.points.clear();
        let mut done = 0;
        for &place in places {
            let numbers = numbers(&self.series, points, place);
            if numbers.metric != metric || (done > 0 && self.points.len() >= room) {
                break;
            }
            push_point(&mut self.points, &points[place as usize], self.attributes.get(numbers.attributes));
            done += 1;
        }
        let (data, name) = parts(self.metrics.get(metric));
        let (data, end) = match data {
            MetricType::Gauge => (METRIC_GAUGE, &[][..]),
            MetricType::Counter => (METRIC_SUM, GROWING),
            MetricType::Derive => (METRIC_SUM, CHANGING),
        };
        let length = self.points.len() + end.len();
        push_length(&mut self.scope, SCOPE_METRICS_METRICS, name.len() + 1 + varint_length(length as u64) + length);
        self.scope.extend_from_slice(name);
        push_length(&mut self.scope, data, length);
        self.scope.extend_from_slice(&self.points);
        self.scope.extend_from_slice(end);
        done
    }
}

/// Whether a message can say this point. Time zero stands for an unknown one.
pub(crate) fn fits(point: &Point) -> bool {
    point.value.is_finite() && (1..=LATEST_MS).contains(&point.timestamp_ms)
}

fn numbers(series: &Slots<NumberPoints>, points: &[Point], place: u32) -> NumberPoints {
    *series.get(points[place as usize].series).expect("the whole call was checked for unknown series")
}

/// A metric is another one in another resource, and as another kind.
fn metric(series: &Series, resource: u32) -> Vec<u8> {
    let kind = match series.metric_type {
        MetricType::Gauge => 0,
        MetricType::Counter => 1,
        MetricType::Derive => 2,
    };
    let mut text = vec![kind];
    text.extend(resource.to_le_bytes());
    push_bytes(&mut text, METRIC_NAME, series.metric.as_bytes());
    text
}

/// The kind and the field `name` of [`metric`].
fn parts(metric: &[u8]) -> (MetricType, &[u8]) {
    let kind = match metric[0] {
        0 => MetricType::Gauge,
        1 => MetricType::Counter,
        _ => MetricType::Derive,
    };
    (kind, &metric[5..])
}

fn push_point(out: &mut Vec<u8>, point: &Point, attributes: &[u8]) {
    push_length(out, DATA_POINTS, 18 + attributes.len());
    push_fixed64(out, POINT_TIME, point.timestamp_ms as u64 * 1_000_000);
    push_fixed64(out, POINT_VALUE, point.value.to_bits());
    out.extend_from_slice(attributes);
}

/// One field `key` for each label: a key and a text.
fn attributes(labels: &Labels, key: u8) -> Vec<u8> {
    let (mut fields, mut pair, mut value) = (Vec::new(), Vec::new(), Vec::new());
    for (name, text) in labels.iter() {
        value.clear();
        push_bytes(&mut value, STRING_VALUE, text.as_bytes());
        pair.clear();
        push_bytes(&mut pair, KEY_VALUE_KEY, name.as_bytes());
        push_bytes(&mut pair, KEY_VALUE_VALUE, &value);
        push_bytes(&mut fields, key, &pair);
    }
    fields
}
