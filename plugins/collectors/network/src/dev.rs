//! `/proc/net/dev`, parsed. Its columns are described in `man 5 proc_pid_net`.

use saker_sdk::gaps::{COUNT_END, GapSource};
use saker_sdk::{Sample, text};

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
    /// None for a figure that makes no sense.
    columns: [Option<u64>; 16],
}

impl Interface {
    fn new(name: &str, columns: [Option<u64>; 16]) -> Self {
        let tag = text::tag_value(name);
        Self { name: name.into(), tag, columns }
    }

    /// The bytes that went in and out.
    pub(crate) fn bytes(&self) -> Option<[u64; 2]> {
        Some([self.columns[0]?, self.columns[OUT]?])
    }

    /// Adds the counters.
    pub(crate) fn push_counters(&self, values: &mut Vec<Sample>) {
        let mut push = |metric: &str, figure: Option<f64>| {
            values.extend(figure.map(|figure| Sample::counter(metric, figure).tag("iface", &self.tag)));
        };
        for (metric, figure) in COLUMNS.iter().zip(self.columns) {
            push(metric, figure.map(|figure| figure as f64));
        }
        let (inward, outward) = self.columns.split_at(OUT);
        for (metric, (received, sent)) in TOTALS.iter().zip(inward.iter().zip(outward)) {
            push(metric, received.zip(*sent).map(|(received, sent)| received.saturating_add(sent) as f64));
        }
        let bits = |bytes: u64| 8.0 * bytes as f64;
        push("net.if.in.bits", inward[0].map(bits));
        push("net.if.out.bits", outward[0].map(bits));
        push("net.if.total.bits", self.bytes().map(|[received, sent]| bits(received.saturating_add(sent))));
    }

    /// A gauge of this interface.
    pub(crate) fn gauge(&self, metric: &str, figure: f64) -> Sample {
        Sample::gauge(metric, figure).tag("iface", &self.tag)
    }
}

/// Parses the lines of the interfaces that `takes` says.
pub(crate) fn parse(text: &str, takes: impl Fn(&str) -> bool, place: &mut GapSource<'_>) -> Vec<Interface> {
    let mut interfaces = Vec::new();
    for line in text.lines().skip(HEADINGS).filter(|line| !line.trim_start().is_empty()) {
        let Some((name, columns)) = line.rsplit_once(':') else {
            place.odd("a line", EXPECTED, line);
            continue;
        };
        let name = name.trim_start();
        if takes(name) {
            match figures(name, columns, place) {
                Some(figures) => interfaces.push(Interface::new(name, figures)),
                None => place.odd(name, EXPECTED, line),
            }
        }
    }
    interfaces
}

fn figures(name: &str, columns: &str, place: &mut GapSource<'_>) -> Option<[Option<u64>; 16]> {
    let mut figures = [None; 16];
    let mut columns = columns.split_ascii_whitespace();
    for (slot, metric) in figures.iter_mut().zip(&COLUMNS) {
        let text = columns.next()?;
        *slot = Some(text.parse().ok()?).filter(|figure| *figure < COUNT_END);
        if slot.is_none() {
            place.odd(&format!("{metric} of {name}"), "a number that can be", text);
        }
    }
    Some(figures)
}

const EXPECTED: &str = "a name, a colon and 16 numbers";

#[cfg(test)]
mod tests {
    use saker_sdk::gaps::Gaps;
    use saker_sdk::{CollectError, testing};

    use super::*;

    const DEV: &str = include_str!("../../../../tests/fixtures/proc/net/dev");

    fn parse(text: &str, takes: impl Fn(&str) -> bool) -> Vec<Interface> {
        super::parse(text, takes, &mut Gaps::default().of("dev"))
    }

    #[test]
    fn a_real_file_is_read_whole() {
        let interfaces = parse(DEV, |_| true);
        assert_eq!(interfaces.len(), 12);
        assert_eq!(interfaces[1].name, "eno1");
        let columns =
            [918_203_344_120, 1_203_344_812, 3, 17, 1, 2, 0, 441_203, 88_120_334_412, 701_203_344, 4, 5, 6, 7, 8, 0];
        assert_eq!(interfaces[1].columns, columns.map(Some));
        assert_eq!(interfaces[2].name, "enp3s0f0", "no space need stand after the colon");
        assert_eq!(interfaces[2].bytes(), Some([20_334_481_203, 10_334_481_203]));
    }

    #[test]
    fn every_column_becomes_a_counter_and_both_directions_add_up() {
        let mut values = Vec::new();
        let columns = [1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80];
        Interface::new("a=b,c", columns.map(Some)).push_counters(&mut values);
        assert_eq!(values.len(), 16 + 4 + 3);
        assert!(values.iter().all(|value| value.tags == [("iface".to_owned(), "a=b,c".to_owned())]));
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
    fn a_line_that_makes_no_sense_costs_its_interface() {
        let sound = "lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        for line in ["eth0: 1 2 3", "eth0 1 2 3", "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x"] {
            let text = format!("Inter-|\n face |\n{line}\n{sound}\n\n");
            let mut gaps = Gaps::default();
            let found = super::parse(&text, |_| true, &mut gaps.of("dev"));
            assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["lo"]);
            let expected = format!("dev: expected a name, a colon and 16 numbers, found {line:?}");
            assert_eq!(gaps.finish(Vec::new()), Err(CollectError::Malformed(expected)));
        }
        let told = testing::logged().len();
        assert_eq!(parse("\n\neth0: 1 2 3\n", |_| false), []);
        assert_eq!(testing::logged().len(), told);
        assert_eq!(parse("\n\na|b: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", |_| true)[0].name, "a|b");
    }

    #[test]
    fn a_figure_below_nothing_costs_itself_and_what_is_made_of_it() {
        let line = "\n\neth0: 1 2 3 18446744073709551615 5 6 7 8 9 10 11 12 13 14 15 16\n";
        let mut values = Vec::new();
        parse(line, |_| true)[0].push_counters(&mut values);
        assert_eq!(values.len(), 16 + 4 + 3 - 2);
        assert!(values.iter().all(|value| value.value < 1e6));
    }
}
