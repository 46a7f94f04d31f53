//! The `tcp` collector: what the kernel counts about TCP and UDP, and sockets by state, from `/proc/net`. README.md
//! lists the metrics.

mod sockstat;
mod states;
mod table;

use std::fs::File;
use std::io::{ErrorKind, Read};

use saker_sdk::gaps::Gaps;
use saker_sdk::prelude::*;

use crate::sockstat::Sockstat;
use crate::states::States;
use crate::table::SocketTable;

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
    tcp_ext: SocketTable,
    tcp: SocketTable,
    udp: SocketTable,
    /// How many values the run before brought.
    expected: usize,
    gaps: Gaps,
}

impl Collector for Tcp {
    type Settings = TcpSettings;

    fn describe() -> Description {
        Description::new(
            "tcp",
            env!("CARGO_PKG_VERSION"),
            "TCP and UDP: protocol counters, errors, and sockets by state",
        )
        .requests(read("/proc"), "the figures are in /proc/net")
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
            tcp_ext: SocketTable::new("TcpExt:", "TcpExt.", settings.tcp_ext),
            tcp: SocketTable::new("Tcp:", "snmp.Tcp.", owned(&TCP)),
            udp: SocketTable::new("Udp:", "snmp.Udp.", vec!["*".into()]),
            expected: 0,
            gaps: Gaps::default(),
        })
    }

    fn collect(&mut self, run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut values = Vec::with_capacity(self.expected);
        self.push_tables(&mut values);
        // What `ss -s` shows, and so what Open-Falcon reports; it costs nothing and holds CLOSE_WAIT too.
        let known = values.iter().find(|value| value.metric == "snmp.Tcp.CurrEstab").map(|value| value.value);
        values.extend(known.map(|count| Sample::gauge("ss.estab", count)));
        self.push_sockstat(&mut values);
        if self.sockets_every_s > 0 && run.timestamp_ms >= self.count_at_ms {
            // Half a run early is not too early: runs do not stand on this setting's grid.
            self.count_at_ms =
                run.timestamp_ms + i64::from(self.sockets_every_s) * 1000 - i64::from(run.interval_ms) / 2;
            self.push_states(&mut values);
        }
        self.expected = values.len();
        let values = self.gaps.finish(values)?;
        if values.is_empty() {
            return Err(CollectError::Unavailable(format!("{}: no figures about TCP are there", self.directory)));
        }
        Ok(values)
    }
}

saker_sdk::export_collector!(Tcp);

impl Tcp {
    fn push_tables(&mut self, values: &mut Vec<Sample>) {
        let path = format!("{}/netstat", self.directory);
        if let Some(text) = self.gaps.read_if_there(&path) {
            self.tcp_ext.read(&text, &mut self.gaps.of(&path), values);
        }
        let path = format!("{}/snmp", self.directory);
        if let Some(text) = self.gaps.read_if_there(&path) {
            for table in [&mut self.tcp, &mut self.udp] {
                table.read(&text, &mut self.gaps.of(&path), values);
            }
        }
    }

    fn push_states(&mut self, values: &mut Vec<Sample>) {
        let mut states = States::new();
        let mut found = false;
        for name in ["tcp", "tcp6"] {
            let path = format!("{}/{name}", self.directory);
            match count(&path, &mut self.piece, &mut states) {
                Ok(there) => found |= there,
                // A count of one of both would pass for the count of all.
                Err(error) => {
                    self.gaps.lacks::<()>(&path, error, true);
                    return;
                }
            }
            if let Some((line, lines)) = states.end() {
                self.gaps.of(&path).odd("a socket", "its state", &format!("{lines} others, the first in line {line}"));
            }
        }
        if found {
            states.push(self.sockets_every_s, values);
        }
    }

    fn push_sockstat(&mut self, values: &mut Vec<Sample>) {
        let mut sockstat = Sockstat::default();
        for name in ["sockstat", "sockstat6"] {
            let path = format!("{}/{name}", self.directory);
            if let Some(text) = self.gaps.read_if_there(&path) {
                sockstat.add(&text, &mut self.gaps.of(&path));
            }
        }
        sockstat.push(self.page_bytes, values);
    }
}

/// Counts the sockets of a file; answers whether there is such a file.
fn count(path: &str, piece: &mut [u8], states: &mut States) -> Result<bool, CollectError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            return match CollectError::from_io(path, &error) {
                // A missing permission looks like a missing file at first, and must not pass for one.
                CollectError::Unavailable(_) if error.kind() == ErrorKind::NotFound => Ok(false),
                error => Err(error),
            };
        }
    };
    loop {
        match file.read(piece).map_err(|error| CollectError::from_io(path, &error))? {
            0 => return Ok(true),
            length => states.take(&piece[..length]),
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).into()).collect()
}

#[cfg(test)]
mod tests {
    use saker_sdk::testing;

    use super::*;

    fn settings(directory: &str) -> TcpSettings {
        let settings = format!(r#"{{"proc": "{directory}"}}"#);
        saker_sdk::settings::parse(&settings).unwrap()
    }

    fn collect(settings: TcpSettings) -> Result<Vec<Sample>, CollectError> {
        Tcp::open(settings).unwrap().collect(Run { timestamp_ms: 0, interval_ms: 10_000 })
    }

    fn find(values: &[Sample], metric: &str) -> f64 {
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
    fn sockets_are_counted_once_a_minute_and_the_rest_every_run() {
        let mut tcp = Tcp::open(settings("../../../tests/fixtures/proc")).unwrap();
        let mut counted = Vec::new();
        for second in (0..130).step_by(10) {
            let values = tcp.collect(Run { timestamp_ms: second * 1000, interval_ms: 10_000 }).unwrap();
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
    fn a_page_without_bytes_is_rejected() {
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

    /// A proc file system with these files in `net`.
    fn with_files(test: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
        let directory = std::env::temp_dir().join(format!("saker-tcp-{}-{test}", std::process::id()));
        std::fs::create_dir_all(directory.join("net")).unwrap();
        for (name, text) in files {
            std::fs::write(directory.join("net").join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_with_its_file() {
        let directory = with_files("line", &[("tcp6", "headings\n   0: A B 0A x\n   1: A B\n")]);
        let values = collect(settings(directory.to_str().unwrap())).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(find(&values, "ss.listen"), 1.0, "the others are counted");
        let told = &testing::logged()[0].1;
        let ends = "/net/tcp6: a socket is left out: expected its state, found \"1 others, the first in line 3\"";
        assert!(told.ends_with(ends), "{told}");
    }

    #[test]
    fn a_file_that_is_missing_or_changed_costs_at_most_its_own_values() {
        let names = ["netstat", "snmp", "sockstat", "sockstat6", "tcp", "tcp6"];
        let texts =
            names.map(|name| std::fs::read_to_string(format!("../../../tests/fixtures/proc/net/{name}")).unwrap());
        let files: Vec<_> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
        let directory = with_files("changed", &files);
        let proc = directory.to_str().unwrap();
        let sound = collect(settings(proc)).unwrap();
        for (name, text) in files {
            let path = directory.join("net").join(name);
            let of_file = |value: &Sample| match name {
                "netstat" => value.metric.starts_with("TcpExt."),
                "snmp" => value.metric.starts_with("snmp.") || value.metric == "ss.estab",
                "tcp" | "tcp6" => value.step_s.is_some(),
                _ => value.step_s.is_none() && value.metric.starts_with("ss.") && value.metric != "ss.estab",
            };
            std::fs::remove_file(&path).unwrap();
            testing::same_but(&sound, &collect(settings(proc)).unwrap(), of_file);
            testing::each_line_changed(text, |changed, line| {
                std::fs::write(&path, changed).unwrap();
                let start = line.split(' ').next().unwrap();
                let start = start.trim_end_matches(':');
                testing::same_but(&sound, &collect(settings(proc)).unwrap(), |value| match name {
                    "snmp" => value.metric.contains(start) || (start == "Tcp" && value.metric == "ss.estab"),
                    _ => of_file(value),
                });
            });
            std::fs::write(&path, text).unwrap();
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn nothing_at_all_is_an_error_that_names_the_place() {
        let error = collect(settings("/nowhere")).unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/net/")));
    }
}
