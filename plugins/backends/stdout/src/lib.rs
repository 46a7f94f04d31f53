//! The `stdout` backend: one line for each point on the agent's standard output. README.md shows the forms.

use std::io::{self, Write};

use saker_sdk::encode::{Format, Lines};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of the `stdout` backend.
    pub struct StdoutSettings {
        /// How a line looks.
        pub format: Format = Format::Json,
    }
}

/// The backend, with the series that it knows.
pub struct Stdout {
    lines: Lines,
}

impl Backend for Stdout {
    type Settings = StdoutSettings;

    fn describe() -> Description {
        Description::new("stdout", env!("CARGO_PKG_VERSION"), "Writes points to standard output, one line each")
            .requests(stdout(), "without it, the lines go to the agent's log")
    }

    fn open(settings: StdoutSettings) -> Result<Self, OpenError> {
        Ok(Self { lines: settings.format.lines() })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        self.lines.define(&definitions);
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        self.write_to(&mut io::stdout().lock(), &points)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.lines.forget(&ids);
    }
}

saker_sdk::export_backend!(Stdout);

impl Stdout {
    fn write_to(&mut self, output: &mut impl Write, points: &[Point]) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        let text = self.lines.encode(points)?;
        output
            .write_all(text)
            .and_then(|()| output.flush())
            .map_err(|error| WriteError::retry(format!("standard output: {error}"), None))?;
        Ok(points.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes every call, and fails the ones that it is told to.
    #[derive(Default)]
    struct Output {
        writes: Vec<Vec<u8>>,
        flushes: usize,
        full: bool,
        stuck: bool,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.full {
                return Err(io::Error::other("no space left on device"));
            }
            self.writes.push(bytes.into());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushes += 1;
            if self.stuck { Err(io::Error::other("broken pipe")) } else { Ok(()) }
        }
    }

    fn backend(settings: &str) -> Stdout {
        let mut backend = Stdout::open(saker_sdk::settings::parse(settings).unwrap()).unwrap();
        let series = Series {
            endpoint: "web1".into(),
            metric: "df.bytes.used".into(),
            tags: vec![("mount".into(), "/var lib".into())],
            metric_type: MetricType::Gauge,
            step_s: 60,
        };
        backend.define(vec![Definition { id: 4, series }]);
        backend
    }

    fn points(values: &[f64]) -> Vec<Point> {
        values.iter().map(|value| Point { series: 4, timestamp_ms: 1_700_000_000_250, value: *value }).collect()
    }

    fn first_line(settings: &str) -> String {
        let mut output = Output::default();
        backend(settings).write_to(&mut output, &points(&[0.5])).unwrap();
        String::from_utf8(output.writes.concat()).unwrap()
    }

    #[test]
    fn the_format_decides_how_a_line_looks() {
        let json = concat!(
            r#"{"endpoint":"web1","metric":"df.bytes.used","tags":{"mount":"/var lib"},"type":"gauge","step":60,"#,
            r#""timestamp_ms":1700000000250,"value":0.5}"#,
            "\n"
        );
        assert_eq!(first_line("{}"), json);
        assert_eq!(first_line(r#"{"format":"json"}"#), json);
        assert_eq!(
            first_line(r#"{"format":"influx"}"#),
            "df.bytes.used,endpoint=web1,mount=/var\\ lib value=0.5 1700000000250000000\n"
        );
        assert_eq!(
            first_line(r#"{"format":"falcon"}"#),
            concat!(
                r#"{"endpoint":"web1","metric":"df.bytes.used","value":0.5,"step":60,"counterType":"GAUGE","#,
                r#""tags":"mount=/var lib","timestamp":1700000000}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_call_is_one_write_and_one_flush() {
        let mut output = Output::default();
        let mut backend = backend("{}");
        assert_eq!(backend.write_to(&mut output, &points(&[1.0, 2.0, 3.0])).unwrap(), 3);
        assert_eq!((output.writes.len(), output.flushes), (1, 1));
        assert_eq!(output.writes[0].iter().filter(|byte| **byte == b'\n').count(), 3);
        assert_eq!(backend.write_to(&mut output, &[]).unwrap(), 0);
        assert_eq!((output.writes.len(), output.flushes), (1, 1));
    }

    #[test]
    fn an_output_that_fails_is_tried_again() {
        for mut output in [Output { full: true, ..Output::default() }, Output { stuck: true, ..Output::default() }] {
            let error = backend("{}").write_to(&mut output, &points(&[1.0])).unwrap_err();
            let WriteError::Retry(retry) = error else { panic!("{error:?}") };
            assert!(retry.message.starts_with("standard output: "), "{}", retry.message);
        }
    }

    #[test]
    fn points_of_no_series_and_without_a_finite_value_write_nothing() {
        let mut output = Output::default();
        let mut backend = backend("{}");
        let reject = backend.write_to(&mut output, &points(&[1.0, f64::NAN])).unwrap_err();
        assert!(matches!(reject, WriteError::Reject(Reject { points, .. }) if points == [1]));
        backend.forget(vec![4]);
        assert!(matches!(backend.write_to(&mut output, &points(&[1.0])), Err(WriteError::Broken(_))));
        assert!(output.writes.is_empty());
    }

    #[test]
    fn it_wants_standard_output() {
        assert_eq!(Stdout::describe().permissions.len(), 1);
        assert!(matches!(Stdout::describe().permissions[0].permission, Permission::Stdout));
    }
}
