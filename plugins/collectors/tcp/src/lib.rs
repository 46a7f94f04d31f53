//! The `tcp` collector: what the kernel counts about TCP and UDP, and sockets by state, from `/proc/net`. README.md
//! lists the metrics.

mod sockstat;
mod states;
mod table;

use std::fs::File;
use std::io::{ErrorKind, Read};

use saker_sdk::prelude::*;

use crate::sockstat::Sockstat;
use crate::states::States;
use crate::table::Table;

/// The columns of `TcpExt` that Open-Falcon reports. Kernels of today lack `TCPPrequeueDropped`, `TCPLoss` and
/// `TCPSchedulerFailed`.
const TCP_EXT: [&str; 23] = [
    "PruneCalled",
    "LockDroppedIcmps",
    "ArpFilter",
    "TW",
    "DelayedACKLocked",
    "ListenOverflows",
    "ListenDrops",
    "TCPPrequeueDropped",
    "TCPTSReorder",
    "TCPDSACKUndo",
    "TCPLoss",
    "TCPLostRetransmit",
    "TCPLossFailures",
    "TCPFastRetrans",
    "TCPTimeouts",
    "TCPSchedulerFailed",
    "TCPAbortOnMemory",
    "TCPAbortOnTimeout",
    "TCPAbortFailed",
    "TCPMemoryPressures",
    "TCPSpuriousRTOs",
    "TCPBacklogDrop",
    "TCPMinTTLDrop",
];

/// The columns of `Tcp` that say how the host is doing; the others are constants of the kernel.
const TCP: [&str; 10] = [
    "ActiveOpens",
    "PassiveOpens",
    "AttemptFails",
    "EstabResets",
    "CurrEstab",
    "InSegs",
    "OutSegs",
    "RetransSegs",
    "InErrs",
    "OutRsts",
];

/// The kernel gives out its list of connections in pieces of a page of 4 KiB.
const PIECE_BYTES: usize = 4096;

saker_sdk::settings! {
    /// Settings of the `tcp` collector.
    pub struct TcpSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// Which counters of TcpExt to report. `*` stands for any run of characters; `["*"]` reports all.
        pub tcp_ext: Vec<String> = owned(&TCP_EXT),
        /// How often to count sockets by state, in seconds: the kernel walks its whole table of connections for it, twice.
        /// 0 is never.
        pub sockets_every_s: u32 = 60,
        /// Size of a memory page of the kernel, in bytes.
        pub page_bytes: u32 = 4096,
    }
}

/// The collector.
pub struct Tcp {
    directory: String,
    sockets_every_s: u32,
    /// When sockets are counted next, in milliseconds since 1970-01-01 UTC.
    count_at_ms: i64,
    page_bytes: u32,
    piece: Vec<u8>,
    tcp_ext: Table,
    tcp: Table,
    udp: Table,
    /// How many values the tick before brought.
    expected: usize,
}

impl Collector for Tcp {
    type Settings = TcpSettings;

    fn describe() -> Description {
        Description::new(
            "tcp",
            env!("CARGO_PKG_VERSION"),
            "TCP and UDP: protocol counters, errors, and sockets by state",
        )
        .wants(read("/proc"), "the figures are in /proc/net")
    }

    fn open(settings: TcpSettings) -> Result<Self, OpenError> {
        if settings.page_bytes == 0 {
            return Err(OpenError::Settings("page_bytes: expected at least 1, found 0".into()));
        }
        Ok(Self {
            directory: format!("{}/net", settings.proc),
            sockets_every_s: settings.sockets_every_s,
            count_at_ms: i64::MIN,
            page_bytes: settings.page_bytes,
            piece: vec![0; PIECE_BYTES],
            tcp_ext: Table::new("TcpExt:", "TcpExt.", settings.tcp_ext),
            tcp: Table::new("Tcp:", "snmp.Tcp.", owned(&TCP)),
            udp: Table::new("Udp:", "snmp.Udp.", vec!["*".into()]),
            expected: 0,
        })
    }

    fn collect(&mut self, tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let mut values = Vec::with_capacity(self.expected);
        self.push_tables(&mut values)?;
        // What `ss -s` shows, and so what Open-Falcon reports; it costs nothing and holds CLOSE_WAIT too.
        let known = values.iter().find(|value| value.metric == "snmp.Tcp.CurrEstab").map(|value| value.value);
        values.extend(known.map(|count| MetricValue::gauge("ss.estab", count)));
        self.push_sockstat(&mut values)?;
        if self.sockets_every_s > 0 && tick.timestamp_ms >= self.count_at_ms {
            // Half a tick early is not too early: ticks do not stand on this setting's grid.
            self.count_at_ms =
                tick.timestamp_ms + i64::from(self.sockets_every_s) * 1000 - i64::from(tick.interval_ms) / 2;
            self.push_states(&mut values)?;
        }
        if values.is_empty() {
            return Err(CollectError::Unavailable(format!("{}: no figures about TCP are there", self.directory)));
        }
        self.expected = values.len();
        Ok(values)
    }
}

saker_sdk::export_collector!(Tcp);

impl Tcp {
    fn push_tables(&mut self, values: &mut Vec<MetricValue>) -> Result<(), CollectError> {
        let path = format!("{}/netstat", self.directory);
        if let Some(text) = text::read_if_there(&path)? {
            self.tcp_ext.read(&text, values).map_err(|expected| CollectError::malformed(&path, &expected))?;
        }
        let path = format!("{}/snmp", self.directory);
        if let Some(text) = text::read_if_there(&path)? {
            for table in [&mut self.tcp, &mut self.udp] {
                table.read(&text, values).map_err(|expected| CollectError::malformed(&path, &expected))?;
            }
        }
        Ok(())
    }

    fn push_states(&mut self, values: &mut Vec<MetricValue>) -> Result<(), CollectError> {
        let mut states = States::new();
        let mut found = false;
        for name in ["tcp", "tcp6"] {
            let path = format!("{}/{name}", self.directory);
            found |= count(&path, &mut self.piece, &mut states)?;
        }
        if found {
            states.push(self.sockets_every_s, values);
        }
        Ok(())
    }

    fn push_sockstat(&mut self, values: &mut Vec<MetricValue>) -> Result<(), CollectError> {
        let mut sockstat = Sockstat::default();
        for name in ["sockstat", "sockstat6"] {
            let path = format!("{}/{name}", self.directory);
            if let Some(text) = text::read_if_there(&path)? {
                sockstat.add(&text).map_err(|expected| CollectError::malformed(&path, &expected))?;
            }
        }
        sockstat.push(self.page_bytes, values);
        Ok(())
    }
}

/// Counts the sockets of a file; answers whether there is such a file.
fn count(path: &str, piece: &mut [u8], states: &mut States) -> Result<bool, CollectError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(CollectError::from_io(path, &error)),
    };
    let malformed = |line| CollectError::malformed(path, &format!("a socket with its state in line {line}"));
    loop {
        match file.read(piece).map_err(|error| CollectError::from_io(path, &error))? {
            0 => break,
            length => states.take(&piece[..length]).map_err(malformed)?,
        }
    }
    states.end().map_err(malformed)?;
    Ok(true)
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(directory: &str) -> TcpSettings {
        let settings = format!(r#"{{"proc": "{directory}"}}"#);
        saker_sdk::settings::parse(&settings).unwrap()
    }

    fn collect(settings: TcpSettings) -> Result<Vec<MetricValue>, CollectError> {
        Tcp::open(settings).unwrap().collect(Tick { timestamp_ms: 0, interval_ms: 10_000 })
    }

    fn find(values: &[MetricValue], metric: &str) -> f64 {
        let found: Vec<_> = values.iter().filter(|value| value.metric == metric).collect();
        assert_eq!(found.len(), 1, "{metric}");
        found[0].value
    }

    #[test]
    fn every_file_has_its_metrics_and_no_metric_comes_twice() {
        let values = collect(settings("../../../tests/fixtures/proc")).unwrap();
        assert_eq!(find(&values, "TcpExt.ListenOverflows"), 19.0);
        assert_eq!(find(&values, "snmp.Tcp.RetransSegs"), 120_553.0);
        assert_eq!(find(&values, "snmp.Udp.NoPorts"), 7_712.0);
        assert_eq!(find(&values, "ss.estab"), 5.0, "a socket in CLOSE_WAIT is among them");
        assert_eq!(find(&values, "ss.closewait"), 1.0);
        assert_eq!(find(&values, "ss.timewait"), 3.0);
        assert_eq!(find(&values, "ss.closed"), 4.0);
        assert_eq!(values.iter().filter(|value| value.metric.starts_with("TcpExt.")).count(), 20);
        let mut names: Vec<_> = values.iter().map(|value| &value.metric).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), values.len());
    }

    #[test]
    fn sockets_are_counted_once_a_minute_and_the_rest_every_tick() {
        let mut tcp = Tcp::open(settings("../../../tests/fixtures/proc")).unwrap();
        let mut counted = Vec::new();
        for second in (0..130).step_by(10) {
            let values = tcp.collect(Tick { timestamp_ms: second * 1000, interval_ms: 10_000 }).unwrap();
            assert_eq!(find(&values, "ss.timewait"), 3.0);
            if let Some(listen) = values.iter().find(|value| value.metric == "ss.listen") {
                assert_eq!(listen.step_s, Some(60));
                counted.push(second);
            }
        }
        assert_eq!(counted, [0, 60, 120]);
    }

    #[test]
    fn all_counters_of_tcp_ext_are_there_for_the_asking() {
        let mut settings = settings("../../../tests/fixtures/proc");
        settings.tcp_ext = vec!["*".into()];
        let values = collect(settings).unwrap();
        assert_eq!(find(&values, "TcpExt.TCPSynRetrans"), 4_410.0);
    }

    #[test]
    fn a_page_without_bytes_is_refused() {
        let mut settings = settings("/proc");
        settings.page_bytes = 0;
        assert!(matches!(Tcp::open(settings), Err(OpenError::Settings(text)) if text.starts_with("page_bytes: ")));
    }

    #[test]
    fn without_counting_sockets_what_costs_nothing_stays() {
        let mut settings = settings("../../../tests/fixtures/proc");
        settings.sockets_every_s = 0;
        let values = collect(settings).unwrap();
        assert_eq!(find(&values, "ss.timewait"), 3.0);
        assert!(values.iter().all(|value| value.metric != "ss.listen"));
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_with_its_file() {
        let directory = std::env::temp_dir().join(format!("saker-tcp-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("net")).unwrap();
        std::fs::write(directory.join("net/tcp6"), "headings\n   0: A B 0A x\n   1: A B\n").unwrap();
        let proc = directory.to_str().unwrap();
        let error = collect(settings(proc)).unwrap_err();
        std::fs::remove_dir_all(&directory).unwrap();
        let expected = format!("{proc}/net/tcp6: expected a socket with its state in line 3");
        assert_eq!(error, CollectError::Malformed(expected));
    }

    #[test]
    fn nothing_at_all_is_an_error_that_names_the_place() {
        let error = collect(settings("/nowhere")).unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/net: ")));
    }
}
