//! What is measured of a group: names, tags and types. Names are those of cAdvisor's InfluxDB driver where it has one,
//! which the backends in its shape look for; the others are made in its manner.

use saker_sdk::MetricType;

/// A metric, and the tags that it always has.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) metric_type: MetricType,
    pub(crate) tags: &'static [(&'static str, &'static str)],
}

macro_rules! metrics {
    ($($id:ident $type:ident $name:literal $([$($key:literal = $value:literal),*])?;)*) => {
        /// The place of each in [`METRICS`].
        #[allow(dead_code, reason = "some are reached by their place behind another")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Id { $($id),* }

        /// All that a group has one value of.
        pub(crate) const METRICS: &[Metric] = &[
            $(Metric { name: $name, metric_type: MetricType::$type, tags: &[$($(($key, $value)),*)?] }),*
        ];
    };
}

metrics! {
    CpuTotal Counter "cpu_usage_total";
    CpuUser Counter "cpu_usage_user";
    CpuSystem Counter "cpu_usage_system";
    Periods Counter "cpu_cfs_periods";
    Throttled Counter "cpu_cfs_throttled_periods";
    ThrottledTime Counter "cpu_cfs_throttled_time";
    Bursts Counter "cpu_cfs_bursts_periods";
    BurstTime Counter "cpu_cfs_burst_time";
    MemoryUsage Gauge "memory_usage";
    MemoryMax Gauge "memory_max_usage";
    MemoryCache Gauge "memory_cache";
    MemoryRss Gauge "memory_rss";
    MemorySwap Gauge "memory_swap";
    MemoryMapped Gauge "memory_mapped_file";
    MemoryWorking Gauge "memory_working_set";
    MemoryActive Gauge "memory_total_active_file";
    MemoryInactive Gauge "memory_total_inactive_file";
    MemoryFailcnt Counter "memory_failcnt";
    MemoryKernel Gauge "memory_kernel";
    MemoryDirty Gauge "memory_file_dirty";
    MemoryWriteback Gauge "memory_file_writeback";
    Pgscan Counter "memory_pgscan";
    Pgsteal Counter "memory_pgsteal";
    RefaultFile Counter "memory_workingset_refault_file";
    RefaultAnon Counter "memory_workingset_refault_anon";
    EventsHigh Counter "memory_events_high";
    EventsMax Counter "memory_events_max";
    OwnFaults Counter "memory_failure" ["failure_type" = "pgfault", "scope" = "container"];
    OwnMajor Counter "memory_failure" ["failure_type" = "pgmajfault", "scope" = "container"];
    AllFaults Counter "memory_failure" ["failure_type" = "pgfault", "scope" = "hierarchical"];
    AllMajor Counter "memory_failure" ["failure_type" = "pgmajfault", "scope" = "hierarchical"];
    OomEvents Counter "oom_events";
    Processes Gauge "processes";
    Threads Gauge "threads";
    CpuSome Counter "psi_cpu_total" ["kind" = "some"];
    CpuSome10 Gauge "psi_cpu_avg10" ["kind" = "some"];
    CpuSome60 Gauge "psi_cpu_avg60" ["kind" = "some"];
    CpuSome300 Gauge "psi_cpu_avg300" ["kind" = "some"];
    CpuFull Counter "psi_cpu_total" ["kind" = "full"];
    CpuFull10 Gauge "psi_cpu_avg10" ["kind" = "full"];
    CpuFull60 Gauge "psi_cpu_avg60" ["kind" = "full"];
    CpuFull300 Gauge "psi_cpu_avg300" ["kind" = "full"];
    MemorySome Counter "psi_memory_total" ["kind" = "some"];
    MemorySome10 Gauge "psi_memory_avg10" ["kind" = "some"];
    MemorySome60 Gauge "psi_memory_avg60" ["kind" = "some"];
    MemorySome300 Gauge "psi_memory_avg300" ["kind" = "some"];
    MemoryFull Counter "psi_memory_total" ["kind" = "full"];
    MemoryFull10 Gauge "psi_memory_avg10" ["kind" = "full"];
    MemoryFull60 Gauge "psi_memory_avg60" ["kind" = "full"];
    MemoryFull300 Gauge "psi_memory_avg300" ["kind" = "full"];
    IoSome Counter "psi_io_total" ["kind" = "some"];
    IoSome10 Gauge "psi_io_avg10" ["kind" = "some"];
    IoSome60 Gauge "psi_io_avg60" ["kind" = "some"];
    IoSome300 Gauge "psi_io_avg300" ["kind" = "some"];
    IoFull Counter "psi_io_total" ["kind" = "full"];
    IoFull10 Gauge "psi_io_avg10" ["kind" = "full"];
    IoFull60 Gauge "psi_io_avg60" ["kind" = "full"];
    IoFull300 Gauge "psi_io_avg300" ["kind" = "full"];
    RxBytes Counter "rx_bytes";
    RxErrors Counter "rx_errors";
    TxBytes Counter "tx_bytes";
    TxErrors Counter "tx_errors";
    Sleeping Gauge "tasks_state" ["state" = "sleeping"];
    Running Gauge "tasks_state" ["state" = "running"];
    Stopped Gauge "tasks_state" ["state" = "stopped"];
    Uninterruptible Gauge "tasks_state" ["state" = "uninterruptible"];
    Created Gauge "creation_time_seconds";
    Started Gauge "start_time_seconds";
    Shares Gauge "spec_cpu_shares";
    Quota Gauge "spec_cpu_quota";
    Period Gauge "spec_cpu_period";
    MemoryLimit Gauge "spec_memory_limit";
    Reservation Gauge "spec_memory_reservation_limit";
    SwapLimit Gauge "spec_memory_swap_limit";
    ThreadsMax Gauge "spec_threads_max";
}

/// How many there are.
pub(crate) const COUNT: usize = METRICS.len();

/// The metric `steps` behind another in the table.
pub(crate) fn behind(id: Id, steps: usize) -> usize {
    id as usize + steps
}
