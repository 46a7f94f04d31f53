//! A file of `/proc/pressure`, parsed: lines such as `some avg10=0.00 avg60=0.02 avg300=0.90 total=26726872`. The
//! kernel's Documentation/accounting/psi.rst describes them.

/// What the lines begin with: at least one task waits, or all that have work do.
pub(crate) const LINES: [&str; 2] = ["some", "full"];
/// The averages in a line.
pub(crate) const AVERAGES: [&str; 3] = ["avg10", "avg60", "avg300"];

/// One line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stall {
    /// Share of the time that was lost, in percent: one for each of [`AVERAGES`].
    pub(crate) averages: [f64; AVERAGES.len()],
    /// Time lost since boot, in microseconds.
    pub(crate) total_us: u64,
}

/// Parses a file into one stall for each of [`LINES`]; on failure, says what was expected and found instead.
pub(crate) fn parse(text: &str) -> Result<[Option<Stall>; LINES.len()], String> {
    let mut stalls = [None; LINES.len()];
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(index) = LINES.iter().position(|name| *name == kind) {
            let stall = parse_line(rest).ok_or_else(|| format!("avg10, avg60, avg300 and total, found {line:?}"))?;
            stalls[index] = Some(stall);
        }
    }
    Ok(stalls)
}

fn parse_line(columns: &str) -> Option<Stall> {
    let mut averages = [None; AVERAGES.len()];
    let mut total_us = None;
    for column in columns.split_ascii_whitespace() {
        let (key, value) = column.split_once('=')?;
        if key == "total" {
            total_us = Some(value.parse().ok()?);
        } else if let Some(index) = AVERAGES.iter().position(|name| *name == key) {
            // Rust reads words such as "inf" as numbers; the kernel writes none.
            averages[index] = Some(value.parse().ok().filter(|average: &f64| average.is_finite())?);
        }
    }
    let [Some(ten), Some(sixty), Some(three_hundred)] = averages else { return None };
    Some(Stall { averages: [ten, sixty, three_hundred], total_us: total_us? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IO: &str = include_str!("../../../../tests/fixtures/proc/pressure/io");
    const IRQ: &str = include_str!("../../../../tests/fixtures/proc/pressure/irq");

    #[test]
    fn both_lines_are_read() {
        let some = Stall { averages: [12.5, 6.04, 2.17], total_us: 3_173_755_000 };
        let full = Stall { averages: [10.75, 5.21, 1.88], total_us: 2_681_858_500 };
        assert_eq!(parse(IO), Ok([Some(some), Some(full)]));
    }

    #[test]
    fn either_line_may_lack() {
        assert_eq!(parse(IRQ), Ok([None, Some(Stall { averages: [0.0, 0.01, 0.0], total_us: 91_500 })]));
        assert_eq!(parse(""), Ok([None, None]));
    }

    #[test]
    fn what_later_kernels_add_is_passed_over() {
        let text = "most avg10=1\nsome avg10=1.00 avg60=2.00 avg300=3.00 avg900=4.00 total=5\n";
        assert_eq!(parse(text), Ok([Some(Stall { averages: [1.0, 2.0, 3.0], total_us: 5 }), None]));
    }

    #[test]
    fn nonsense_is_named() {
        for line in [
            "some",
            "some avg10=0.00 avg60=0.00 avg300=0.00",
            "some avg10=0.00 avg60=0.00 total=0",
            "some avg10=0.00 avg60=nan avg300=0.00 total=0",
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=-1",
            "full avg10 avg60=0.00 avg300=0.00 total=1",
        ] {
            assert_eq!(parse(line), Err(format!("avg10, avg60, avg300 and total, found {line:?}")));
        }
    }
}
