//! What is measured of the process itself.

use std::fmt;
use std::time::Instant;

use crate::{Labels, Metrics, Out, one};

/// The metrics of this process.
pub struct ProcessMetrics {
    started: Instant,
    versions: Labels,
}

impl ProcessMetrics {
    /// Those of a process that has started then, and is made of these versions.
    #[must_use]
    pub fn new(started: Instant, versions: Labels) -> Self {
        Self { started, versions }
    }
}

impl Metrics for ProcessMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let versions = vec![(self.versions.clone(), 1.0)];
        out.gauge("saker_build_info", "Versions of the agent and of wasmtime", versions)?;
        out.gauge("saker_uptime_seconds", "Time since the start", one(self.started.elapsed().as_secs_f64()))?;
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        out.counter("process_cpu_seconds", "Processor time of the agent, plugins included", one(cpu))?;
        let resident = resident_bytes().unwrap_or(0);
        out.gauge("process_resident_memory_bytes", "Memory of the agent, plugins included", one(resident as f64))
    }
}

/// Resident memory of this process: the second column of `/proc/self/statm`, in pages.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
