//! The `cadvisor-json` backend: points in the shape of the records that cAdvisor's storage drivers write, over HTTP.
//! README.md has the settings.
//!
//! The records are made by `saker_sdk::encode::cadvisor`.

use std::collections::BTreeMap;

use saker_sdk::bodies::{Bodies, BodyOutcome, Compression, Filled, HttpSender, Request};
use saker_sdk::encode::cadvisor::{self, CadvisorRecords};
use saker_sdk::encode::{check, header};
use saker_sdk::http::Target;
use saker_sdk::prelude::*;

/// The longest body before it is compressed, in bytes: more than a batch of the agent's usual size.
const BODY_MAX: usize = 2 << 20;
/// How much of an answer is read, in bytes.
const ANSWER_MAX: usize = 4 << 10;

saker_sdk::settings! {
    /// How the records of a request follow each other.
    pub enum RequestForm {
        /// One on each line.
        Lines = "lines",
        /// In an array.
        Array = "array",
    }
}

saker_sdk::settings! {
    /// Settings of the `cadvisor-json` backend.
    pub struct CadvisorSettings {
        /// Where to post: http://host:port/path.
        pub url: String,
        /// The tag that names the container of a series. Series without it are the machine's.
        pub container_tag: String = cadvisor::CONTAINER_TAG.into(),
        /// How the records of a request follow each other.
        pub format: RequestForm = RequestForm::Lines,
        /// How bodies are compressed.
        pub compression: Compression = Compression::None,
        /// Sent as "Authorization: Bearer …".
        pub token: Option<String> = None,
        /// Sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
        /// More headers.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The backend, with the series that it knows.
pub struct CadvisorJson {
    form: RequestForm,
    records: CadvisorRecords,
    bodies: Bodies,
    sender: HttpSender,
    body: Vec<u8>,
}

impl Backend for CadvisorJson {
    type Settings = CadvisorSettings;

    fn describe() -> Description {
        let summary = "Posts points in the shape of the records of cAdvisor";
        Description::new("cadvisor-json", env!("CARGO_PKG_VERSION"), summary)
            .requests(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: CadvisorSettings) -> Result<Self, OpenError> {
        let authorization = header::authorization(
            "Bearer",
            settings.token.as_deref(),
            settings.username.as_deref(),
            settings.password.as_deref(),
        )?;
        let content = match settings.format {
            RequestForm::Lines => "application/x-ndjson",
            RequestForm::Array => "application/json",
        };
        let target = Target::parse(&settings.url)?;
        Ok(Self {
            form: settings.format,
            records: CadvisorRecords::new(settings.container_tag),
            bodies: Bodies::new(BODY_MAX),
            sender: HttpSender::new(target, content, authorization, &settings.headers, settings.compression)?,
            body: Vec::new(),
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for definition in &definitions {
            self.records.define(definition.id, &definition.series);
        }
        if !definitions.is_empty() {
            self.bodies.forget();
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        check(&points, |id| self.records.knows(id), cadvisor::fits)?;
        let mut call = Call { form: self.form, records: &mut self.records, sender: &self.sender, body: &mut self.body };
        self.bodies.write(points, &mut call)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        ids.iter().for_each(|id| self.records.forget(*id));
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(CadvisorJson);

struct Call<'a> {
    form: RequestForm,
    records: &'a mut CadvisorRecords,
    sender: &'a HttpSender,
    body: &'a mut Vec<u8>,
}

impl Request for Call<'_> {
    fn arrange(&mut self, points: &[Point], places: &mut Vec<u32>) {
        self.records.arrange(points, places);
    }

    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        let (start, between, end): (&[u8], &[u8], &[u8]) = match self.form {
            RequestForm::Lines => (b"", b"\n", b"\n"),
            RequestForm::Array => (b"[", b",", b"]"),
        };
        self.body.clear();
        self.body.extend_from_slice(start);
        let points = self.records.push(points, places, most, between, self.body);
        self.body.extend_from_slice(end);
        Filled { points, bytes: self.body.len() }
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        self.sender.post(self.body, ANSWER_MAX, |response, _| response.taken())
    }
}

#[cfg(test)]
mod tests {
    use saker_sdk::http::{HttpError, Response};
    use saker_sdk::settings::serde_json::{self, Value};
    use saker_sdk::testing::{answer, posted};

    use super::*;

    fn backend(more: &str) -> CadvisorJson {
        let settings = format!(r#"{{"url": "http://127.0.0.1:80/stats"{more}}}"#);
        let mut backend = CadvisorJson::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap();
        let series = |metric: &str, container: &str| Series {
            endpoint: "web1".into(),
            metric: metric.into(),
            tags: vec![("container".into(), container.into())],
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        backend.define(vec![
            Definition { id: 0, series: series("memory_usage", "/a") },
            Definition { id: 1, series: series("load.1min", "/a") },
            Definition { id: 2, series: series("memory_usage", "/b") },
        ]);
        backend
    }

    fn point(series: u32, value: f64) -> Point {
        Point { series, timestamp_ms: 1_700_000_000_123, value }
    }

    fn points() -> Vec<Point> {
        vec![point(0, 1.0), point(2, 2.0), point(1, 0.5)]
    }

    const RECORDS: [&str; 2] = [
        r#"{"timestamp":1700000000123000,"machine_name":"web1","container_Name":"/a","container_stats":{"timestamp":"2023-11-14T22:13:20.123Z","memory":{"usage":1},"custom_metrics":{"load.1min":[{"timestamp":"2023-11-14T22:13:20.123Z","float_value":0.5}]}}}"#,
        r#"{"timestamp":1700000000123000,"machine_name":"web1","container_Name":"/b","container_stats":{"timestamp":"2023-11-14T22:13:20.123Z","memory":{"usage":2}}}"#,
    ];

    #[test]
    fn a_call_is_one_request_of_a_record_for_each_container_and_time() {
        for (more, content, body) in [
            ("", "application/x-ndjson", format!("{}\n{}\n", RECORDS[0], RECORDS[1])),
            (r#", "format": "array""#, "application/json", format!("[{},{}]", RECORDS[0], RECORDS[1])),
        ] {
            assert_eq!(backend(more).write(points()).unwrap(), 3);
            let posted = posted();
            assert_eq!((posted.len(), posted[0].target.path.as_str()), (1, "/stats"));
            assert!(posted[0].headers.contains(&("content-type".into(), content.into())));
            assert_eq!(String::from_utf8_lossy(&posted[0].body), body);
        }
    }

    #[test]
    fn the_tag_that_names_the_container_can_be_another() {
        let mut backend = backend(r#", "container_tag": "pod""#);
        backend.write(vec![point(1, 1.0)]).unwrap();
        let record: Value = serde_json::from_slice(&posted()[0].body).unwrap();
        assert_eq!(record["container_Name"], "/");
        assert_eq!(record["container_stats"]["custom_metrics"]["load.1min"][0]["labels"]["container"], "/a");
    }

    #[test]
    fn a_huge_call_goes_in_several_requests() {
        let mut backend = backend("");
        let many: Vec<_> = (0..100_000).map(|number| point(number % 3, f64::from(number) + 0.5)).collect();
        assert_eq!(backend.write(many).unwrap(), 100_000);
        let posted = saker_sdk::testing::posted();
        assert!(posted.len() > 1 && posted.iter().all(|posted| posted.body.len() < BODY_MAX + 1000));
        let values = posted.iter().map(|posted| String::from_utf8_lossy(&posted.body).matches("float_value").count());
        assert_eq!(values.sum::<usize>(), 100_000);
        answer(Ok(Response { status: 413, retry_after_s: None, body: String::new() }));
        assert_eq!(backend.write(points()).unwrap(), 3);
        assert!(saker_sdk::testing::posted().len() > 2);
    }

    #[test]
    fn an_answer_decides_between_giving_up_and_trying_again() {
        let respond = |status| {
            answer(Ok(Response { status, retry_after_s: None, body: "why".into() }));
            backend("").write(points()).unwrap_err()
        };
        assert!(matches!(respond(400), WriteError::Reject(reject) if reject.points.is_empty()));
        assert!(matches!(respond(503), WriteError::Retry(_)));
        answer(Err(HttpError::Denied("127.0.0.1:80".into())));
        assert!(matches!(backend("").write(points()), Err(WriteError::Denied(_))));
    }

    #[test]
    fn what_cannot_be_said_sends_nothing() {
        let mut backend = backend("");
        let error = backend.write(vec![point(0, 1.0), point(1, f64::NAN)]).unwrap_err();
        assert!(matches!(error, WriteError::Reject(reject) if reject.points == [1]));
        backend.forget(vec![0]);
        assert!(matches!(backend.write(vec![point(0, 1.0)]), Err(WriteError::Broken(_))));
        assert_eq!(backend.write(Vec::new()).unwrap(), 0);
        assert!(posted().is_empty());
    }
}
