//! Turning points into the text that a storage system reads, for backends.
//!
//! Every form splits a line in two: a head that holds everything a series is known by, built once in `define`, and a
//! tail with value and time, the only work that is left for each point. [`Lines`] keeps the heads; [`Slots`] is its
//! table, for a backend whose form is not made of lines. [`Path`] and [`Template`] name a series by a text of the
//! operator's.

pub mod base64;
pub mod cadvisor;
pub mod falcon;
mod format;
pub mod graphite;
mod groups;
pub mod header;
mod identity;
pub mod influx;
pub mod json;
mod number;
pub mod opentsdb;
mod path;
pub mod protobuf;
mod slots;
pub mod statsd;
pub mod template;
mod texts;
pub mod time;

pub use format::{Format, Message};
pub use groups::Groups;
pub use identity::identity;
pub use number::{push_f64, push_i64};
pub use path::Path;
pub use saker_names::{Labels, flat, prometheus};
pub use slots::Slots;
pub use template::Template;
pub use texts::Texts;

use crate::backend::{Definition, Reject, WriteError};
use crate::bindings::types::{MetricType, Series, SeriesId};
use crate::point::Point;

/// How a point is written as a line.
pub trait Form {
    /// The part of a line that is the same for every point of a series. It comes first. Empty if the form cannot say
    /// this series: its points are rejected.
    fn head(&self, series: &Series) -> Vec<u8>;

    /// More that is the same for every point of a series, for a form where that does not all come first.
    fn rest(&self, series: &Series) -> Vec<u8> {
        let _ = series;
        Vec::new()
    }

    /// Appends what follows the head: value and time, the series' [`rest`](Form::rest) where the form has it, and the end
    /// of the line. Only called with points that [`fit`](Form::fits).
    fn push_tail(&self, point: &Point, rest: &[u8], line: &mut Vec<u8>);

    /// Whether the form can say this point.
    fn fits(&self, point: &Point) -> bool {
        point.value.is_finite()
    }
}

/// How many bytes of text [`Lines::in_pieces`] gathers before it hands them over: few calls, and little memory.
const PIECE: usize = 256 << 10;

/// The series that a backend knows, and the text that stands for a call's points.
pub struct Lines {
    form: Box<dyn Form>,
    parts: Slots<Parts>,
    text: Vec<u8>,
}

/// What is the same in the lines of all points of a series.
pub struct Parts {
    head: Box<[u8]>,
    rest: Box<[u8]>,
}

impl Parts {
    fn new(form: &dyn Form, series: &Series) -> Self {
        Self { head: form.head(series).into(), rest: form.rest(series).into() }
    }
}

impl Lines {
    /// Knows no series yet.
    #[must_use]
    pub fn new(form: impl Form + 'static) -> Self {
        Self::boxed(Box::new(form))
    }

    fn boxed(form: Box<dyn Form>) -> Self {
        Self { form, parts: Slots::default(), text: Vec::new() }
    }

    /// Builds the heads of series.
    pub fn define(&mut self, definitions: &[Definition]) {
        for Definition { id, series } in definitions {
            self.parts.insert(*id, Parts::new(&*self.form, series));
        }
    }

    /// Lets series go.
    pub fn forget(&mut self, ids: &[SeriesId]) {
        for id in ids {
            self.parts.remove(*id);
        }
    }

    /// The head of a series that is defined.
    #[must_use]
    pub fn head(&self, id: SeriesId) -> Option<&[u8]> {
        self.parts.get(id).map(|parts| &*parts.head)
    }

    /// One line for each point, in their order. The buffer is the same in every call.
    ///
    /// # Errors
    /// [`WriteError::Broken`] if a series was not defined; [`WriteError::Reject`] with the points that the form cannot
    /// say: values that are not finite, times beyond its range, series that it has no name for.
    pub fn encode(&mut self, points: &[Point]) -> Result<&[u8], WriteError> {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        for point in points {
            if !self.push(point, &mut text)? {
                return Err(self.misfits(points));
            }
        }
        self.text = text;
        Ok(&self.text)
    }

    /// Hands the same lines over in pieces, each some hundred kilobytes of whole lines, so that a huge call needs no huge
    /// buffer. Nothing is handed over if there are points to reject.
    ///
    /// # Errors
    /// As [`encode`](Lines::encode), and those of `send`.
    pub fn in_pieces(
        &mut self,
        points: &[Point],
        mut send: impl FnMut(&[u8]) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        self.check(points)?;
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        for point in points {
            self.push(point, &mut text)?;
            if text.len() >= PIECE {
                send(&text)?;
                text.clear();
            }
        }
        if !text.is_empty() {
            send(&text)?;
        }
        self.text = text;
        Ok(())
    }

    /// Checks all points of a call before the first of them is sent.
    ///
    /// # Errors
    /// As [`encode`](Lines::encode).
    pub fn check(&self, points: &[Point]) -> Result<(), WriteError> {
        check(points, |id| self.parts.get(id).is_some(), |point| self.fits(point))
    }

    /// Appends the line of one point; false, and nothing, if the form cannot say it.
    ///
    /// # Errors
    /// [`WriteError::Broken`] if the series was not defined.
    pub fn push(&self, point: &Point, text: &mut Vec<u8>) -> Result<bool, WriteError> {
        let parts = self.parts.get(point.series).ok_or_else(|| undefined(point.series))?;
        if parts.head.is_empty() || !self.form.fits(point) {
            return Ok(false);
        }
        text.extend_from_slice(&parts.head);
        self.form.push_tail(point, &parts.rest, text);
        Ok(true)
    }

    fn fits(&self, point: &Point) -> bool {
        self.head(point.series).is_some_and(|head| !head.is_empty()) && self.form.fits(point)
    }

    fn misfits(&self, points: &[Point]) -> WriteError {
        misfits(points, |point| self.fits(point))
    }
}

/// What texts call a type.
#[must_use]
pub fn type_name(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Gauge => "gauge",
        MetricType::Counter => "counter",
        MetricType::Derive => "derive",
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
    let message = "a value that is not finite, a time out of range, or a series without a name there";
    WriteError::Reject(Reject { points: places, message: message.into() })
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Lines;
    use crate::backend::Definition;
    use crate::bindings::types::{MetricType, Series};
    use crate::point::Point;

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

    /// Says the value first, and no metric that is called `mute`.
    struct ValueFirst;

    impl Form for ValueFirst {
        fn head(&self, series: &Series) -> Vec<u8> {
            if series.metric == "mute" { Vec::new() } else { b"v=".to_vec() }
        }

        fn rest(&self, series: &Series) -> Vec<u8> {
            format!(" of {} at ", series.metric).into()
        }

        fn push_tail(&self, point: &Point, rest: &[u8], line: &mut Vec<u8>) {
            push_f64(line, point.value);
            line.extend_from_slice(rest);
            push_i64(line, point.timestamp_ms);
            line.push(b'\n');
        }
    }

    #[test]
    fn a_form_may_have_its_value_in_the_middle() {
        assert_eq!(super::testing::line(ValueFirst, series("m", &[]), 7, 0.5), "v=0.5 of m at 7\n");
    }

    #[test]
    fn a_series_that_cannot_be_said_costs_only_its_own_points() {
        let mut lines = Lines::new(ValueFirst);
        let definition = |id, metric| Definition { id, series: series(metric, &[]) };
        lines.define(&[definition(0, "a"), definition(1, "mute")]);
        let points = [point(0, 1.0), point(1, 2.0), point(0, 3.0)];
        for error in [lines.encode(&points).map(drop), lines.in_pieces(&points, |_| panic!("nothing is sent"))] {
            let Err(WriteError::Reject(reject)) = error else { panic!("not rejected") };
            assert_eq!(reject.points, [1]);
        }
    }

    #[test]
    fn pieces_are_whole_lines_and_together_what_one_call_makes() {
        let mut lines = lines();
        let points: Vec<_> = (0..20_000).map(|number| point(0, f64::from(number))).collect();
        let whole = lines.encode(&points).unwrap().to_vec();
        let mut pieces = Vec::new();
        lines
            .in_pieces(&points, |piece| {
                assert!(piece.ends_with(b"\n") && piece.len() < PIECE + 200);
                pieces.push(piece.to_vec());
                Ok(())
            })
            .unwrap();
        assert!(pieces.len() > 2 && pieces.concat() == whole);
        let failed = lines.in_pieces(&points, |_| Err(WriteError::retry("away", None)));
        assert!(matches!(failed, Err(WriteError::Retry(_))));
        lines.in_pieces(&[], |_| panic!("there is nothing to send")).unwrap();
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
