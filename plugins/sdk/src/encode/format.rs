//! The choice of a line's form, for backends whose messages may be any text.

use super::falcon::Falcon;
use super::influx::{Influx, Precision};
use super::json::Json;
use super::{Form, Lines};

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
    #[must_use]
    pub fn form(self) -> Box<dyn Form> {
        match self {
            Self::Json => Box::new(Json),
            Self::Falcon => Box::new(Falcon),
            // A line says nothing of its unit: nanoseconds is what its readers assume.
            Self::Influx => Box::new(Influx { endpoint_tag: "endpoint".into(), precision: Precision::Nanoseconds }),
        }
    }

    /// Lines in this form.
    #[must_use]
    pub fn lines(self) -> Lines {
        Lines::boxed(self.form())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Definition;
    use crate::bindings::types::Point;
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
}
