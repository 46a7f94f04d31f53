//! What an instance may use, and the meter that holds it to its memory.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::ctx::handles;
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
    pub max_memory_bytes: usize,
    /// Elements of all tables together.
    pub max_table_elements: usize,
    /// Core instances, memories and tables, of each as many.
    pub max_core_instances: usize,
    /// Bytes that one call may hand to the host, its answer included.
    pub max_result_bytes: usize,
    /// Metric values of one answer.
    pub max_result_samples: usize,
    /// Series that one answer may bring which the agent does not know yet.
    pub max_new_series: usize,
    /// Series that a collector may have in all.
    pub max_series: usize,
    /// Processor time of all calls over a minute, in percent of one core. What a backend needs to deliver points is free.
    pub max_cpu_percent: u32,
    /// How long each call may take.
    pub deadlines: Deadlines,
    /// Log lines a second, over time; a burst may be four times as long.
    pub max_log_lines_per_s: u32,
    /// Bytes of one log line; the rest is cut.
    pub max_log_line_bytes: usize,
    /// Bytes of saved state.
    pub max_state_bytes: usize,
    /// Bytes of all files in the folder of its own.
    pub max_data_dir_bytes: usize,
    /// Bytes that are compressed at once.
    pub max_compress_bytes: usize,
    /// Files and directories that are open at the same time, granted ones included.
    pub max_open_files: usize,
    /// Connections at the same time: HTTP requests, and again as many sockets of its own.
    pub max_connections: usize,
    /// Bytes of one HTTP response's body.
    pub max_response_bytes: usize,
    /// Names of the plugin's own metrics.
    pub max_custom_metrics: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_memory_bytes: 64 << 20,
            max_table_elements: 100_000,
            max_core_instances: 200,
            max_result_bytes: 8 << 20,
            max_result_samples: 20_000,
            max_new_series: 5_000,
            max_series: 50_000,
            max_cpu_percent: 50,
            deadlines: Deadlines::default(),
            max_log_lines_per_s: 50,
            max_log_line_bytes: 1024,
            max_state_bytes: 64 << 10,
            max_data_dir_bytes: 64 << 20,
            max_compress_bytes: 4 << 20,
            max_open_files: 100,
            max_connections: 4,
            max_response_bytes: 8 << 20,
            max_custom_metrics: 100,
        }
    }
}

impl Limits {
    /// Each limit that is a number, by its key in the configuration, in bytes, seconds or pieces.
    #[must_use]
    pub fn custom_metrics(&self) -> [(&'static str, f64); 24] {
        let Deadlines { open, collect, map, write, close } = self.deadlines;
        [
            ("max_memory_bytes", self.max_memory_bytes as f64),
            ("max_table_elements", self.max_table_elements as f64),
            ("max_core_instances", self.max_core_instances as f64),
            ("stack_bytes", GUEST_STACK_BYTES as f64),
            ("max_result_bytes", self.max_result_bytes as f64),
            ("max_result_samples", self.max_result_samples as f64),
            ("max_new_series", self.max_new_series as f64),
            ("max_series", self.max_series as f64),
            ("max_cpu_percent", f64::from(self.max_cpu_percent)),
            ("max_log_lines_per_s", f64::from(self.max_log_lines_per_s)),
            ("max_log_line_bytes", self.max_log_line_bytes as f64),
            ("max_state_bytes", self.max_state_bytes as f64),
            ("max_data_dir_bytes", self.max_data_dir_bytes as f64),
            ("max_compress_bytes", self.max_compress_bytes as f64),
            ("max_open_files", self.max_open_files as f64),
            ("handles", handles(self) as f64),
            ("max_connections", self.max_connections as f64),
            ("max_response_bytes", self.max_response_bytes as f64),
            ("max_custom_metrics", self.max_custom_metrics as f64),
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
pub(crate) struct MemoryMeter {
    memory_limit: usize,
    table_limit: usize,
    items_limit: usize,
    memory: usize,
    table: usize,
}

impl MemoryMeter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.max_memory_bytes,
            table_limit: limits.max_table_elements,
            items_limit: limits.max_core_instances,
            memory: 0,
            table: 0,
        }
    }

    /// Bytes of linear memory now.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let memory = self.memory.saturating_add(desired.saturating_sub(current));
        if memory > self.memory_limit {
            // An error ends the call here and now, with its reason. Rejecting quietly would make the guest's allocator
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
        let mut meter = MemoryMeter::new(&Limits { max_memory_bytes: 100, ..Limits::default() });
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 30, None).unwrap());
        let error = meter.memory_growing(30, 41, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Memory { limit: 100 }));
        assert_eq!(meter.memory_bytes(), 90);
    }

    #[test]
    fn tables_count_together() {
        let mut meter = MemoryMeter::new(&Limits { max_table_elements: 10, ..Limits::default() });
        assert!(meter.table_growing(0, 6, None).unwrap());
        let error = meter.table_growing(0, 5, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exceeded::Table { limit: 10 }));
    }
}
