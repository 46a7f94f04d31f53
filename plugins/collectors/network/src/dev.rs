//! `/proc/net/dev`, parsed. Its columns are described in `man 5 proc_pid_net`.

use saker_sdk::{MetricValue, text};

/// The columns after an interface's name, in the kernel's order.
const COLUMNS: [&str; 16] = [
    "net.if.in.bytes",
    "net.if.in.packets",
    "net.if.in.errors",
    "net.if.in.dropped",
    "net.if.in.fifo.errs",
    "net.if.in.frame.errs",
    "net.if.in.compressed",
    "net.if.in.multicast",
    "net.if.out.bytes",
    "net.if.out.packets",
    "net.if.out.errors",
    "net.if.out.dropped",
    "net.if.out.fifo.errs",
    "net.if.out.collisions",
    "net.if.out.carrier.errs",
    "net.if.out.compressed",
];

/// Sums of a column and the one of the other direction, in the order of the columns.
const TOTALS: [&str; 4] = ["net.if.total.bytes", "net.if.total.packets", "net.if.total.errors", "net.if.total.dropped"];

/// Where what goes out begins in [`COLUMNS`].
const OUT: usize = 8;

/// Lines before the first interface.
const HEADINGS: usize = 2;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// The name, as the kernel knows it.
    pub(crate) name: String,
    /// The name, fit to be a tag.
    tag: String,
    columns: [u64; 16],
}

impl Interface {
    fn new(name: &str, columns: [u64; 16]) -> Self {
        let tag = text::tag_value(name);
        Self { name: name.into(), tag, columns }
    }

    /// The bytes that went in and out.
    pub(crate) fn bytes(&self) -> [u64; 2] {
        [self.columns[0], self.columns[OUT]]
    }

    /// Adds the counters.
    pub(crate) fn push_counters(&self, values: &mut Vec<MetricValue>) {
        let mut push = |metric: &str, figure: f64| {
            values.push(MetricValue::counter(metric, figure).tag("iface", &self.tag));
        };
        for (metric, figure) in COLUMNS.iter().zip(self.columns) {
            push(metric, figure as f64);
        }
        let (inward, outward) = self.columns.split_at(OUT);
        for (metric, (received, sent)) in TOTALS.iter().zip(inward.iter().zip(outward)) {
            push(metric, received.saturating_add(*sent) as f64);
        }
        let [received, sent] = self.bytes();
        push("net.if.in.bits", 8.0 * received as f64);
        push("net.if.out.bits", 8.0 * sent as f64);
        push("net.if.total.bits", 8.0 * received.saturating_add(sent) as f64);
    }

    /// A gauge of this interface.
    pub(crate) fn gauge(&self, metric: &str, figure: f64) -> MetricValue {
        MetricValue::gauge(metric, figure).tag("iface", &self.tag)
    }
}

/// Parses the lines of the interfaces that `takes` says; on failure, says what was expected.
pub(crate) fn parse(text: &str, takes: impl Fn(&str) -> bool) -> Result<Vec<Interface>, String> {
    let mut interfaces = Vec::new();
    for line in text.lines().skip(HEADINGS).filter(|line| !line.trim_start().is_empty()) {
        let (name, columns) = line.rsplit_once(':').ok_or_else(|| expected(line))?;
        let name = name.trim_start();
        if takes(name) {
            interfaces.push(Interface::new(name, figures(columns).ok_or_else(|| expected(line))?));
        }
    }
    Ok(interfaces)
}

fn figures(columns: &str) -> Option<[u64; 16]> {
    let mut figures = [0; 16];
    let mut columns = columns.split_ascii_whitespace();
    for slot in &mut figures {
        *slot = columns.next()?.parse().ok()?;
    }
    Some(figures)
}

fn expected(line: &str) -> String {
    format!("a name, a colon and 16 numbers, found {line:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = include_str!("../../../../tests/fixtures/proc/net/dev");

    #[test]
    fn a_real_file_is_read_whole() {
        let interfaces = parse(DEV, |_| true).unwrap();
        assert_eq!(interfaces.len(), 12);
        assert_eq!(interfaces[1].name, "eno1");
        let columns =
            [918_203_344_120, 1_203_344_812, 3, 17, 1, 2, 0, 441_203, 88_120_334_412, 701_203_344, 4, 5, 6, 7, 8, 0];
        assert_eq!(interfaces[1].columns, columns);
        assert_eq!(interfaces[2].name, "enp3s0f0", "no space need stand after the colon");
        assert_eq!(interfaces[2].bytes(), [20_334_481_203, 10_334_481_203]);
    }

    #[test]
    fn every_column_becomes_a_counter_and_both_directions_add_up() {
        let mut values = Vec::new();
        let columns = [1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80];
        Interface::new("a=b,c", columns).push_counters(&mut values);
        assert_eq!(values.len(), 16 + 4 + 3);
        assert!(values.iter().all(|value| value.tags == [("iface".to_owned(), "a_b_c".to_owned())]));
        let figure = |metric| values.iter().find(|value| value.metric == metric).unwrap().value;
        assert_eq!(figure("net.if.in.multicast"), 8.0);
        assert_eq!(figure("net.if.out.carrier.errs"), 70.0);
        assert_eq!(figure("net.if.total.dropped"), 44.0);
        assert_eq!(
            [figure("net.if.in.bits"), figure("net.if.out.bits"), figure("net.if.total.bits")],
            [8.0, 80.0, 88.0],
        );
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_if_its_interface_is_chosen() {
        let parse = |line: &str, taken| parse(&format!("Inter-|\n face |\n{line}\n\n"), |_| taken);
        let error = parse("eth0: 1 2 3", true).unwrap_err();
        assert_eq!(error, "a name, a colon and 16 numbers, found \"eth0: 1 2 3\"");
        assert!(parse("eth0 1 2 3", true).is_err());
        assert!(parse("eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x", true).is_err());
        assert_eq!(parse("eth0: 1 2 3", false).unwrap(), []);
        assert_eq!(parse("a|b: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", true).unwrap()[0].name, "a|b");
    }
}
