//! A program that runs, and what `/proc` says of it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// Nobody takes longer to end.
const END_MAX: Duration = Duration::from_secs(120);

/// Ended with this value, at the latest.
pub(crate) struct Process(Child);

impl Process {
    #[expect(clippy::disallowed_methods, reason = "a benchmark starts the programs that it compares")]
    pub(crate) fn start(program: &Path, arguments: &[String], dir: &Path) -> Result<Self> {
        let log = std::fs::File::create(dir.join("log"))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}; on Debian: apt-get install victoria-metrics", program.display()))?;
        Ok(Self(child))
    }

    /// Its processor time: of all its threads, in user and system mode.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // Fields 14 and 15, counted from behind the name, which may hold anything.
        let fields = stat.rsplit_once(')').ok_or("no name in stat")?.1;
        let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// The most memory that it had.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn end(&mut self) -> Result<()> {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::TERM)?;
        let end = Instant::now() + END_MAX;
        while self.0.try_wait()?.is_none() {
            if Instant::now() > end {
                return Err(format!("a program did not end within {END_MAX:?}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    fn read(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(format!("/proc/{}/{name}", self.0.id()))?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
