//! Turning points into the text that a storage system reads, for backends.
//!
//! Every form splits a line in two: a head that holds everything a series is known by, built once in `define`, and a
//! tail with value and time, the only work that is left for each point. [`Lines`] keeps the heads; [`Slots`] is its
//! table, for a backend whose form is not made of lines.

pub mod base64;
pub mod falcon;
mod format;
pub mod header;
pub mod influx;
pub mod json;
mod labels;
mod number;
mod slots;
pub mod template;

pub use format::Format;
pub use labels::Labels;
pub use number::{push_f64, push_i64};
pub use slots::Slots;
pub use template::Template;

use crate::backend::{Definition, Reject, WriteError};
use crate::bindings::types::{Point, Series, SeriesId};

/// How a point is written as a line.
pub trait Form {
    /// The part of a line that is the same for every point of a series. It comes first.
    fn head(&self, series: &Series) -> Vec<u8>;

    /// Appends what follows the head, the end of the line included. Only called with points that [`fit`](Form::fits).
    fn push_tail(&self, point: &Point, line: &mut Vec<u8>);

    /// Whether the form can say this point.
    fn fits(&self, point: &Point) -> bool {
        point.value.is_finite()
    }
}

/// The series that a backend knows, and the text that stands for a call's points.
pub struct Lines {
    form: Box<dyn Form>,
    heads: Slots<Box<[u8]>>,
    text: Vec<u8>,
}

impl Lines {
    /// Knows no series yet.
    #[must_use]
    pub fn new(form: impl Form + 'static) -> Self {
        Self::boxed(Box::new(form))
    }

    fn boxed(form: Box<dyn Form>) -> Self {
        Self { form, heads: Slots::default(), text: Vec::new() }
    }

    /// Builds the heads of series.
    pub fn define(&mut self, definitions: &[Definition]) {
        for definition in definitions {
            self.heads.insert(definition.id, self.form.head(&definition.series).into());
        }
    }

    /// Lets series go.
    pub fn forget(&mut self, ids: &[SeriesId]) {
        for id in ids {
            self.heads.remove(*id);
        }
    }

    /// One line for each point, in their order. The buffer is the same in every call.
    ///
    /// # Errors
    /// [`WriteError::Broken`] if a series was not defined; [`WriteError::Reject`] with the points that the form cannot
    /// say: values that are not finite, and times beyond its range.
    pub fn encode(&mut self, points: &[Point]) -> Result<&[u8], WriteError> {
        self.text.clear();
        for point in points {
            let head = self.heads.get(point.series).ok_or_else(|| undefined(point.series))?;
            if !self.form.fits(point) {
                return Err(misfits(points, |point| self.form.fits(point)));
            }
            self.text.extend_from_slice(head);
            self.form.push_tail(point, &mut self.text);
        }
        Ok(&self.text)
    }
}

/// What to answer when a point names a series that was not defined: another instance will be told of it.
#[must_use]
pub fn undefined(id: SeriesId) -> WriteError {
    WriteError::Broken(format!("series {id} was not defined"))
}

/// Checks all points of a call before the first of them is sent: that their series are `known`, and that each of them
/// `fits` into what the destination can keep.
///
/// # Errors
/// As [`Lines::encode`].
pub fn check(
    points: &[Point],
    known: impl Fn(SeriesId) -> bool,
    fits: impl Fn(&Point) -> bool,
) -> Result<(), WriteError> {
    if let Some(point) = points.iter().find(|point| !known(point.series)) {
        return Err(undefined(point.series));
    }
    if points.iter().all(&fits) { Ok(()) } else { Err(misfits(points, fits)) }
}

fn misfits(points: &[Point], fits: impl Fn(&Point) -> bool) -> WriteError {
    let places = (0..).zip(points).filter(|(_, point)| !fits(point)).map(|(place, _)| place).collect();
    WriteError::Reject(Reject { points: places, message: "a value that is not finite, or a time out of range".into() })
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Lines;
    use crate::backend::Definition;
    use crate::bindings::types::{MetricType, Point, Series};

    /// A gauge of host `h`, every 10 s.
    pub(crate) fn series(metric: &str, tags: &[(&str, &str)]) -> Series {
        Series {
            endpoint: "h".into(),
            metric: metric.into(),
            tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        }
    }

    /// The line of one point.
    pub(crate) fn line(form: impl super::Form + 'static, series: Series, timestamp_ms: i64, value: f64) -> String {
        let mut lines = Lines::new(form);
        lines.define(&[Definition { id: 0, series }]);
        let text = lines.encode(&[Point { series: 0, timestamp_ms, value }]).unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::json::Json;
    use super::testing::series;
    use super::*;

    fn point(series: SeriesId, value: f64) -> Point {
        Point { series, timestamp_ms: 1, value }
    }

    fn lines() -> Lines {
        let mut lines = Lines::new(Json);
        let definition = |id, metric| Definition { id, series: series(metric, &[]) };
        lines.define(&[definition(0, "a"), definition(7, "b")]);
        lines
    }

    #[test]
    fn points_become_lines_in_their_order_and_a_second_call_starts_afresh() {
        let mut lines = lines();
        let text = String::from_utf8(lines.encode(&[point(7, 1.0), point(0, 2.0)]).unwrap().to_vec()).unwrap();
        let metrics: Vec<_> = text.lines().map(|line| line.contains(r#""metric":"a""#)).collect();
        assert_eq!(metrics, [false, true]);
        assert_eq!(lines.encode(&[]).unwrap(), b"");
    }

    #[test]
    fn a_check_finds_the_unknown_series_and_the_points_that_do_not_fit() {
        let checked = |points: &[Point]| check(points, |id| id < 2, |point| point.value < 10.0);
        assert!(checked(&[point(0, 1.0), point(1, 9.0)]).is_ok() && checked(&[]).is_ok());
        let Err(WriteError::Reject(reject)) = checked(&[point(0, 10.0), point(1, 9.0), point(0, f64::NAN)]) else {
            panic!("not a reject")
        };
        assert_eq!(reject.points, [0, 2]);
        assert!(matches!(checked(&[point(0, 10.0), point(2, 1.0)]), Err(WriteError::Broken(_))));
    }

    #[test]
    fn a_series_that_is_not_defined_breaks_the_instance() {
        let mut lines = lines();
        let error = lines.encode(&[point(0, 1.0), point(3, 1.0)]).unwrap_err();
        assert!(matches!(error, WriteError::Broken(text) if text == "series 3 was not defined"));
        lines.forget(&[7]);
        assert!(matches!(lines.encode(&[point(7, 1.0)]), Err(WriteError::Broken(_))));
    }

    #[test]
    fn a_handle_that_is_defined_again_stands_for_the_new_series() {
        let mut lines = lines();
        lines.define(&[Definition { id: 7, series: series("c", &[]) }]);
        let text = lines.encode(&[point(7, 1.0)]).unwrap();
        assert!(String::from_utf8_lossy(text).contains(r#""metric":"c""#));
    }

    #[test]
    fn values_that_are_not_finite_are_rejected_by_their_place() {
        let points = [point(0, 1.0), point(0, f64::NAN), point(7, 1.0), point(7, f64::NEG_INFINITY)];
        let Err(WriteError::Reject(reject)) = lines().encode(&points) else { panic!("not rejected") };
        assert_eq!(reject.points, [1, 3]);
    }
}
