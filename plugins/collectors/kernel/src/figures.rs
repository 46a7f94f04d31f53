//! `/proc/stat` and `/proc/vmstat`, parsed: lines of a name and a number. `man 5 proc_stat` and `proc_vmstat` describe
//! them. The processors' lines of `/proc/stat` belong to the collector `cpu`.

use saker_sdk::gaps::{GapSource, count};
use saker_sdk::{MetricType, Sample};

/// A line that is reported.
pub(crate) struct ReportedLine {
    /// What the line begins with.
    pub(crate) key: &'static str,
    pub(crate) metric: &'static str,
    metric_type: MetricType,
}

/// What is reported of `/proc/stat`.
pub(crate) const STAT: [ReportedLine; 5] = [
    counter("intr", "kernel.interrupts"),
    gauge("btime", "kernel.boottime"),
    counter("processes", "kernel.forks"),
    gauge("procs_running", "kernel.procs.running"),
    gauge("procs_blocked", "kernel.procs.blocked"),
];

/// What is reported of `/proc/vmstat`.
pub(crate) const VMSTAT: [ReportedLine; 5] = [
    counter("pswpin", "kernel.vm.pswpin"),
    counter("pswpout", "kernel.vm.pswpout"),
    counter("pgfault", "kernel.vm.pgfault"),
    counter("pgmajfault", "kernel.vm.pgmajfault"),
    counter("oom_kill", "kernel.vm.oom_kill"),
];

const fn counter(key: &'static str, metric: &'static str) -> ReportedLine {
    ReportedLine { key, metric, metric_type: MetricType::Counter }
}

const fn gauge(key: &'static str, metric: &'static str) -> ReportedLine {
    ReportedLine { key, metric, metric_type: MetricType::Gauge }
}

/// Adds the values of those lines that `wanted` names.
pub(crate) fn push(values: &mut Vec<Sample>, text: &str, wanted: &[ReportedLine], place: &mut GapSource<'_>) {
    for line in text.lines() {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let Some(figure) = wanted.iter().find(|figure| figure.key == key) else { continue };
        // The first number of `intr` is the sum; thousands of others may follow.
        let number = rest.split_ascii_whitespace().next().unwrap_or_default();
        match count(number) {
            Some(value) => values.push(Sample::new(figure.metric, figure.metric_type, value as f64)),
            None => place.odd(key, "a number", number),
        }
    }
}

#[cfg(test)]
mod tests {
    use saker_sdk::gaps::Gaps;
    use saker_sdk::testing;

    use super::*;

    const VMSTAT_TEXT: &str = include_str!("../../../../tests/fixtures/proc/vmstat");

    fn found(text: &str, wanted: &[ReportedLine]) -> Vec<(String, f64)> {
        let mut values = Vec::new();
        push(&mut values, text, wanted, &mut Gaps::default().of("stat"));
        values.into_iter().map(|value| (value.metric, value.value)).collect()
    }

    #[test]
    fn of_a_line_with_many_numbers_the_first_counts() {
        let text = "cpu  1 2 3\nintr 1462898 56 1 0 0\nctxt 5\n";
        assert_eq!(found(text, &STAT), [("kernel.interrupts".to_owned(), 1_462_898.0)]);
    }

    #[test]
    fn names_that_begin_alike_are_kept_apart() {
        let values = found(VMSTAT_TEXT, &VMSTAT);
        assert_eq!(values.len(), VMSTAT.len());
        assert!(values.contains(&("kernel.vm.pgmajfault".into(), 177_534.0)));
    }

    #[test]
    fn lines_that_a_kernel_lacks_are_left_out() {
        assert_eq!(found("pgfault 7\n", &VMSTAT), [("kernel.vm.pgfault".to_owned(), 7.0)]);
        assert_eq!(found("", &STAT), []);
    }

    #[test]
    fn nonsense_is_named_without_the_rest_of_its_line_and_costs_itself() {
        for wrong in ["x 1 2 3", "", " ", "-1", "18446744073709551615 7"] {
            let text = format!("intr {wrong}\nprocs_running 2\n");
            assert_eq!(found(&text, &STAT), [("kernel.procs.running".to_owned(), 2.0)], "{wrong}");
        }
        let told = &testing::logged()[0].1;
        assert_eq!(told, "stat: intr is left out: expected a number, found \"x\"");
    }
}
