//! The choice of a line's form, for backends whose messages may be any text.

use super::falcon::FalconForm;
use super::influx::{InfluxForm, Precision};
use super::json::Json;
use super::{Form, Lines, Parts};
use crate::bindings::types::Series;
use crate::point::Point;

crate::settings! {
    /// How a point is written.
    pub enum Format {
        /// An object with the names of the agent's own model.
        Json = "json",
        /// InfluxDB's line protocol, in nanoseconds.
        Influx = "influx",
        /// The seven keys of Open-Falcon's MetricValue.
        Falcon = "falcon",
    }
}

impl Format {
    /// The form that it stands for.
    fn form(self) -> Box<dyn Form> {
        match self {
            Self::Json => Box::new(Json),
            Self::Falcon => Box::new(FalconForm),
            // A line says nothing of its unit: nanoseconds is what its readers assume.
            Self::Influx => Box::new(InfluxForm { endpoint_tag: "endpoint".into(), precision: Precision::Nanoseconds }),
        }
    }

    /// Messages in this form.
    #[must_use]
    pub fn message(self) -> Message {
        Message(self.form())
    }

    /// Lines in this form.
    #[must_use]
    pub fn lines(self) -> Lines {
        Lines::boxed(self.form())
    }
}

/// Points as messages of their own: lines without their end.
pub struct Message(Box<dyn Form>);

impl Message {
    /// What is the same in the messages of all points of a series.
    #[must_use]
    pub fn parts(&self, series: &Series) -> Parts {
        Parts::new(&*self.0, series)
    }

    /// Whether the message of a point can be made.
    #[must_use]
    pub fn fits(&self, point: &Point) -> bool {
        self.0.fits(point)
    }

    /// Appends the message of a point that fits, of the series with these parts.
    pub fn push(&self, parts: &Parts, point: &Point, out: &mut Vec<u8>) {
        out.extend_from_slice(&parts.head);
        self.0.push_tail(point, &parts.rest, out);
        if out.ends_with(b"\n") {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Definition;
    use crate::encode::testing::series;

    #[test]
    fn each_format_is_the_form_of_its_name() {
        for (format, start) in
            [(Format::Json, "{\"endpoint\":"), (Format::Influx, "cpu,endpoint=h"), (Format::Falcon, "{\"endpoint\":")]
        {
            let mut lines = format.lines();
            lines.define(&[Definition { id: 0, series: series("cpu", &[]) }]);
            let text = lines.encode(&[Point { series: 0, timestamp_ms: 1, value: 2.0 }]).unwrap();
            assert!(text.starts_with(start.as_bytes()), "{format:?}");
            assert_eq!(text.windows(11).any(|part| part == b"counterType"), format == Format::Falcon);
        }
    }

    #[test]
    fn a_message_is_a_line_without_its_end() {
        for format in [Format::Json, Format::Influx, Format::Falcon] {
            let (series, point) = (series("cpu", &[]), Point { series: 0, timestamp_ms: 1, value: 2.0 });
            let message = format.message();
            let mut text = b"before".to_vec();
            message.push(&message.parts(&series), &point, &mut text);
            let mut lines = format.lines();
            lines.define(&[Definition { id: 0, series }]);
            assert_eq!([&text[6..], b"\n"].concat(), lines.encode(&[point]).unwrap());
            assert!(message.fits(&point) && !message.fits(&Point { value: f64::NAN, ..point }));
        }
    }
}
