//! Which metrics the first view shows. What it makes of them is in `page/src/now`.

/// In order, to be searched.
const VITALS: &[&str] = &[
    "cpu.busy",
    "cpu.cores",
    "cpu.idle",
    "cpu.iowait",
    "cpu.irq",
    "cpu.nice",
    "cpu.softirq",
    "cpu.steal",
    "cpu.system",
    "cpu.user",
    "df.bytes.free",
    "df.bytes.total",
    "df.bytes.used.percent",
    "disk.io.await",
    "disk.io.read_bytes",
    "disk.io.util",
    "disk.io.write_bytes",
    "kernel.uptime",
    "kernel.vm.oom_kill",
    "load.1min",
    "load.5min",
    "mem.anon",
    "mem.buffers",
    "mem.cached",
    "mem.memfree",
    "mem.memtotal",
    "mem.memused.percent",
    "mem.shmem",
    "mem.swaptotal",
    "mem.swapused",
    "mem.unused",
    "net.if.in.bytes",
    "net.if.out.bytes",
    "pressure.cpu.some.avg10",
    "pressure.io.some.avg10",
    "pressure.memory.some.avg10",
    "proc.blocked",
    "proc.cpu.percent",
    "proc.mem.rss",
    "proc.running",
    "proc.total",
];

/// Whether the first view shows a metric.
pub(crate) fn is_vital(metric: &str) -> bool {
    VITALS.binary_search(&metric).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vitals_are_in_the_order_that_they_are_searched_in() {
        assert!(VITALS.is_sorted());
        assert!(is_vital("cpu.busy") && is_vital("proc.total") && !is_vital("cpu.core.busy"));
    }
}
