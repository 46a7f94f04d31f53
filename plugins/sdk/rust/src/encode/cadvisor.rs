//! Points as the records that cAdvisor's storage drivers for Elasticsearch and Redis write: what one container measured
//! at one time, as one object of JSON.
//!
//! ```text
//! {"timestamp":<µs>,"machine_name":…,"container_Name":…,"container_stats":{"timestamp":<RFC 3339>,"cpu":{…},…}}
//! ```
//!
//! The stats are cAdvisor's `ContainerStats` (`info/v1`). Series under the names that its InfluxDB driver gives them, such
//! as `cpu_usage_total`, go where they belong; all others stand in `custom_metrics`, which is made for them.

mod place;

use super::json::quote;
use super::time::{has_rfc3339, push_rfc3339};
use super::{Groups, Slots, Texts, push_f64, push_i64};
use crate::bindings::types::{Series, SeriesId};
use crate::point::Point;

use place::{FILESYSTEM, PATHS, StatPlace};

/// The tag that names the container of a series, where the operator does not say another.
pub const CONTAINER_TAG: &str = "container";

/// The container of what belongs to none: cAdvisor's name for the whole machine.
const MACHINE: &str = "/";

/// What stands in the records for each series.
pub struct CadvisorRecords {
    container_tag: String,
    series: Slots<CadvisorSeries>,
    /// Machine and container, as a record has them.
    containers: Texts,
    /// Devices, names of custom metrics and labels, as the stats have them.
    texts: Texts,
    groups: Groups,
    order: Vec<(RecordKey, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct CadvisorSeries {
    container: u32,
    place: StatPlace,
    /// Where a value goes that its place does not take.
    otherwise: StatPlace,
}

/// The order of points in a record: by time, and then as the stats have their values.
type RecordKey = (i64, StatPlace);

impl CadvisorRecords {
    /// Knows no series yet. The tag of that name says which container a series is of.
    #[must_use]
    pub fn new(container_tag: String) -> Self {
        Self {
            container_tag,
            series: Slots::default(),
            containers: Texts::default(),
            texts: Texts::default(),
            groups: Groups::default(),
            order: Vec::new(),
        }
    }

    /// Gives a series its place, instead of the one that it had.
    pub fn define(&mut self, id: SeriesId, series: &Series) {
        let is_container = |tag: &&(String, String)| tag.0 == self.container_tag;
        let container = series.tags.iter().find(is_container).map_or(MACHINE, |(_, value)| value);
        let tags: Vec<_> = series.tags.iter().filter(|tag| !is_container(tag)).collect();
        let head =
            format!(r#""machine_name":{},"container_Name":{}"#, quote(&series.endpoint), quote(container)).into_bytes();
        let otherwise = self.custom(&series.metric, &tags);
        let place = self.own(&series.metric, &tags).unwrap_or(otherwise);
        let known = CadvisorSeries { container: self.containers.hold(&head), place, otherwise };
        self.forget(id);
        self.series.insert(id, known);
    }

    fn own(&mut self, metric: &str, tags: &[&(String, String)]) -> Option<StatPlace> {
        Some(match place::of(metric, tags)? {
            place::Of::Path(path) => StatPlace::Value(path),
            place::Of::Device(device, field) => StatPlace::Device(self.texts.hold(quote(device).as_bytes()), field),
        })
    }

    fn custom(&mut self, metric: &str, tags: &[&(String, String)]) -> StatPlace {
        let labels: Vec<_> = tags.iter().map(|(key, value)| format!("{}:{}", quote(key), quote(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!(r#""labels":{{{}}},"#, labels.join(",")) };
        StatPlace::Custom(self.texts.hold(quote(metric).as_bytes()), self.texts.hold(labels.as_bytes()))
    }

    /// Takes it away.
    pub fn forget(&mut self, id: SeriesId) {
        if let Some(&CadvisorSeries { container, place, otherwise }) = self.series.get(id) {
            self.containers.release(container);
            if let StatPlace::Device(device, _) = place {
                self.texts.release(device);
            }
            if let StatPlace::Custom(name, labels) = otherwise {
                self.texts.release(name);
                self.texts.release(labels);
            }
            self.series.remove(id);
        }
    }

    /// Whether the series was defined.
    #[must_use]
    pub fn knows(&self, id: SeriesId) -> bool {
        self.series.get(id).is_some()
    }

    /// Puts the places of points of the same record side by side, in the order of its values.
    pub fn arrange(&mut self, points: &[Point], places: &mut Vec<u32>) {
        let Self { series, containers, groups, order, .. } = self;
        groups.arrange(
            places,
            containers.bound(),
            |place| known(series, points, place).container,
            |group| {
                order.clear();
                order.extend(group.iter().map(|place| (key(series, points, *place), *place)));
                // Places grow along a group: of two points for the same value the later one stays the later one.
                order.sort_unstable();
                group.iter_mut().zip(&*order).for_each(|(place, (_, sorted))| *place = *sorted);
            },
        );
    }

    /// Appends records of the points at `places`, as they were arranged, until `out` has `most` bytes; `between` goes
    /// between them. Answers of how many points, one at least.
    pub fn push(&self, points: &[Point], places: &[u32], most: usize, between: &[u8], out: &mut Vec<u8>) -> usize {
        let mut done = 0;
        while done < places.len() && (done == 0 || out.len() < most) {
            if done > 0 {
                out.extend_from_slice(between);
            }
            done += self.push_record(points, &places[done..], most, out);
        }
        done
    }

    /// Appends the record that the first of `places` is in, as they were arranged. Once `out` has `most` bytes, the
    /// rest of the record is left for another. Answers of how many points, one at least.
    pub fn push_record(&self, points: &[Point], places: &[u32], most: usize, out: &mut Vec<u8>) -> usize {
        let of = |place: u32| (known(&self.series, points, place).container, points[place as usize].timestamp_ms);
        let (container, time) = of(places[0]);
        let end = places.iter().position(|place| of(*place) != (container, time)).unwrap_or(places.len());
        let places = &places[..end];
        out.extend_from_slice(br#"{"timestamp":"#);
        push_i64(out, time.saturating_mul(1000));
        out.push(b',');
        out.extend_from_slice(self.containers.get(container));
        out.extend_from_slice(br#","container_stats":{"timestamp":""#);
        push_rfc3339(out, time);
        out.push(b'"');
        let mut open = OpenStats::default();
        let mut done = 0;
        for (number, &place) in places.iter().enumerate() {
            if number > 0 && out.len() >= most {
                break;
            }
            done += 1;
            let at = key(&self.series, points, place).1;
            // Of two points for the same value the last one counts. Custom metrics are lists, and have room for both.
            let again = places.get(number + 1).is_some_and(|next| key(&self.series, points, *next).1 == at);
            if !again || matches!(at, StatPlace::Custom(..)) {
                self.push_value(&mut open, at, &points[place as usize], out);
            }
        }
        open.close(out);
        out.extend_from_slice(b"}}");
        done
    }

    fn push_value(&self, open: &mut OpenStats, at: StatPlace, point: &Point, out: &mut Vec<u8>) {
        match at {
            StatPlace::Value(path) => open.path(PATHS[usize::from(path)], out),
            StatPlace::Device(device, field) => open.device(device, self.texts.get(device), field, out),
            StatPlace::Custom(name, labels) => {
                open.custom(name, self.texts.get(name), out);
                out.push(b'{');
                out.extend_from_slice(self.texts.get(labels));
                out.extend_from_slice(br#""timestamp":""#);
                push_rfc3339(out, point.timestamp_ms);
                out.extend_from_slice(br#"","float_value":"#);
            }
        }
        push_f64(out, point.value);
        if matches!(at, StatPlace::Custom(..)) {
            out.push(b'}');
        }
    }
}

/// Whether a record can say this point.
#[must_use]
pub fn fits(point: &Point) -> bool {
    point.value.is_finite() && has_rfc3339(point.timestamp_ms)
}

fn known(series: &Slots<CadvisorSeries>, points: &[Point], place: u32) -> CadvisorSeries {
    *series.get(points[place as usize].series).expect("the whole call was checked for unknown series")
}

fn key(series: &Slots<CadvisorSeries>, points: &[Point], place: u32) -> RecordKey {
    let point = &points[place as usize];
    let known = known(series, points, place);
    // cAdvisor's own values are whole numbers without a sign. From 2⁶³ on they would be written with an exponent,
    // which is no whole number to those that read them.
    let whole = point.value >= 0.0 && point.value.fract() == 0.0 && point.value < 9_223_372_036_854_775_808.0;
    (point.timestamp_ms, if whole { known.place } else { known.otherwise })
}

/// What of a record's stats is open where the next value goes.
#[derive(Default)]
enum OpenStats {
    /// Objects of these names.
    Path(&'static [&'static str]),
    /// The object of a device, in the list of file systems.
    Device(u32),
    /// The list of a custom metric.
    Custom(u32),
    #[default]
    Nothing,
}

impl OpenStats {
    fn path(&mut self, path: &'static [&'static str], out: &mut Vec<u8>) {
        let (name, parents) = path.split_last().expect("no path is empty");
        let there = if let Self::Path(there) = self { *there } else { &[] };
        let common = there.iter().zip(parents).take_while(|(one, other)| one == other).count();
        out.extend(std::iter::repeat_n(b'}', there.len() - common));
        out.push(b',');
        for parent in &parents[common..] {
            push_key(out, parent);
            out.push(b'{');
        }
        push_key(out, name);
        *self = Self::Path(parents);
    }

    fn device(&mut self, device: u32, name: &[u8], field: u8, out: &mut Vec<u8>) {
        match self {
            Self::Device(there) if *there == device => {}
            Self::Device(_) => out.extend_from_slice(br#"},{"device":"#),
            _ => {
                self.close(out);
                out.extend_from_slice(br#","filesystem":[{"device":"#);
            }
        }
        if !matches!(self, Self::Device(there) if *there == device) {
            out.extend_from_slice(name);
        }
        out.push(b',');
        push_key(out, FILESYSTEM[usize::from(field)]);
        *self = Self::Device(device);
    }

    fn custom(&mut self, metric: u32, name: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Custom(there) if *there == metric => {
                out.push(b',');
                return;
            }
            Self::Custom(_) => out.extend_from_slice(b"],"),
            _ => {
                self.close(out);
                out.extend_from_slice(br#","custom_metrics":{"#);
            }
        }
        out.extend_from_slice(name);
        out.extend_from_slice(b":[");
        *self = Self::Custom(metric);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Path(parents) => out.extend(std::iter::repeat_n(b'}', parents.len())),
            Self::Device(_) => out.extend_from_slice(b"}]"),
            Self::Custom(_) => out.extend_from_slice(b"]}"),
            Self::Nothing => {}
        }
        *self = Self::Nothing;
    }
}

fn push_key(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests;
