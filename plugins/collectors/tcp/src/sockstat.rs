//! `/proc/net/sockstat` and `/proc/net/sockstat6`, parsed: lines such as `TCP: inuse 5 orphan 0 tw 2 alloc 9 mem 3`.
//! What a kernel leaves out stays unknown; lines and words that nobody asks for are passed over.

use saker_sdk::prelude::*;

/// What is read of both files. Counts of IPv4 and IPv6 are added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sockstat {
    /// Sockets of every kind.
    used: Option<u64>,
    /// TCP sockets that are connected, connecting or listening.
    tcp_in_use: Option<u64>,
    tcp_orphaned: Option<u64>,
    tcp_time_wait: Option<u64>,
    /// TCP sockets in all, other than those in TIME_WAIT.
    tcp_allocated: Option<u64>,
    tcp_pages: Option<u64>,
    udp_in_use: Option<u64>,
    udp_pages: Option<u64>,
}

impl Sockstat {
    /// Adds what one of the two files says; on failure, says what was expected.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), String> {
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(kind) = words.next() else { continue };
            while let Some(word) = words.next() {
                let Some(slot) = self.slot(kind, word) else {
                    words.next();
                    continue;
                };
                let count = words.next().and_then(|count| count.parse::<u64>().ok());
                let count = count.ok_or_else(|| format!("a count behind {word:?} in the line {line:?}"))?;
                *slot = Some(slot.unwrap_or(0).saturating_add(count));
            }
        }
        Ok(())
    }

    /// Appends the metrics.
    pub(crate) fn push(&self, page_bytes: u32, values: &mut Vec<MetricValue>) {
        let bytes = |pages: Option<u64>| pages.map(|pages| pages.saturating_mul(page_bytes.into()));
        // A socket in state CLOSE stands in no table of the kernel: it is allocated and not in use.
        let closed = self.tcp_allocated.zip(self.tcp_in_use).map(|(all, used)| all.saturating_sub(used));
        let metrics = [
            ("ss.used", self.used),
            ("ss.inuse", self.tcp_in_use),
            ("ss.orphaned", self.tcp_orphaned),
            ("ss.timewait", self.tcp_time_wait),
            ("ss.closed", closed),
            ("ss.alloc", self.tcp_allocated),
            ("ss.mem.bytes", bytes(self.tcp_pages)),
            ("ss.udp.inuse", self.udp_in_use),
            ("ss.udp.mem.bytes", bytes(self.udp_pages)),
        ];
        let known = metrics.iter().filter_map(|(metric, value)| Some(MetricValue::gauge(metric, (*value)? as f64)));
        values.extend(known);
    }

    fn slot(&mut self, kind: &str, word: &str) -> Option<&mut Option<u64>> {
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
    use super::*;

    const SOCKSTAT: &str = include_str!("../../../../tests/fixtures/proc/net/sockstat");
    const SOCKSTAT6: &str = include_str!("../../../../tests/fixtures/proc/net/sockstat6");

    fn metrics(sockstat: &Sockstat) -> Vec<(String, f64)> {
        let mut values = Vec::new();
        sockstat.push(4096, &mut values);
        values.into_iter().map(|value| (value.metric, value.value)).collect()
    }

    #[test]
    fn both_files_are_added_up() {
        let mut sockstat = Sockstat::default();
        sockstat.add(SOCKSTAT).unwrap();
        sockstat.add(SOCKSTAT6).unwrap();
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
        sockstat.add("sockets: used 5\nTCP: inuse 2 novel x\nRAW: inuse none\n\n").unwrap();
        assert_eq!(metrics(&sockstat), [("ss.used".to_owned(), 5.0), ("ss.inuse".to_owned(), 2.0)]);
    }

    #[test]
    fn nonsense_is_named() {
        let error = Sockstat::default().add("TCP: inuse 1 orphan x tw 0\n").unwrap_err();
        assert_eq!(error, "a count behind \"orphan\" in the line \"TCP: inuse 1 orphan x tw 0\"");
        assert!(Sockstat::default().add("TCP: inuse\n").is_err());
    }
}
