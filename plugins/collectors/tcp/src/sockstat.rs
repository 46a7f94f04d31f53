//! `/proc/net/sockstat` and `/proc/net/sockstat6`, parsed: lines such as `TCP: inuse 5 orphan 0 tw 2 alloc 9 mem 3`.
//! What a kernel leaves out stays unknown; lines and words that nobody asks for are passed over.

use saker_sdk::gaps::{GapSource, count};
use saker_sdk::prelude::*;

/// What is read of both files. Counts of IPv4 and IPv6 are added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sockstat {
    /// Sockets of every kind.
    used: Sum,
    /// TCP sockets that are connected, connecting or listening.
    tcp_in_use: Sum,
    tcp_orphaned: Sum,
    tcp_time_wait: Sum,
    /// TCP sockets in all, other than those in TIME_WAIT.
    tcp_allocated: Sum,
    tcp_pages: Sum,
    udp_in_use: Sum,
    udp_pages: Sum,
}

/// What both files say of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sum {
    /// Nothing so far.
    #[default]
    None,
    Of(u64),
    /// One of them makes no sense.
    Lacking,
}

impl Sum {
    fn known(self) -> Option<u64> {
        match self {
            Self::Of(count) => Some(count),
            Self::None | Self::Lacking => None,
        }
    }
}

impl Sockstat {
    /// Adds what one of the two files says. A sum that lacks a part is none.
    pub(crate) fn add(&mut self, text: &str, place: &mut GapSource<'_>) {
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(kind) = words.next() else { continue };
            while let Some(word) = words.next() {
                let Some(slot) = self.slot(kind, word) else {
                    words.next();
                    continue;
                };
                let found = words.next().unwrap_or_default();
                *slot = match (count(found), *slot) {
                    (Some(count), Sum::None) => Sum::Of(count),
                    (Some(count), Sum::Of(before)) => Sum::Of(before.saturating_add(count)),
                    (None, _) => {
                        place.odd(&format!("{kind} {word}"), "a count", found);
                        Sum::Lacking
                    }
                    (_, Sum::Lacking) => Sum::Lacking,
                };
            }
        }
    }

    /// Appends the metrics.
    pub(crate) fn push(&self, page_bytes: u32, values: &mut Vec<Sample>) {
        let bytes = |pages: Sum| pages.known().map(|pages| pages.saturating_mul(page_bytes.into()));
        // A socket in state CLOSE stands in no table of the kernel: it is allocated and not in use.
        let closed =
            self.tcp_allocated.known().zip(self.tcp_in_use.known()).map(|(all, used)| all.saturating_sub(used));
        let metrics = [
            ("ss.used", self.used.known()),
            ("ss.inuse", self.tcp_in_use.known()),
            ("ss.orphaned", self.tcp_orphaned.known()),
            ("ss.timewait", self.tcp_time_wait.known()),
            ("ss.closed", closed),
            ("ss.alloc", self.tcp_allocated.known()),
            ("ss.mem.bytes", bytes(self.tcp_pages)),
            ("ss.udp.inuse", self.udp_in_use.known()),
            ("ss.udp.mem.bytes", bytes(self.udp_pages)),
        ];
        let known = metrics.iter().filter_map(|(metric, value)| Some(Sample::gauge(metric, (*value)? as f64)));
        values.extend(known);
    }

    fn slot(&mut self, kind: &str, word: &str) -> Option<&mut Sum> {
        match (kind, word) {
            ("sockets:", "used") => Some(&mut self.used),
            ("TCP:" | "TCP6:", "inuse") => Some(&mut self.tcp_in_use),
            ("TCP:", "orphan") => Some(&mut self.tcp_orphaned),
            ("TCP:", "tw") => Some(&mut self.tcp_time_wait),
            ("TCP:", "alloc") => Some(&mut self.tcp_allocated),
            ("TCP:", "mem") => Some(&mut self.tcp_pages),
            ("UDP:" | "UDP6:", "inuse") => Some(&mut self.udp_in_use),
            ("UDP:", "mem") => Some(&mut self.udp_pages),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use saker_sdk::gaps::Gaps;
    use saker_sdk::testing;

    use super::*;

    const SOCKSTAT: &str = include_str!("../../../../tests/fixtures/proc/net/sockstat");
    const SOCKSTAT6: &str = include_str!("../../../../tests/fixtures/proc/net/sockstat6");

    fn add(sockstat: &mut Sockstat, text: &str) {
        sockstat.add(text, &mut Gaps::default().of("sockstat"));
    }

    fn metrics(sockstat: &Sockstat) -> Vec<(String, f64)> {
        let mut values = Vec::new();
        sockstat.push(4096, &mut values);
        values.into_iter().map(|value| (value.metric, value.value)).collect()
    }

    #[test]
    fn both_files_are_added_up() {
        let mut sockstat = Sockstat::default();
        add(&mut sockstat, SOCKSTAT);
        add(&mut sockstat, SOCKSTAT6);
        let expected = [
            ("ss.used", 412.0),
            ("ss.inuse", 13.0),
            ("ss.orphaned", 1.0),
            ("ss.timewait", 3.0),
            ("ss.closed", 4.0),
            ("ss.alloc", 17.0),
            ("ss.mem.bytes", 7.0 * 4096.0),
            ("ss.udp.inuse", 8.0),
            ("ss.udp.mem.bytes", 3.0 * 4096.0),
        ];
        assert_eq!(metrics(&sockstat), expected.map(|(metric, value)| (metric.to_owned(), value)));
    }

    #[test]
    fn what_a_kernel_leaves_out_is_left_out() {
        let mut sockstat = Sockstat::default();
        add(&mut sockstat, "sockets: used 5\nTCP: inuse 2 novel x\nRAW: inuse none\n\n");
        assert_eq!(metrics(&sockstat), [("ss.used".to_owned(), 5.0), ("ss.inuse".to_owned(), 2.0)]);
    }

    #[test]
    fn a_count_that_makes_no_sense_costs_itself_and_its_sum() {
        let mut sockstat = Sockstat::default();
        add(&mut sockstat, "TCP: inuse 1 orphan x tw 0\nUDP: inuse\n");
        add(&mut sockstat, "TCP6: inuse 18446744073709551615\nUDP6: inuse 4\n");
        assert_eq!(metrics(&sockstat), [("ss.timewait".to_owned(), 0.0)]);
        let told: Vec<_> = testing::logged().into_iter().map(|(_, line)| line).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[0], "sockstat: TCP: orphan is left out: expected a count, found \"x\"");
    }
}
