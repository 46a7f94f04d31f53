//! The `cpu` collector: where the processors' time went, from `/proc/stat`. README.md lists the metrics.

mod stat;

use saker_sdk::gaps::Gaps;
use saker_sdk::prelude::*;
use saker_sdk::round;

use crate::stat::{CpuTimes, IDLE, MODES, Stat, TICKS_PER_SECOND};

saker_sdk::settings! {
    /// Settings of the `cpu` collector.
    pub struct CpuSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// Whether to report every core.
        pub per_core: bool = true,
    }
}

/// The collector, with the reading of the run before.
pub struct Cpu {
    file: KeptFile,
    per_core: bool,
    before: Option<Stat>,
    gaps: Gaps,
}

impl Collector for Cpu {
    type Settings = CpuSettings;

    fn describe() -> Description {
        Description::new("cpu", env!("CARGO_PKG_VERSION"), "Processor time of the host, in all and per core")
            .requests(read("/proc"), "the figures are in /proc/stat")
    }

    fn open(settings: CpuSettings) -> Result<Self, OpenError> {
        Ok(Self {
            file: KeptFile::new(format!("{}/stat", settings.proc)),
            per_core: settings.per_core,
            before: host::load_state().and_then(|bytes| Stat::restore(&bytes)),
            gaps: Gaps::default(),
        })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let text = self.file.read()?;
        let now = Stat::parse(&text, &mut self.gaps.of(self.file.path()));
        let values = values(&now, self.before.as_ref(), self.per_core);
        if host::save_state(&now.save()).is_err() {
            host::log(host::Level::Debug, "too many cores to keep the reading for a successor");
        }
        self.before = Some(now);
        self.gaps.finish(values)
    }
}

saker_sdk::export_collector!(Cpu);

/// The values of a reading and of its difference to the one before.
fn values(now: &Stat, before: Option<&Stat>, per_core: bool) -> Vec<Sample> {
    let mut values = Vec::with_capacity(24 + 10 * now.cores.len());
    for (mode, ticks) in now.total.iter().flat_map(|total| MODES.iter().zip(total.0)) {
        values.push(Sample::counter(&format!("cpu.time.{mode}"), ticks as f64 / TICKS_PER_SECOND));
    }
    values.extend(now.switches.map(|switches| Sample::counter("cpu.switches", switches as f64)));
    if now.online > 0 {
        values.push(Sample::gauge("cpu.cores", now.online as f64));
    }
    let Some(before) = before else { return values };
    if let Some((total, then)) = now.total.zip(before.total) {
        push_shares(&mut values, "cpu", None, &total, &then);
    }
    if per_core {
        for (core, times) in &now.cores {
            // A core that has come online since has no time to compare with.
            if let Some((_, then)) = before.cores.iter().find(|(number, _)| number == core) {
                push_shares(&mut values, "cpu.core", Some(*core), times, then);
            }
        }
    }
    values
}

fn push_shares(values: &mut Vec<Sample>, prefix: &str, core: Option<u32>, now: &CpuTimes, before: &CpuTimes) {
    let Some(shares) = now.percent_since(before) else { return };
    let core = core.map(|number| number.to_string());
    let mut push = |mode: &str, percent: f64| {
        let value = Sample::gauge(&format!("{prefix}.{mode}"), round::percent(percent));
        values.push(match &core {
            Some(core) => value.tag("core", core),
            None => value,
        });
    };
    for (mode, percent) in MODES.iter().zip(shares) {
        push(mode, percent);
    }
    push("busy", 100.0 - shares[IDLE]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &str) -> Cpu {
        Cpu::open(CpuSettings { proc: directory.into(), per_core: true }).unwrap()
    }

    fn collect(cpu: &mut Cpu) -> Vec<Sample> {
        cpu.collect(Run { timestamp_ms: 0, interval_ms: 10_000 }).unwrap()
    }

    fn find(values: &[Sample], metric: &str, core: Option<&str>) -> f64 {
        let tags: Vec<_> = core.iter().map(|core| ("core".to_owned(), (*core).to_owned())).collect();
        let found: Vec<_> = values.iter().filter(|value| value.metric == metric && value.tags == tags).collect();
        assert_eq!(found.len(), 1, "{metric} {core:?}");
        found[0].value
    }

    #[test]
    fn the_first_run_brings_counters_and_the_second_gauges() {
        saker_sdk::testing::clear_state();
        let mut cpu = open("../../../tests/fixtures/proc");
        let first = collect(&mut cpu);
        assert_eq!(find(&first, "cpu.time.user", None), 101_321.53);
        assert_eq!(find(&first, "cpu.switches", None), 1_990_473_112.0);
        assert!(first.iter().all(|value| value.metric != "cpu.idle"));

        let before = cpu.before.as_mut().unwrap();
        let total = before.total.as_mut().unwrap();
        total.0[0] -= 30;
        total.0[IDLE] -= 70;
        before.cores[1].1.0[IDLE] -= 10;
        let second = collect(&mut cpu);
        assert_eq!(find(&second, "cpu.user", None), 30.0);
        assert_eq!(find(&second, "cpu.busy", None), 30.0);
        assert_eq!(find(&second, "cpu.core.idle", Some("3")), 100.0);
    }

    #[test]
    fn a_successor_goes_on_from_the_saved_reading() {
        saker_sdk::testing::clear_state();
        let mut first = open("../../../tests/fixtures/proc");
        collect(&mut first);
        let reading = first.before.clone().map(|stat| (stat.total, stat.cores));
        let second = open("../../../tests/fixtures/proc");
        assert_eq!(second.before.map(|stat| (stat.total, stat.cores)), reading);
    }

    #[test]
    fn a_line_that_is_changed_costs_at_most_what_is_made_of_it() {
        let text = std::fs::read_to_string("../../../tests/fixtures/proc/stat").unwrap();
        let parse = |text: &str| Stat::parse(text, &mut Gaps::default().of("stat"));
        let mut before = parse(&text);
        let times = before.total.iter_mut().chain(before.cores.iter_mut().map(|(_, times)| times));
        times.for_each(|times| times.0[IDLE] -= 100);
        let sound = values(&parse(&text), Some(&before), true);
        saker_sdk::testing::each_line_changed(&text, |changed, line| {
            let name = line.split(' ').next().unwrap();
            saker_sdk::testing::same_but(&sound, &values(&parse(changed), Some(&before), true), |value| {
                match value.metric.as_str() {
                    "cpu.switches" => name == "ctxt",
                    "cpu.cores" => name.starts_with("cpu") && name != "cpu",
                    metric if metric.starts_with("cpu.core.") => name.strip_prefix("cpu") == Some(&value.tags[0].1),
                    _ => name == "cpu",
                }
            });
        });
    }

    #[test]
    fn a_missing_file_is_named() {
        let mut cpu = open("/nowhere");
        let error = cpu.collect(Run { timestamp_ms: 0, interval_ms: 1000 }).unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/stat: ")));
    }
}
