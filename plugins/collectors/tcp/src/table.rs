//! The tables of `/proc/net/netstat` and `/proc/net/snmp`: pairs of lines, one with the columns' names and one with
//! their values, both beginning with the table's name. The names differ between kernels but not between runs, so what
//! is reported is worked out once and kept as long as the line of names stays the same.

use saker_sdk::gaps::{GapSource, count};
use saker_sdk::glob;
use saker_sdk::prelude::*;

/// Columns that hold a level; all others are totals.
const GAUGES: [&str; 1] = ["CurrEstab"];

/// One table, and what is reported of it.
pub(crate) struct SocketTable {
    /// What its lines begin with, such as `Tcp:`.
    start: &'static str,
    /// What stands before a column's name in the metric's name.
    prefix: &'static str,
    /// Which columns, as patterns.
    wanted: Vec<String>,
    /// The line of names that `columns` were found in.
    names: String,
    /// Words in that line.
    width: usize,
    columns: Vec<Column>,
}

struct Column {
    index: usize,
    metric: String,
    metric_type: MetricType,
}

impl SocketTable {
    pub(crate) fn new(start: &'static str, prefix: &'static str, wanted: Vec<String>) -> Self {
        Self { start, prefix, wanted, names: String::new(), width: 0, columns: Vec::new() }
    }

    /// Appends the values of this table in `text`, if it is there.
    pub(crate) fn read(&mut self, text: &str, place: &mut GapSource<'_>, values: &mut Vec<Sample>) {
        let mut lines = text.lines();
        let Some(names) = lines.find(|line| line.starts_with(self.start)) else { return };
        let Some(row) = lines.next().filter(|line| line.starts_with(self.start)) else {
            return place.odd(self.start, "a second line with values", "");
        };
        if !same(names, &self.names) {
            self.find_columns(names);
        }
        let mut cells = row.split_ascii_whitespace();
        let (start, mut passed) = (values.len(), 0);
        for column in &self.columns {
            let Some(cell) = cells.nth(column.index - passed) else {
                passed = 0;
                break;
            };
            passed = column.index + 1;
            match count(cell) {
                Some(value) => values.push(Sample::new(&column.metric, column.metric_type, value as f64)),
                None => place.odd(&column.metric, "a count", cell),
            }
        }
        // With a value more or less, nobody knows whose the others are.
        if passed + cells.count() != self.width {
            values.truncate(start);
            place.odd(self.start, "as many values as names", row);
        }
    }

    fn find_columns(&mut self, names: &str) {
        let names_and_start = names.split_ascii_whitespace().enumerate().skip(1);
        let wanted = names_and_start.filter(|(_, name)| glob::any(&self.wanted, name));
        self.columns = wanted
            .map(|(index, name)| Column {
                index,
                metric: format!("{}{name}", self.prefix),
                metric_type: if GAUGES.contains(&name) { MetricType::Gauge } else { MetricType::Counter },
            })
            .collect();
        self.width = names.split_ascii_whitespace().count();
        self.names = names.to_owned();
    }
}

/// Whether two lines are the same. In WebAssembly, `==` compares texts byte by byte; with two kilobytes of names, that was
/// a quarter of what a run costs.
fn same(one: &str, other: &str) -> bool {
    let (one, one_rest) = one.as_bytes().as_chunks::<8>();
    let (other, other_rest) = other.as_bytes().as_chunks::<8>();
    // Not `one == other`: that goes byte by byte too.
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == other) && one_rest == other_rest
}

#[cfg(test)]
mod tests {
    use saker_sdk::gaps::Gaps;

    use super::*;

    const NETSTAT: &str = include_str!("../../../../tests/fixtures/proc/net/netstat");
    const SNMP: &str = include_str!("../../../../tests/fixtures/proc/net/snmp");

    fn udp(wanted: &str) -> SocketTable {
        SocketTable::new("Udp:", "snmp.Udp.", vec![wanted.into()])
    }

    fn read(table: &mut SocketTable, text: &str) -> Vec<(String, f64)> {
        let mut values = Vec::new();
        table.read(text, &mut Gaps::default().of("snmp"), &mut values);
        values.into_iter().map(|value| (value.metric, value.value)).collect()
    }

    #[test]
    fn a_table_is_found_among_others_whose_names_begin_like_its_own() {
        let values = read(&mut udp("*"), SNMP);
        assert_eq!(values.len(), 9);
        assert_eq!(values[0], ("snmp.Udp.InDatagrams".to_owned(), 1_830_442.0));
        assert_eq!(values[8], ("snmp.Udp.MemErrors".to_owned(), 0.0));
    }

    #[test]
    fn only_wanted_columns_are_reported_each_with_its_own_value() {
        let mut table = SocketTable::new("TcpExt:", "TcpExt.", vec!["ListenDrops".into(), "TCPFastRe*".into()]);
        let expected = [("TcpExt.ListenDrops".to_owned(), 19.0), ("TcpExt.TCPFastRetrans".to_owned(), 88_214.0)];
        assert_eq!(read(&mut table, NETSTAT), expected);
    }

    #[test]
    fn a_level_is_a_gauge_and_a_total_a_counter() {
        let mut values = Vec::new();
        let wanted = vec!["CurrEstab".into(), "InSegs".into()];
        SocketTable::new("Tcp:", "snmp.Tcp.", wanted).read(SNMP, &mut Gaps::default().of("snmp"), &mut values);
        let types: Vec<_> = values.iter().map(|value| value.metric_type).collect();
        assert!(matches!(types[..], [MetricType::Gauge, MetricType::Counter]), "{types:?}");
    }

    #[test]
    fn other_columns_than_before_are_looked_up_again() {
        let mut table = udp("B");
        assert_eq!(read(&mut table, "Udp: A B\nUdp: 1 2\n"), [("snmp.Udp.B".to_owned(), 2.0)]);
        assert_eq!(read(&mut table, "Udp: A B\nUdp: 3 4\n"), [("snmp.Udp.B".to_owned(), 4.0)]);
        assert_eq!(read(&mut table, "Udp: B A\nUdp: 5 6\n"), [("snmp.Udp.B".to_owned(), 5.0)]);
        for (names, values) in [("Udp: B A CCCCCCC", "7 1 2"), ("Udp: AAAA B C", "1 7 2"), ("Udp: AAAA C B", "1 2 7")] {
            assert_eq!(read(&mut table, &format!("{names}\nUdp: {values}\n")), [("snmp.Udp.B".to_owned(), 7.0)]);
        }
    }

    #[test]
    fn a_missing_table_is_left_out_and_nonsense_is_named() {
        assert_eq!(read(&mut udp("*"), "Tcp: A\nTcp: 1\n"), []);
        for (text, found, expected) in [
            ("Udp: A B\n", 0, "a second line with values, found \"\""),
            ("Udp: A B\nTcp: 1 2\n", 0, "a second line with values, found \"\""),
            ("Udp: A B\nUdp: 1 x\n", 1, "a count, found \"x\""),
            ("Udp: A B\nUdp: 18446744073709551615 2\n", 1, "a count, found \"18446744073709551615\""),
            ("Udp: A B\nUdp: 1\n", 0, "as many values as names, found \"Udp: 1\""),
        ] {
            let (mut gaps, mut values) = (Gaps::default(), Vec::new());
            udp("*").read(text, &mut gaps.of("snmp"), &mut values);
            assert_eq!(values.len(), found, "{text:?}");
            let expected = CollectError::Malformed(format!("snmp: expected {expected}"));
            assert_eq!(gaps.finish(Vec::new()), Err(expected), "{text:?}");
        }
    }
}
