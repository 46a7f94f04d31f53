//! What an instance may use, and the meter that holds it to its memory.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::ctx::HANDLES_MAX;
use crate::engine::GUEST_STACK_BYTES;

/// How long each call may take, host calls included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// `describe` and `open`.
    pub open: Duration,
    /// A collector's `collect`.
    pub collect: Duration,
    /// A processor's `map-series`.
    pub map: Duration,
    /// A backend's `define`, `write` and `forget`.
    pub write: Duration,
    /// `close`.
    pub close: Duration,
}

/// What one instance may use. The defaults and their precedents are in docs/limits.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all linear memories together.
    pub memory_bytes: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Core instances, memories and tables, of each as many.
    pub core_instances: usize,
    /// Bytes that one call may hand to the host, its answer included.
    pub answer_bytes: usize,
    /// Metric values of one answer.
    pub answer_records: usize,
    /// Series that one answer may bring which the agent does not know yet.
    pub new_series: usize,
    /// Series that a collector may have in all.
    pub series: usize,
    /// Processor time of all calls over a minute, in percent of one core. What a backend needs to deliver points is free.
    pub cpu_percent: u32,
    /// How long each call may take.
    pub deadlines: Deadlines,
    /// Log lines a second, over time; a burst may be four times as long.
    pub log_lines_per_s: u32,
    /// Bytes of one log line; the rest is cut.
    pub log_line_bytes: usize,
    /// Bytes of saved state.
    pub state_bytes: usize,
    /// Bytes of all files in the folder of its own.
    pub folder_bytes: usize,
    /// Bytes that are compressed at once.
    pub compress_bytes: usize,
    /// Files and directories that are open at the same time, granted ones included.
    pub open_files: usize,
    /// Connections at the same time: HTTP requests, and again as many sockets of its own.
    pub connections: usize,
    /// Bytes of one HTTP response's body.
    pub response_bytes: usize,
    /// Names of the plugin's own metrics.
    pub figures: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_elements: 100_000,
            core_instances: 200,
            answer_bytes: 8 << 20,
            answer_records: 20_000,
            new_series: 5_000,
            series: 50_000,
            cpu_percent: 50,
            deadlines: Deadlines::default(),
            log_lines_per_s: 50,
            log_line_bytes: 1024,
            state_bytes: 64 << 10,
            folder_bytes: 64 << 20,
            compress_bytes: 4 << 20,
            open_files: 100,
            connections: 4,
            response_bytes: 8 << 20,
            figures: 100,
        }
    }
}

impl Limits {
    /// Each limit that is a number, by its key in the configuration, in bytes, seconds or pieces.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, f64); 24] {
        let Deadlines { open, collect, map, write, close } = self.deadlines;
        [
            ("memory_bytes", self.memory_bytes as f64),
            ("table_elements", self.table_elements as f64),
            ("core_instances", self.core_instances as f64),
            ("stack_bytes", GUEST_STACK_BYTES as f64),
            ("answer_bytes", self.answer_bytes as f64),
            ("answer_records", self.answer_records as f64),
            ("new_series", self.new_series as f64),
            ("series", self.series as f64),
            ("cpu_percent", f64::from(self.cpu_percent)),
            ("log_lines_per_s", f64::from(self.log_lines_per_s)),
            ("log_line_bytes", self.log_line_bytes as f64),
            ("state_bytes", self.state_bytes as f64),
            ("folder_bytes", self.folder_bytes as f64),
            ("compress_bytes", self.compress_bytes as f64),
            ("open_files", self.open_files as f64),
            ("handles", HANDLES_MAX as f64),
            ("connections", self.connections as f64),
            ("response_bytes", self.response_bytes as f64),
            ("figures", self.figures as f64),
            ("deadline.open", open.as_secs_f64()),
            ("deadline.collect", collect.as_secs_f64()),
            ("deadline.map", map.as_secs_f64()),
            ("deadline.write", write.as_secs_f64()),
            ("deadline.close", close.as_secs_f64()),
        ]
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(10),
            collect: Duration::from_secs(5),
            map: Duration::from_secs(5),
            write: Duration::from_secs(10),
            close: Duration::from_secs(2),
        }
    }
}

/// A limit that growing ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("memory limit of {limit} bytes")]
    Memory { limit: usize },
    #[error("table limit of {limit} elements")]
    Table { limit: usize },
}

/// Adds up what an instance's memories and tables take, over all of them; wasmtime's own limits are for each.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_limit: usize,
    table_limit: usize,
    items_limit: usize,
    memory: usize,
    table: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            table_limit: limits.table_elements,
            items_limit: limits.core_instances,
            memory: 0,
            table: 0,
        }
    }

    /// Bytes of linear memory now.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let memory = self.memory.saturating_add(desired.saturating_sub(current));
        if memory > self.memory_limit {
            // An error ends the call here and now, with its reason. Refusing quietly would make the guest's allocator
            // abort, which looks like any other trap.
            return Err(Exceeded::Memory { limit: self.memory_limit }.into());
        }
        self.memory = memory;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let table = self.table.saturating_add(desired.saturating_sub(current));
        if table > self.table_limit {
            return Err(Exceeded::Table { limit: self.table_limit }.into());
        }
        self.table = table;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.items_limit
    }

    fn tables(&self) -> usize {
        self.items_limit
    }

    fn memories(&self) -> usize {
        self.items_limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together() {
        let mut meter = Meter::new(&Limits { memory_bytes: 100, ..Limits::default() });
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 30, None).unwrap());
        let error = meter.memory_growing(30, 41, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Memory { limit: 100 }));
        assert_eq!(meter.memory_bytes(), 90);
    }

    #[test]
    fn tables_count_together() {
        let mut meter = Meter::new(&Limits { table_elements: 10, ..Limits::default() });
        assert!(meter.table_growing(0, 6, None).unwrap());
        let error = meter.table_growing(0, 5, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Table { limit: 10 }));
    }
}
