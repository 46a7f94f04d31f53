use std::io::Read;

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use prost::Message;
use saker_sdk::http::{HttpError, Response};
use saker_sdk::testing::{Posted, answer, answer_with, logged, posted};

use super::*;

fn open(settings: &str) -> Result<Otlp, OpenError> {
    Otlp::open(saker_sdk::settings::parse(settings)?)
}

fn series(endpoint: &str, metric: &str, metric_type: MetricType, tags: &[(&str, &str)]) -> Series {
    Series {
        endpoint: endpoint.into(),
        metric: metric.into(),
        tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        metric_type,
        step_s: 10,
    }
}

fn backend(more: &str) -> Otlp {
    let mut backend = open(&format!(r#"{{"url": "http://127.0.0.1:4318"{more}}}"#)).unwrap();
    let all = [
        series("web1", "cpu.idle", MetricType::Gauge, &[("core", "0")]),
        series("web1", "cpu.idle", MetricType::Gauge, &[("core", "1"), ("é", "\"x\"\n")]),
        series("web2", "cpu.idle", MetricType::Gauge, &[("core", "0")]),
        series("web1", "net.bytes", MetricType::Counter, &[]),
        series("web1", "queue", MetricType::Derive, &[("empty", "")]),
    ];
    backend.define((0..).zip(all).map(|(id, series)| Definition { id, series }).collect());
    backend
}

fn point(series: u32, timestamp_ms: i64, value: f64) -> Point {
    Point { series, timestamp_ms, value }
}

fn text(attributes: &[KeyValue]) -> String {
    let pair = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(value)) => format!("{}={value}", pair.key),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(pair).collect::<Vec<_>>().join(",")
}

fn request(posted: &Posted) -> ExportMetricsServiceRequest {
    let mut body = Vec::new();
    if posted.headers.contains(&("content-encoding".into(), "gzip".into())) {
        flate2::read::GzDecoder::new(&posted.body[..]).read_to_end(&mut body).unwrap();
    } else {
        body.clone_from(&posted.body);
    }
    ExportMetricsServiceRequest::decode(&body[..]).unwrap()
}

/// One line for each point: `resource | metric kind | attributes | time value`, in the request's order.
fn lines(posted: &Posted) -> Vec<String> {
    let mut lines = Vec::new();
    for resource in request(posted).resource_metrics {
        let endpoint = text(&resource.resource.unwrap().attributes);
        let [scope] = &resource.scope_metrics[..] else { panic!("not one scope") };
        assert_eq!(scope.scope.as_ref().unwrap().name, "saker");
        for metric in &scope.metrics {
            let (kind, points) = match metric.data.as_ref().unwrap() {
                Data::Gauge(gauge) => ("gauge".to_owned(), &gauge.data_points),
                Data::Sum(sum) => {
                    (format!("sum {} {}", sum.aggregation_temporality, sum.is_monotonic), &sum.data_points)
                }
                other => panic!("{other:?}"),
            };
            for point in points {
                let Some(number_data_point::Value::AsDouble(value)) = point.value else { panic!("{point:?}") };
                let (name, attributes, time) = (&metric.name, text(&point.attributes), point.time_unix_nano);
                lines.push(format!("{endpoint} | {name} {kind} | {attributes} | {time} {value}"));
            }
        }
    }
    lines
}

#[test]
fn a_call_is_one_request_with_a_resource_for_each_endpoint() {
    let points = vec![
        point(0, 1, 0.5),
        point(2, 1, 1.5),
        point(3, 1, 2.0),
        point(1, 1, 3.0),
        point(0, 1_700_000_000_123, -4.0),
        point(4, 1, 5.0),
    ];
    assert_eq!(backend("").write(points).unwrap(), 6);
    let posted = posted();
    assert_eq!((posted.len(), posted[0].target.path.as_str()), (1, "/v1/metrics"));
    assert!(posted[0].headers.contains(&("content-type".into(), "application/x-protobuf".into())));
    let (web1, web2) = ("host.name=web1,service.name=saker", "host.name=web2,service.name=saker");
    assert_eq!(
        lines(&posted[0]),
        [
            format!("{web1} | cpu.idle gauge | core=0 | 1000000 0.5"),
            format!("{web1} | cpu.idle gauge | core=1,é=\"x\"\n | 1000000 3"),
            format!("{web1} | cpu.idle gauge | core=0 | 1700000000123000000 -4"),
            format!("{web1} | net.bytes sum 2 true |  | 1000000 2"),
            format!("{web1} | queue sum 2 false |  | 1000000 5"),
            format!("{web2} | cpu.idle gauge | core=0 | 1000000 1.5"),
        ]
    );
    let request = request(&posted[0]);
    assert_eq!(request.resource_metrics.len(), 2);
    assert_eq!(request.resource_metrics[0].scope_metrics[0].metrics.len(), 3);
}

#[test]
fn a_request_is_written_byte_by_byte_as_the_schema_says() {
    let mut backend = backend(r#", "compression": "none", "endpoint_attribute": "", "resource": {"a": "b"}"#);
    backend.write(vec![point(3, 1, 1.0)]).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let scope = [&[0x0a, 5][..], b"saker", &[0x12, version.len() as u8], version.as_bytes()].concat();
    let number = [&[0x19][..], &1_000_000_u64.to_le_bytes(), &[0x21], &1.0_f64.to_le_bytes()].concat();
    let sum = [&[0x0a, 18][..], &number, &[0x10, 2, 0x18, 1]].concat();
    let metric = [&[0x0a, 9][..], b"net.bytes", &[0x3a, sum.len() as u8], &sum].concat();
    let scope_metrics = [&[0x0a, scope.len() as u8][..], &scope, &[0x12, metric.len() as u8], &metric].concat();
    let resource = [&[0x0a, 8, 0x0a, 1][..], b"a", &[0x12, 3, 0x0a, 1], b"b"].concat();
    let resource_metrics =
        [&[0x0a, resource.len() as u8][..], &resource, &[0x12, scope_metrics.len() as u8], &scope_metrics].concat();
    assert_eq!(posted()[0].body, [&[0x0a, resource_metrics.len() as u8][..], &resource_metrics].concat());
}

#[test]
fn a_huge_call_goes_in_several_requests_and_nothing_is_left_out() {
    let mut backend = backend(r#", "compression": "none""#);
    let points: Vec<_> =
        (0..100_000).map(|number| point(number % 5, i64::from(number) + 1, f64::from(number))).collect();
    assert_eq!(backend.write(points).unwrap(), 100_000);
    let posted = posted();
    assert!(posted.len() > 1 && posted.iter().all(|posted| posted.body.len() < BODY_MAX + 200));
    let mut all: Vec<_> = posted.iter().flat_map(lines).collect();
    assert_eq!(all.len(), 100_000);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 100_000);
}

#[test]
fn a_body_that_is_too_large_is_halved() {
    let mut backend = backend("");
    answer(Ok(Response { status: 413, retry_after_s: None, body: String::new() }));
    let points: Vec<_> = (0..1000).map(|number| point(number % 5, i64::from(number) + 1, 1.0)).collect();
    assert_eq!(backend.write(points).unwrap(), 1000);
    let posted = posted();
    let counts: Vec<_> = posted.iter().map(|posted| lines(posted).len()).collect();
    assert_eq!(counts[0], 1000);
    assert_eq!(counts[1..].iter().sum::<usize>(), 1000);
    assert!(counts.len() > 2, "{counts:?}");
}

#[test]
fn points_that_a_server_rejects_without_a_name_are_not_counted_as_taken() {
    let says = |rejected, words: &str| {
        let partial = ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message: words.into() };
        let response = ExportMetricsServiceResponse { partial_success: Some(partial) };
        let body = String::from_utf8(response.encode_to_vec()).unwrap();
        answer(Ok(Response { status: 200, retry_after_s: None, body }));
    };
    let points = || vec![point(0, 1, 1.0), point(1, 1, 1.0), point(2, 1, 1.0)];
    let mut backend = backend("");
    says(2, "too old");
    assert_eq!(backend.write(points()).unwrap(), 1);
    assert_eq!(logged().pop().unwrap().1, "2 points rejected: too old");
    says(0, "deprecated");
    assert_eq!(backend.write(points()).unwrap(), 3);
    assert_eq!(logged().pop().unwrap().1, "0 points rejected: deprecated");
    let before = logged().len();
    answer(Ok(Response { status: 200, retry_after_s: None, body: String::new() }));
    assert_eq!(backend.write(points()).unwrap(), 3);
    assert_eq!(logged().len(), before);
    // A number beyond what was sent, and an answer that is none.
    let huge = ExportMetricsPartialSuccess { rejected_data_points: -1, error_message: String::new() };
    let huge = ExportMetricsServiceResponse { partial_success: Some(huge) }.encode_to_vec();
    assert!(matches!(answer::protobuf(&huge).taken(3).0, BodyOutcome::Some { lost: 3, .. }));
    assert_eq!(answer::protobuf(b"<html>").taken(3), (BodyOutcome::All, None));
}

#[test]
fn otlp_says_what_it_rejects_in_json_and_as_a_grpc_status() {
    let says = |body: &str, headers: &[(&str, &str)]| {
        answer_with(Response { status: 200, retry_after_s: None, body: body.into() }, headers);
        backend("").write(vec![point(0, 1, 1.0), point(1, 1, 1.0), point(2, 1, 1.0)])
    };
    assert_eq!(says(r#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"old"}}"#, &[]).unwrap(), 1);
    assert_eq!(logged().pop().unwrap().1, "2 points rejected: old");
    assert_eq!(says(r#"{"partial_success":{"rejected_data_points":1}}"#, &[]).unwrap(), 2);
    assert_eq!(says(r#"{"partialSuccess":{}}"#, &[]).unwrap(), 3);
    assert_eq!(says("{}", &[("grpc-status", "0")]).unwrap(), 3);
    assert!(matches!(says(r#"{"code":8,"message":"busy"}"#, &[]), Err(WriteError::Retry(_))));
    let error = says("", &[("grpc-status", "8"), ("grpc-message", "busy")]).unwrap_err();
    assert!(matches!(error, WriteError::Retry(retry) if retry.message == "gRPC status 8 busy: 200"));
}

#[test]
fn what_a_message_cannot_say_is_rejected() {
    let mut backend = backend("");
    for bad in [point(0, 0, 1.0), point(0, -1, 1.0), point(0, i64::MAX, 1.0), point(0, 1, f64::INFINITY)] {
        let error = backend.write(vec![point(1, 1, 1.0), bad]).unwrap_err();
        assert!(matches!(error, WriteError::Reject(reject) if reject.points == [1]));
    }
    assert!(matches!(backend.write(vec![point(9, 1, 1.0)]), Err(WriteError::Broken(_))));
    backend.forget(vec![0]);
    assert!(matches!(backend.write(vec![point(0, 1, 1.0)]), Err(WriteError::Broken(_))));
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    assert!(posted().is_empty());
    backend.write(vec![point(0, 1, 1.0)]).unwrap_err();
    backend.define(vec![Definition { id: 0, series: series("web3", "m", MetricType::Counter, &[]) }]);
    backend.write(vec![point(0, 18_446_744_073_709, 1.0)]).unwrap();
    let line = "host.name=web3,service.name=saker | m sum 2 true |  | 18446744073709000000 1";
    assert_eq!(lines(&posted()[0]), [line]);
}

#[test]
fn an_answer_decides_between_giving_up_and_trying_again() {
    let respond = |status| {
        answer(Ok(Response { status, retry_after_s: Some(2), body: "why".into() }));
        backend("").write(vec![point(0, 1, 1.0)]).unwrap_err()
    };
    for status in [400, 422] {
        assert!(matches!(respond(status), WriteError::Reject(_)), "{status}");
    }
    for status in [401, 404, 429, 500, 502, 503, 504] {
        assert!(matches!(respond(status), WriteError::Retry(retry) if retry.after_ms == Some(2000)), "{status}");
    }
    answer(Err(HttpError::Denied("127.0.0.1:4318".into())));
    assert!(matches!(backend("").write(vec![point(0, 1, 1.0)]), Err(WriteError::Denied(_))));
}

#[test]
fn settings_make_the_path_and_the_resource_or_are_named() {
    for (url, path) in [("http://h:1", "/v1/metrics"), ("http://h/?a=b", "/v1/metrics?a=b"), ("http://h/otlp", "/otlp")]
    {
        let mut backend =
            open(&format!(r#"{{"url": "{url}", "resource": {{}}, "headers": {{"api-key": "k"}}}}"#)).unwrap();
        backend.define(vec![Definition { id: 0, series: series("e", "m", MetricType::Gauge, &[]) }]);
        backend.write(vec![point(0, 1, 1.0)]).unwrap();
        let posted = posted();
        assert_eq!(posted[0].target.path, path);
        assert!(posted[0].headers.contains(&("api-key".into(), "k".into())));
        assert!(lines(&posted[0])[0].starts_with("host.name=e | m gauge"));
    }
    for (more, named) in [
        (r#""resource": {"host.name": "x"}"#, "resource.host.name: is the endpoint's"),
        (r#""resource": {"a": ""}"#, "resource.a: neither name nor value"),
        (r#""token": "a", "username": "b""#, "token: "),
        (r#""headers": {"host": "b"}"#, "headers.host: "),
    ] {
        let Some(OpenError::Settings(message)) = open(&format!(r#"{{"url": "http://h", {more}}}"#)).err() else {
            panic!("{named}")
        };
        assert!(message.starts_with(named), "{message}");
    }
}
