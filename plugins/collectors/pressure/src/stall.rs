//! A file of `/proc/pressure`, parsed: lines such as `some avg10=0.00 avg60=0.02 avg300=0.90 total=26726872`. The
//! kernel's Documentation/accounting/psi.rst describes them.

use saker_sdk::gaps::{GapSource, count};

/// What the lines begin with: at least one task waits, or all that have work do.
pub(crate) const LINES: [&str; 2] = ["some", "full"];
/// The averages in a line.
pub(crate) const AVERAGES: [&str; 3] = ["avg10", "avg60", "avg300"];

/// The most that an average can be, in percent.
const AVERAGE_MAX: f64 = 100.0;

/// One line; none for what it lacks, or what makes no sense.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stall {
    /// Share of the time that was lost, in percent: one for each of [`AVERAGES`].
    pub(crate) averages: [Option<f64>; AVERAGES.len()],
    /// Time lost since boot, in microseconds.
    pub(crate) total_us: Option<u64>,
}

/// Parses a file into one stall for each of [`LINES`].
pub(crate) fn parse(text: &str, place: &mut GapSource<'_>) -> [Option<Stall>; LINES.len()] {
    let mut stalls = [None; LINES.len()];
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(index) = LINES.iter().position(|name| *name == kind) {
            let stall = parse_line(rest);
            if stall.total_us.is_none() || stall.averages.iter().any(Option::is_none) {
                place.odd(kind, "avg10, avg60, avg300 and total", line);
            }
            stalls[index] = Some(stall);
        }
    }
    stalls
}

fn parse_line(columns: &str) -> Stall {
    let mut stall = Stall::default();
    for (key, value) in columns.split_ascii_whitespace().filter_map(|column| column.split_once('=')) {
        if key == "total" {
            stall.total_us = count(value);
        } else if let Some(index) = AVERAGES.iter().position(|name| *name == key) {
            // Rust reads words such as "inf" as numbers; the kernel writes none.
            stall.averages[index] = value.parse().ok().filter(|average| (0.0..=AVERAGE_MAX).contains(average));
        }
    }
    stall
}

#[cfg(test)]
mod tests {
    use saker_sdk::gaps::Gaps;
    use saker_sdk::{CollectError, testing};

    use super::*;

    const IO: &str = include_str!("../../../../tests/fixtures/proc/pressure/io");
    const IRQ: &str = include_str!("../../../../tests/fixtures/proc/pressure/irq");

    fn parse(text: &str) -> [Option<Stall>; LINES.len()] {
        super::parse(text, &mut Gaps::default().of("io"))
    }

    fn stall(averages: [f64; 3], total_us: u64) -> Option<Stall> {
        Some(Stall { averages: averages.map(Some), total_us: Some(total_us) })
    }

    #[test]
    fn both_lines_are_read() {
        let some = stall([12.5, 6.04, 2.17], 3_173_755_000);
        assert_eq!(parse(IO), [some, stall([10.75, 5.21, 1.88], 2_681_858_500)]);
    }

    #[test]
    fn either_line_may_lack() {
        assert_eq!(parse(IRQ), [None, stall([0.0, 0.01, 0.0], 91_500)]);
        assert_eq!(parse(""), [None, None]);
    }

    #[test]
    fn what_later_kernels_add_is_passed_over() {
        let text = "most avg10=1\nsome avg10=1.00 avg60=2.00 avg300=3.00 avg900=4.00 total=5\n";
        assert_eq!(parse(text), [stall([1.0, 2.0, 3.0], 5), None]);
        assert!(testing::logged().is_empty());
    }

    #[test]
    fn a_figure_that_makes_no_sense_is_named_and_costs_itself() {
        for (line, known) in [
            ("some", 0),
            ("some avg10=0.00 avg60=0.00 avg300=0.00", 3),
            ("some avg10=0.00 avg60=0.00 total=0", 3),
            ("some avg10=0.00 avg60=nan avg300=0.00 total=0", 3),
            ("some avg10=-1 avg60=100.01 avg300=0.00 total=0", 2),
            ("some avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709551615", 3),
            ("some avg10 avg60=0.00 avg300=0.00 total=1", 3),
        ] {
            let mut gaps = Gaps::default();
            let [Some(stall), None] = super::parse(line, &mut gaps.of("io")) else { panic!("{line}") };
            let averages = stall.averages.iter().flatten().count();
            assert_eq!(averages + usize::from(stall.total_us.is_some()), known, "{line}");
            let expected = format!("io: expected avg10, avg60, avg300 and total, found {line:?}");
            assert_eq!(gaps.finish(Vec::new()), Err(CollectError::Malformed(expected)));
        }
    }
}
