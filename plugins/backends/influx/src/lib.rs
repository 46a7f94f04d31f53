//! The `influx` backend: InfluxDB's line protocol over HTTP. README.md has the settings.
//!
//! The lines are made by `saker_sdk::encode::influx`; `destination` works out the address from the settings,
//! `answer` reads what a server says.

mod answer;
mod destination;

use std::collections::BTreeMap;

use saker_sdk::bodies::{Bodies, BodyOutcome, Compression, Filled, HttpSender, Request};
use saker_sdk::encode::influx::{InfluxForm, Precision};
use saker_sdk::encode::{Lines, header};
use saker_sdk::prelude::*;

/// The longest body before it is compressed, in bytes: what the agent compresses at once. InfluxDB takes 25 MB.
const BODY_MAX: usize = 4_000_000;
/// How much of an answer is read, in bytes: enough for a hundred lines and what is wrong with each.
const ANSWER_MAX: usize = 256 << 10;

saker_sdk::settings! {
    /// Which of InfluxDB's two ways to write.
    pub enum ApiVersion {
        /// `/write?db=…`: InfluxDB 1, VictoriaMetrics and others.
        V1 = "v1",
        /// `/api/v2/write?org=…&bucket=…`: InfluxDB 2 and 3.
        V2 = "v2",
    }
}

saker_sdk::settings! {
    /// How many nodes of an InfluxDB Enterprise cluster must have a point.
    pub enum Consistency { Any = "any", One = "one", Quorum = "quorum", All = "all" }
}

saker_sdk::settings! {
    /// Settings of the `influx` backend.
    pub struct InfluxSettings {
        /// Where to write: http://host:port, or with a path, which is then used as it is.
        pub url: String,
        /// Which of InfluxDB's two ways to write.
        pub version: ApiVersion = ApiVersion::V1,
        /// v1: the database.
        pub database: Option<String> = None,
        /// v1: the retention policy, if not the database's default.
        pub retention_policy: Option<String> = None,
        /// v1: how many nodes of a cluster must have a point.
        pub consistency: Option<Consistency> = None,
        /// v2: the organization.
        pub organization: Option<String> = None,
        /// v2: the bucket.
        pub bucket: Option<String> = None,
        /// Sent as "Authorization: Token …".
        pub token: Option<String> = None,
        /// Sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
        /// The unit of timestamps.
        pub precision: Precision = Precision::Milliseconds,
        /// The tag that names the endpoint; "" leaves it out.
        pub endpoint_tag: String = "endpoint".into(),
        /// How bodies are compressed.
        pub compression: Compression = Compression::None,
    }
}

/// The backend, with the series that it knows.
pub struct InfluxDb {
    lines: Lines,
    bodies: Bodies,
    sender: HttpSender,
    body: Vec<u8>,
}

impl Backend for InfluxDb {
    type Settings = InfluxSettings;

    fn describe() -> Description {
        Description::new("influx", env!("CARGO_PKG_VERSION"), "Writes points in InfluxDB's line protocol over HTTP")
            .requests(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: InfluxSettings) -> Result<Self, OpenError> {
        let target = destination::target(&settings)?;
        let authorization = header::authorization(
            "Token",
            settings.token.as_deref(),
            settings.username.as_deref(),
            settings.password.as_deref(),
        )?;
        let form = InfluxForm { endpoint_tag: settings.endpoint_tag, precision: settings.precision };
        let content = "text/plain; charset=utf-8";
        Ok(Self {
            lines: Lines::new(form),
            bodies: Bodies::new(BODY_MAX),
            sender: HttpSender::new(target, content, authorization, &BTreeMap::new(), settings.compression)?
                .reading(answer::HEADERS),
            body: Vec::new(),
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        self.lines.define(&definitions);
        if !definitions.is_empty() {
            self.bodies.forget();
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        self.lines.check(&points)?;
        self.bodies
            .write(points, &mut Call { lines: &self.lines, sender: &self.sender, body: &mut self.body, points: 0 })
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.lines.forget(&ids);
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(InfluxDb);

struct Call<'a> {
    lines: &'a Lines,
    sender: &'a HttpSender,
    body: &'a mut Vec<u8>,
    points: usize,
}

impl Request for Call<'_> {
    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        let filled = Filled::one_by_one(self.body, points, places, most, |body, point| {
            self.lines.push(point, body).expect("the whole call was checked");
        });
        self.points = filled.points;
        filled
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        let points = self.points;
        self.sender.post(self.body, ANSWER_MAX, |response, rest| answer::taken(response, rest, points))
    }
}

#[cfg(test)]
mod tests {
    use saker_sdk::http::{HttpError, Response};
    use saker_sdk::testing::{answer, answer_with, posted};

    use super::*;

    fn open(settings: &str) -> Result<InfluxDb, OpenError> {
        InfluxDb::open(saker_sdk::settings::parse(settings)?)
    }

    fn backend(settings: &str) -> InfluxDb {
        let mut backend = open(settings).unwrap();
        let series = |metric: &str| Series {
            endpoint: "web1".into(),
            metric: metric.into(),
            tags: vec![("core".into(), "0".into())],
            metric_type: MetricType::Counter,
            step_s: 10,
        };
        backend.define(vec![
            Definition { id: 0, series: series("cpu.idle") },
            Definition { id: 1, series: series("cpu.time.user") },
        ]);
        backend
    }

    fn points() -> Vec<Point> {
        let point = |series, value| Point { series, timestamp_ms: 1_700_000_000_123, value };
        vec![point(1, 7.0), point(0, 99.25)]
    }

    const V1: &str = r#"{"url": "http://127.0.0.1:8086", "database": "saker"}"#;

    #[test]
    fn a_call_is_one_request_with_a_line_for_each_point() {
        assert_eq!(backend(V1).write(points()).unwrap(), 2);
        let posted = posted();
        assert_eq!(posted.len(), 1);
        assert_eq!(posted[0].target.path, "/write?db=saker&precision=ms");
        assert_eq!(
            String::from_utf8_lossy(&posted[0].body),
            "cpu.time.user,core=0,endpoint=web1 value=7 1700000000123\n\
             cpu.idle,core=0,endpoint=web1 value=99.25 1700000000123\n"
        );
        let headers: Vec<_> = posted[0].headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(headers, ["content-type", "user-agent"]);
    }

    #[test]
    fn a_call_that_is_too_large_goes_in_halves_each_sent_once() {
        let mut backend = backend(V1);
        let says = |status| answer(Ok(Response { status, retry_after_s: None, body: String::new() }));
        [413, 204, 503].into_iter().for_each(says);
        assert!(matches!(backend.write(points()), Err(WriteError::Retry(_))));
        assert_eq!(backend.write(points()).unwrap(), 2);
        let lines: Vec<_> =
            posted().iter().map(|posted| String::from_utf8_lossy(&posted.body).lines().count()).collect();
        assert_eq!(lines, [2, 1, 1, 1]);
    }

    #[test]
    fn bodies_can_be_compressed() {
        backend(r#"{"url": "http://h:1/write", "compression": "gzip"}"#).write(points()).unwrap();
        let posted = posted().remove(0);
        assert!(posted.headers.contains(&("content-encoding".into(), "gzip".into())));
        assert_eq!(posted.body[..2], [0x1f, 0x8b]);
    }

    #[test]
    fn no_points_are_no_request() {
        assert_eq!(backend(V1).write(Vec::new()).unwrap(), 0);
        assert!(posted().is_empty());
    }

    #[test]
    fn a_token_and_a_user_become_a_header() {
        for (credentials, expected) in
            [(r#""token": "abc==""#, "Token abc=="), (r#""username": "me", "password": "pw""#, "Basic bWU6cHc=")]
        {
            let settings = format!(r#"{{"url": "http://h:1/write", {credentials}}}"#);
            backend(&settings).write(points()).unwrap();
            let headers = posted().remove(0).headers;
            assert!(headers.contains(&("authorization".into(), expected.into())), "{headers:?}");
        }
        assert!(matches!(
            open(r#"{"url": "http://h:1/write", "token": "t", "username": "u"}"#),
            Err(OpenError::Settings(_))
        ));
    }

    #[test]
    fn a_partial_write_gives_all_points_up_and_others_are_tried_again() {
        let respond = |status, body: &str| {
            answer(Ok(Response { status, retry_after_s: None, body: body.into() }));
            backend(V1).write(points()).unwrap_err()
        };
        let error = respond(400, r#"{"error":"partial write: field type conflict dropped=1"}"#);
        let WriteError::Reject(reject) = error else { panic!("{error:?}") };
        assert!(reject.points.is_empty() && reject.message.contains("partial write"), "{reject:?}");
        assert!(matches!(respond(404, r#"{"error":"database not found"}"#), WriteError::Retry(_)));
        assert!(matches!(respond(500, ""), WriteError::Retry(_)));
    }

    #[test]
    fn influxdb_3_names_the_lines_that_it_does_not_take_and_has_the_others() {
        let mut backend = backend(V1);
        let body = r#"{"error":"partial write of line protocol occurred","data":[
            {"original_line":"cpu.idle","line_number":2,"error_message":"invalid column type"}]}"#;
        answer(Ok(Response { status: 400, retry_after_s: None, body: body.into() }));
        let error = backend.write(points()).unwrap_err();
        assert!(
            matches!(&error, WriteError::Reject(reject) if reject.points == [1]
            && reject.message == "line 2: invalid column type"),
            "{error:?}"
        );
        assert_eq!(backend.write(points()[..1].to_vec()).unwrap(), 1);
        assert_eq!(posted().len(), 1, "the other line is there");
        // Where it takes all or nothing, it has not even the others.
        let body = r#"{"error":"write of line protocol failed","data":{"line_number":1,"error_message":"why"}}"#;
        answer(Ok(Response { status: 400, retry_after_s: None, body: body.into() }));
        assert!(matches!(backend.write(points()), Err(WriteError::Reject(reject)) if reject.points == [0]));
        assert_eq!(backend.write(points()[1..].to_vec()).unwrap(), 1);
        assert_eq!(posted().len(), 2);
    }

    #[test]
    fn influxdb_says_with_a_status_of_success_what_it_could_not_do() {
        let says = |status, body: &str, headers: &[(&str, &str)]| {
            answer_with(Response { status, retry_after_s: None, body: body.into() }, headers);
            backend(V1).write(points())
        };
        for (status, body, headers) in [
            (200, r#"{"results":[{"error":"timeout"}]}"#, &[][..]),
            (200, r#"{"error":"timeout"}"#, &[]),
            (200, r#"{"code":"internal error","message":"timeout"}"#, &[]),
            (200, r#"{"error":"tim"#, &[]),
            (204, "", &[("x-influxdb-error", "timeout")]),
        ] {
            let error = says(status, body, headers).unwrap_err();
            assert!(matches!(&error, WriteError::Retry(retry) if retry.message.contains("tim")), "{body} {error:?}");
        }
        let error = says(204, "", &[("x-influxdb-error", "partial write: field type conflict dropped=1")]).unwrap_err();
        assert!(matches!(&error, WriteError::Reject(reject) if reject.points.is_empty()), "{error:?}");
        // InfluxDB Cloud: some are there, some are not.
        let error = says(201, r#"{"code":"invalid","line":1,"message":"why"}"#, &[]).unwrap_err();
        assert!(matches!(&error, WriteError::Reject(reject) if reject.points == [0]), "{error:?}");
        for body in ["", "{}", "ok", r#"{"results":[{"statement_id":0}]}"#] {
            assert_eq!(says(200, body, &[]).unwrap(), 2, "{body}");
        }
    }

    #[test]
    fn an_address_that_is_not_granted_is_named() {
        answer(Err(HttpError::Denied("127.0.0.1:8086".into())));
        let error = backend(V1).write(points()).unwrap_err();
        assert!(matches!(error, WriteError::Denied(Permission::Connect(address)) if address == "127.0.0.1:8086"));
    }

    #[test]
    fn points_that_cannot_be_said_send_nothing() {
        let mut backend = backend(V1);
        let unknown = Point { series: 9, timestamp_ms: 0, value: 1.0 };
        assert!(matches!(backend.write(vec![unknown]), Err(WriteError::Broken(_))));
        let mut points = points();
        points[1].value = f64::INFINITY;
        let error = backend.write(points).unwrap_err();
        assert!(matches!(error, WriteError::Reject(Reject { points, .. }) if points == [1]));
        assert!(posted().is_empty());
    }

    #[test]
    fn the_endpoint_tag_and_the_precision_can_be_set() {
        let settings = r#"{"url": "http://h:1/write", "endpoint_tag": "host", "precision": "s"}"#;
        backend(settings).write(points()).unwrap();
        let posted = posted().remove(0);
        assert_eq!(posted.target.path, "/write?precision=s");
        let first = String::from_utf8_lossy(&posted.body).lines().next().map(str::to_owned);
        assert_eq!(first.as_deref(), Some("cpu.time.user,core=0,host=web1 value=7 1700000000"));
    }
}
