//! The `cpu` collector: where the processors' time went, from `/proc/stat`. README.md lists the metrics.

mod stat;

use saker_sdk::prelude::*;

use crate::stat::{IDLE, MODES, Stat, TICKS_PER_SECOND, Times};

saker_sdk::settings! {
    /// Settings of the `cpu` collector.
    pub struct CpuSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// Whether to report every core.
        pub per_core: bool = true,
    }
}

/// The collector, with the reading of the tick before.
pub struct Cpu {
    path: String,
    per_core: bool,
    before: Option<Stat>,
}

impl Collector for Cpu {
    type Settings = CpuSettings;

    fn describe() -> Description {
        Description::new("cpu", env!("CARGO_PKG_VERSION"), "Processor time of the host, in all and per core")
            .wants(read("/proc"), "the figures are in /proc/stat")
    }

    fn open(settings: CpuSettings) -> Result<Self, OpenError> {
        Ok(Self {
            path: format!("{}/stat", settings.proc),
            per_core: settings.per_core,
            before: host::load_state().and_then(|bytes| Stat::restore(&bytes)),
        })
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let text = text::read(&self.path)?;
        let now = Stat::parse(&text).map_err(|wrong| CollectError::malformed(&self.path, &wrong))?;
        let values = values(&now, self.before.as_ref(), self.per_core);
        if host::save_state(&now.save()).is_err() {
            host::log(host::Level::Debug, "too many cores to keep the reading for a successor");
        }
        self.before = Some(now);
        Ok(values)
    }
}

saker_sdk::export_collector!(Cpu);

/// The values of a reading and of its difference to the one before.
fn values(now: &Stat, before: Option<&Stat>, per_core: bool) -> Vec<MetricValue> {
    let mut values = Vec::with_capacity(24 + 10 * now.cores.len());
    for (mode, ticks) in MODES.iter().zip(now.total.0) {
        values.push(MetricValue::counter(&format!("cpu.time.{mode}"), ticks as f64 / TICKS_PER_SECOND));
    }
    values.push(MetricValue::counter("cpu.switches", now.switches as f64));
    values.push(MetricValue::gauge("cpu.cores", now.cores.len() as f64));
    let Some(before) = before else { return values };
    push_shares(&mut values, "cpu", None, &now.total, &before.total);
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

fn push_shares(values: &mut Vec<MetricValue>, prefix: &str, core: Option<u32>, now: &Times, before: &Times) {
    let Some(shares) = now.percent_since(before) else { return };
    let core = core.map(|number| number.to_string());
    let mut push = |mode: &str, percent: f64| {
        let value = MetricValue::gauge(&format!("{prefix}.{mode}"), percent);
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

    fn collect(cpu: &mut Cpu) -> Vec<MetricValue> {
        cpu.collect(Tick { timestamp_ms: 0, interval_ms: 10_000 }).unwrap()
    }

    fn find(values: &[MetricValue], metric: &str, core: Option<&str>) -> f64 {
        let tags: Vec<_> = core.iter().map(|core| ("core".to_owned(), (*core).to_owned())).collect();
        let found: Vec<_> = values.iter().filter(|value| value.metric == metric && value.tags == tags).collect();
        assert_eq!(found.len(), 1, "{metric} {core:?}");
        found[0].value
    }

    #[test]
    fn the_first_tick_brings_counters_and_the_second_gauges() {
        saker_sdk::testing::clear_state();
        let mut cpu = open("../../../tests/fixtures/proc");
        let first = collect(&mut cpu);
        assert_eq!(find(&first, "cpu.time.user", None), 101_321.53);
        assert_eq!(find(&first, "cpu.switches", None), 1_990_473_112.0);
        assert!(first.iter().all(|value| value.metric != "cpu.idle"));

        let before = cpu.before.as_mut().unwrap();
        before.total.0[0] -= 30;
        before.total.0[IDLE] -= 70;
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
    fn a_missing_file_is_named() {
        let mut cpu = open("/nowhere");
        let error = cpu.collect(Tick { timestamp_ms: 0, interval_ms: 1000 }).unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/stat: ")));
    }
}
