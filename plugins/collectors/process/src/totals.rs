//! All processes by state, and all threads.

use saker_sdk::prelude::*;

use crate::stat::Process;

/// Counts over all processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessTotals {
    pub(crate) processes: u64,
    threads: u64,
    running: u64,
    sleeping: u64,
    blocked: u64,
    zombie: u64,
    stopped: u64,
}

impl ProcessTotals {
    pub(crate) fn add(&mut self, process: &Process) {
        self.processes += 1;
        self.threads += process.threads;
        match process.state {
            b'R' => self.running += 1,
            // Kernel threads that wait for work are idle or parked.
            b'S' | b'I' | b'P' => self.sleeping += 1,
            b'D' => self.blocked += 1,
            b'Z' => self.zombie += 1,
            b'T' | b't' => self.stopped += 1,
            // Dead or in between, gone at the next look.
            _ => {}
        }
    }

    pub(crate) fn push(&self, values: &mut Vec<Sample>) {
        let metrics = [
            ("proc.total", self.processes),
            ("proc.running", self.running),
            ("proc.sleeping", self.sleeping),
            ("proc.blocked", self.blocked),
            ("proc.zombie", self.zombie),
            ("proc.stopped", self.stopped),
            ("proc.threads.total", self.threads),
        ];
        values.extend(metrics.map(|(metric, count)| Sample::gauge(metric, count as f64)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_place() {
        let mut totals = ProcessTotals::default();
        for state in *b"RSSIPDDDZTtXW" {
            let process = Process { name: b"x", state, kernel: false, ticks: 0, threads: 2, start: 0, pages: 0 };
            totals.add(&process);
        }
        let expected =
            ProcessTotals { processes: 13, threads: 26, running: 1, sleeping: 4, blocked: 3, zombie: 1, stopped: 2 };
        assert_eq!(totals, expected);
    }
}
