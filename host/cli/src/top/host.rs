//! The host at a glance: a line for each vital figure, with its course over the last minutes.

use std::fmt::Write;

use serde_json::Value;

use crate::args::ClientArgs;
use crate::client;
use saker_model::text::clean;

/// Bars of a course. With name and figure a line has 79 columns.
const BARS: usize = 40;
const NAME_CHARS: usize = 22;
const FIGURE_CHARS: usize = 14;
/// Lines of one metric: of many disks the busiest are shown.
const LINES_MAX: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Percent,
    Count,
    Milliseconds,
    BytesPerSecond,
}

/// What is shown: a metric, what it is called, the tag that tells its series apart, its unit, and what fills the line.
type Vital = (&'static str, &'static str, &'static str, Unit, f64);

const VITALS: &[Vital] = &[
    ("cpu.busy", "processors", "", Unit::Percent, 100.0),
    ("load.1min", "load", "", Unit::Count, 0.0),
    ("pressure.cpu.some.avg10", "waits for processors", "", Unit::Percent, 100.0),
    ("pressure.memory.some.avg10", "waits for memory", "", Unit::Percent, 100.0),
    ("pressure.io.some.avg10", "waits for disks", "", Unit::Percent, 100.0),
    ("mem.memused.percent", "memory", "", Unit::Percent, 100.0),
    ("df.bytes.used.percent", "full", "mount", Unit::Percent, 100.0),
    ("disk.io.util", "busy", "device", Unit::Percent, 100.0),
    ("disk.io.await", "latency", "device", Unit::Milliseconds, 0.0),
    ("net.if.in.bytes", "received", "iface", Unit::BytesPerSecond, 0.0),
    ("net.if.out.bytes", "sent", "iface", Unit::BytesPerSecond, 0.0),
];

/// What the host's vital series were in the last minutes.
pub(super) struct Host(Vec<(Vital, Value)>);

struct Line {
    name: String,
    now: f64,
    figure: String,
    course: String,
}

impl Host {
    pub(super) async fn ask(args: &ClientArgs) -> anyhow::Result<Self> {
        let mut answers = Vec::with_capacity(VITALS.len());
        for vital in VITALS {
            answers.push((*vital, client::get(args, &format!("/saker/v1/recent?metric={}", vital.0)).await?));
        }
        Ok(Self(answers))
    }

    pub(super) fn render(&self) -> String {
        let mut screen = String::new();
        for (vital, answer) in &self.0 {
            let series = answer["series"].as_array().map_or(&[][..], Vec::as_slice);
            let mut lines: Vec<_> = series.iter().filter_map(|series| line(vital, series)).collect();
            lines.sort_by(|a, b| b.now.total_cmp(&a.now));
            for Line { name, figure, course, .. } in lines.iter().take(LINES_MAX) {
                // Writing to a string does not fail.
                let _ = writeln!(screen, "{name:<NAME_CHARS$} {figure:>FIGURE_CHARS$}  {course}");
            }
        }
        if screen.is_empty() { "nothing was measured in the last minutes\n".into() } else { screen }
    }
}

fn line(vital: &Vital, series: &Value) -> Option<Line> {
    let &(_, called, tag, unit, full) = vital;
    let points = series["points"].as_array()?;
    let points: Vec<(f64, f64)> =
        points.iter().filter_map(|point| Some((point[0].as_f64()?, point[1].as_f64()?))).collect();
    let values = if series["type"] == "GAUGE" { points.iter().map(|point| point.1).collect() } else { rates(&points) };
    let now = *values.last()?;
    let of = series["tags"][tag].as_str().unwrap_or_default();
    let name = if of.is_empty() { called.to_owned() } else { format!("{of} {called}") };
    let name = clean(&name, 4 * NAME_CHARS).chars().take(NAME_CHARS).collect();
    Some(Line { name, now, figure: figure(now, unit), course: course(&values, full) })
}

/// How fast a counter grew between its points; where it began anew there is nothing.
fn rates(points: &[(f64, f64)]) -> Vec<f64> {
    let pairs = points.windows(2).filter(|pair| pair[1].1 >= pair[0].1 && pair[1].0 > pair[0].0);
    pairs.map(|pair| (pair[1].1 - pair[0].1) * 1000.0 / (pair[1].0 - pair[0].0)).collect()
}

fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{value:.1} %"),
        Unit::Count => format!("{value:.2}"),
        Unit::Milliseconds => format!("{value:.2} ms"),
        Unit::BytesPerSecond => {
            let mut left = value;
            let mut names = ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s"].into_iter();
            let mut name = names.next().unwrap_or_default();
            while left >= 1024.0
                && let Some(next) = names.next()
            {
                (left, name) = (left / 1024.0, next);
            }
            format!("{left:.1} {name}")
        }
    }
}

/// The newest values as bars from nothing to `full`, or to the largest of them.
fn course(values: &[f64], full: f64) -> String {
    const STEPS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(BARS)..];
    let most = shown.iter().copied().fold(full, f64::max);
    let place = |value: f64| {
        let step = if most > 0.0 { (value / most * 8.0).ceil().clamp(0.0, 8.0) } else { 0.0 };
        STEPS[step as usize]
    };
    let bars: String = shown.iter().map(|value| place(*value)).collect();
    format!("{bars:>BARS$}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(series: Value) -> Value {
        json!({"series": series})
    }

    #[test]
    fn a_line_has_a_name_a_figure_and_a_course_and_fits_eighty_columns() {
        let points: Vec<_> = (0..120).map(|second| json!([second * 1000, f64::from(second % 100)])).collect();
        let long = "x".repeat(300);
        let host = Host(vec![
            (VITALS[0], answer(json!([{"type": "GAUGE", "tags": {}, "points": points}]))),
            (VITALS[7], answer(json!([{"type": "GAUGE", "tags": {"device": long}, "points": points}]))),
        ]);
        let screen = host.render();
        assert!(screen.starts_with("processors                     19.0 %"), "{screen}");
        assert!(screen.lines().all(|line| line.chars().count() < 80), "{screen}");
        assert!(screen.contains('█') && screen.contains('▁'));
    }

    #[test]
    fn counters_are_rates_and_of_many_series_the_largest_are_shown() {
        let series: Vec<_> = (0..10)
            .map(|number| {
                let points = json!([[0, 1000], [1000, 1000 + 2048 * number], [2000, 5], [3000, 5 + 2048 * number]]);
                json!({"type": "COUNTER", "tags": {"iface": format!("eth{number}")}, "points": points})
            })
            .collect();
        let screen = Host(vec![(VITALS[9], answer(json!(series)))]).render();
        assert_eq!(screen.lines().count(), LINES_MAX);
        assert!(screen.starts_with("eth9 received              18.0 KiB/s"), "{screen}");
    }

    #[test]
    fn a_host_of_which_nothing_is_known_says_so() {
        assert_eq!(Host(vec![(VITALS[0], answer(json!([])))]).render(), "nothing was measured in the last minutes\n");
    }

    #[test]
    fn a_course_is_as_high_as_its_values_are_of_the_whole() {
        assert_eq!(course(&[0.0, 50.0, 100.0], 100.0).trim_start(), "▄█");
        assert_eq!(course(&[0.0, 1.0], 0.0).trim_start(), "█");
        assert_eq!(course(&[], 0.0), "");
    }
}
