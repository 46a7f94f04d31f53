//! The `smallest-backend`: posts points as lines of `endpoint,metric,tags,milliseconds,value`.

use std::fmt::Write;

use saker_sdk::encode::{Slots, undefined};
use saker_sdk::http::Target;
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of the backend. The agent checks them against this before it opens an instance.
    pub struct Settings {
        /// Where to post: http://host:port/path. Has no default: the operator must say it.
        pub url: String,
    }
}

/// One instance: the text that stands for each series is built once, when the series is defined.
pub struct SmallestBackend {
    target: Target,
    heads: Slots<String>,
}

impl Backend for SmallestBackend {
    type Settings = Settings;

    fn describe() -> Description {
        Description::new("smallest-backend", env!("CARGO_PKG_VERSION"), "Posts points as lines of text")
            .requests(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: Settings) -> Result<Self, OpenError> {
        Ok(Self { target: Target::parse(&settings.url)?, heads: Slots::default() })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for Definition { id, series } in definitions {
            let tags: Vec<_> = series.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            self.heads.insert(id, format!("{},{},{}", series.endpoint, series.metric, tags.join(";")));
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        let mut body = String::with_capacity(points.len() * 48);
        for point in &points {
            let head = self.heads.get(point.series).ok_or_else(|| undefined(point.series))?;
            writeln!(body, "{head},{},{}", point.timestamp_ms, point.value).expect("memory takes what it is given");
        }
        // Whatever the server answers becomes: taken, to be tried again, or rejected for good.
        self.target.post(&[("content-type", "text/csv")], body.as_bytes())?.written()?;
        Ok(points.len())
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        for id in ids {
            self.heads.remove(id);
        }
    }
}

saker_sdk::export_backend!(SmallestBackend);

#[cfg(test)]
mod tests {
    use saker_sdk::http::Response;
    use saker_sdk::testing::{answer, posted};

    use super::*;

    fn backend() -> SmallestBackend {
        let settings = saker_sdk::settings::parse(r#"{"url": "http://store:9000/points"}"#).unwrap();
        let mut backend = SmallestBackend::open(settings).unwrap();
        let series = Series {
            endpoint: "web-1".into(),
            metric: "load.one".into(),
            tags: vec![("cpu".into(), "0".into()), ("zone".into(), "a".into())],
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        backend.define(vec![Definition { id: 7, series }]);
        backend
    }

    const POINTS: [Point; 2] = [
        Point { series: 7, timestamp_ms: 1_700_000_000_000, value: 0.5 },
        Point { series: 7, timestamp_ms: 1_700_000_010_000, value: 2.0 },
    ];

    const LINES: &str = "\
        web-1,load.one,cpu=0;zone=a,1700000000000,0.5\n\
        web-1,load.one,cpu=0;zone=a,1700000010000,2\n";

    #[test]
    fn points_are_posted_as_lines() {
        assert_eq!(backend().write(POINTS.into()).unwrap(), 2);
        let [request] = posted().try_into().unwrap();
        assert_eq!(request.body, LINES.as_bytes());
    }

    #[test]
    fn a_busy_server_is_asked_again_and_an_unwilling_one_is_not() {
        let says = |status| answer(Ok(Response { status, retry_after_s: Some(3), body: "no".into() }));
        says(503);
        assert!(matches!(backend().write(POINTS.into()), Err(WriteError::Retry(_))));
        says(400);
        assert!(matches!(backend().write(POINTS.into()), Err(WriteError::Reject(_))));
    }
}
