//! The `process` collector: processes by state, and what chosen ones cost, from `/proc/PID`. README.md lists the
//! metrics.

mod files;
mod group;
mod reading;
mod stat;
mod totals;

use std::borrow::Cow;
use std::fmt::Write;
use std::io::ErrorKind;

use saker_sdk::gaps::Gaps;
use saker_sdk::prelude::*;

use crate::files::Buffer;
use crate::group::{Group, GroupTally};
use crate::reading::ProcReading;
use crate::stat::Process;
use crate::totals::ProcessTotals;

/// `/proc/PID/stat` has some 300 bytes.
const STAT_BYTES: usize = 2 * 1024;
/// No machine runs so long, in seconds: a thousand years.
const UPTIME_END: f64 = 1000.0 * 366.0 * 86_400.0;
/// As much of a command line is looked at. Those of Java programs may well have ten thousand bytes.
const COMMAND_BYTES: usize = 32 * 1024;

saker_sdk::settings! {
    /// Settings of the `process` collector.
    pub struct ProcessSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// Processes to report on.
        pub groups: Vec<GroupSettings> = Vec::new(),
        /// Size of a memory page of the kernel, in bytes.
        pub page_bytes: u32 = 4096,
    }
}

saker_sdk::settings! {
    /// One group of processes: those that fit all that is given.
    pub struct GroupSettings {
        /// What to call the group. Left out, the tags are `name` and `cmdline`.
        pub label: Option<String> = None,
        /// The whole name of the program.
        pub name: Option<String> = None,
        /// A part of the command line, whose words are separated by single spaces.
        pub cmdline: Option<String> = None,
    }
}

/// The collector, with the reading of the run before.
pub struct Processes {
    proc: String,
    groups: Vec<Group>,
    page_bytes: u32,
    stat: Buffer,
    command: Buffer,
    before: Option<ProcReading>,
    gaps: Gaps,
}

/// What one pass over all processes brings.
struct Scan {
    totals: ProcessTotals,
    tallies: Vec<GroupTally>,
    reading: ProcReading,
}

impl Collector for Processes {
    type Settings = ProcessSettings;

    fn describe() -> Description {
        Description::new(
            "process",
            env!("CARGO_PKG_VERSION"),
            "Processes by state, and the count and cost of chosen ones",
        )
        .requests(read("/proc"), "every process has a directory there")
    }

    fn open(settings: ProcessSettings) -> Result<Self, OpenError> {
        if settings.page_bytes == 0 {
            return Err(OpenError::Settings("page_bytes: expected at least 1, found 0".into()));
        }
        let groups = Group::all(settings.groups).map_err(OpenError::Settings)?;
        let before = if groups.is_empty() { None } else { host::load_state() };
        Ok(Self {
            proc: settings.proc,
            groups,
            page_bytes: settings.page_bytes,
            stat: Buffer::new(STAT_BYTES),
            command: Buffer::new(COMMAND_BYTES),
            before: before.and_then(|bytes| ProcReading::restore(&bytes)),
            gaps: Gaps::default(),
        })
    }

    fn collect(&mut self, run: Run) -> Result<Vec<Sample>, CollectError> {
        let scan = self.scan(run.timestamp_ms)?;
        let mut values = Vec::with_capacity(7 + 5 * self.groups.len());
        scan.totals.push(&mut values);
        if self.groups.is_empty() {
            return self.gaps.finish(values);
        }
        let uptime_s = self.uptime_s();
        let elapsed_s = self.before.as_ref().map(|before| (run.timestamp_ms - before.at_ms) as f64 / 1000.0);
        let elapsed_s = elapsed_s.filter(|seconds| *seconds > 0.0);
        for (group, tally) in self.groups.iter().zip(&scan.tallies) {
            group.push(tally, self.page_bytes, uptime_s, elapsed_s, &mut values);
        }
        if host::save_state(&scan.reading.save()).is_err() {
            host::log(host::Level::Debug, "too many processes to keep the reading for a successor");
        }
        self.before = Some(scan.reading);
        self.gaps.finish(values)
    }
}

saker_sdk::export_collector!(Processes);

impl Processes {
    fn scan(&mut self, at_ms: i64) -> Result<Scan, CollectError> {
        let listing = std::fs::read_dir(&self.proc).map_err(|error| CollectError::from_io(&self.proc, &error))?;
        let tallies = vec![GroupTally::default(); self.groups.len()];
        let mut scan = Scan { totals: ProcessTotals::default(), tallies, reading: ProcReading::new(at_ms) };
        let mut path = String::with_capacity(self.proc.len() + 20);
        for entry in listing {
            let entry = match entry {
                Ok(entry) => entry,
                // A listing that breaks off has brought what it has brought.
                Err(error) => {
                    let error = CollectError::from_io(&self.proc, &error);
                    self.gaps.lacks::<()>(&self.proc, error, true);
                    break;
                }
            };
            if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                self.look_at(pid, &mut path, &mut scan)?;
            }
        }
        if scan.totals.processes == 0 {
            self.gaps.finish(Vec::new())?;
            return Err(CollectError::Unavailable(format!("{}: no process can be read there", self.proc)));
        }
        scan.reading.sort();
        Ok(scan)
    }

    fn look_at(&mut self, pid: u32, path: &mut String, scan: &mut Scan) -> Result<(), CollectError> {
        set_path(path, &self.proc, pid, "stat");
        let Some(line) = self.stat.read(path, b'\n') else { return Ok(()) };
        if line.is_empty() {
            return Ok(());
        }
        let Some(process) = Process::parse(line) else {
            // Processes come and go: all of them are one thing that is told once.
            let place = &mut self.gaps.of(&self.proc);
            place.odd("a process", "columns", &String::from_utf8_lossy(line));
            return Ok(());
        };
        scan.totals.add(&process);
        if process.is_dead() {
            return Ok(());
        }
        let ticks = self.before.as_ref().and_then(|before| before.ticks_since(pid, process.start, process.ticks));
        // The command line is a second file, read only where the name leaves the question open.
        let asked = !process.kernel && self.groups.iter().any(|group| group.wants_command(process.name));
        let command = if asked {
            set_path(path, &self.proc, pid, "cmdline");
            command_line(&mut self.command, path)?
        } else {
            Cow::Borrowed("")
        };
        let mut chosen = false;
        for (group, tally) in self.groups.iter().zip(&mut scan.tallies) {
            if group.fits(process.name, &command) {
                tally.add(&process, ticks);
                chosen = true;
            }
        }
        if chosen {
            scan.reading.add(pid, process.start, process.ticks);
        }
        Ok(())
    }

    fn uptime_s(&mut self) -> Option<f64> {
        let bytes = self.stat.read(&format!("{}/uptime", self.proc), b'\n')?;
        let first = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace().next()?;
        text::number(first, "uptime").ok().filter(|seconds| (0.0..UPTIME_END).contains(seconds))
    }
}

fn set_path(path: &mut String, proc: &str, pid: u32, file: &str) {
    path.clear();
    // Writing to a string does not fail.
    let _ = write!(path, "{proc}/{pid}/{file}");
}

/// The words of a command line with spaces between them; empty if its process has ended.
fn command_line<'a>(buffer: &'a mut Buffer, path: &str) -> Result<Cow<'a, str>, CollectError> {
    match buffer.try_read(path, 0) {
        Ok(bytes) => {
            for byte in bytes.iter_mut().filter(|byte| **byte == 0) {
                *byte = b' ';
            }
            Ok(String::from_utf8_lossy(bytes))
        }
        // Its other files could be read: what is missing is the grant, and a group would be empty for want of it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(CollectError::from_io(path, &error)),
        Err(_) => Ok(Cow::Borrowed("")),
    }
}

#[cfg(test)]
mod tests;
