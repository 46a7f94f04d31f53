//! A store on a simulated disk that dies and comes back.

#![allow(dead_code, reason = "each test uses some of it")]

use std::sync::Arc;

use saker_journal::SimDisk;
use saker_model::{MetricType, Series};
use saker_store::{Budget, Maintained, ReadColumns, Store, StoreConfig, StoredSeries, Surroundings, TimeRange};

pub(crate) fn series(metric: &str, number: u32, metric_type: MetricType, step_s: u32) -> Series {
    Series {
        endpoint: "host-1".into(),
        metric: metric.into(),
        tags: [("n".into(), number.to_string().into())].into(),
        metric_type,
        step_s,
    }
}

pub(crate) struct Harness {
    pub(crate) disk: SimDisk,
    pub(crate) config: StoreConfig,
    store: Option<Arc<Store>>,
    pub(crate) uptime_ms: i64,
}

impl Harness {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, StoreConfig::default())
    }

    pub(crate) fn with(seed: u64, config: StoreConfig) -> Self {
        let mut harness = Self { disk: SimDisk::new(seed), config, store: None, uptime_ms: 0 };
        harness.open();
        harness
    }

    fn open(&mut self) {
        let (store, opened) = Store::open(&*self.disk.root(), self.config.clone(), 0).expect("it opens");
        assert_eq!(opened.set_aside, Vec::<String>::new());
        self.store = Some(Arc::new(store));
    }

    pub(crate) fn store(&self) -> Arc<Store> {
        self.store.clone().expect("it is open")
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        self.store = None;
        self.disk = self.disk.copy();
        self.open();
    }

    pub(crate) fn cut_power(&mut self) {
        self.disk = self.disk.power_cut();
        self.store = None;
        self.open();
    }

    /// Ends the process in order.
    pub(crate) fn restart(&mut self) {
        self.store().flush().expect("it flushes");
        self.store = None;
        self.disk = self.disk.power_cut();
        self.open();
    }

    pub(crate) fn maintain(&mut self, now_ms: i64) -> Maintained {
        self.uptime_ms += 61_000;
        let uptime_ms = self.uptime_ms;
        self.store().maintain(Surroundings { now_ms, uptime_ms, ..Surroundings::default() }).expect("it maintains")
    }

    /// All raw points of a series that [`series`] made.
    pub(crate) fn raw(&self, metric: &str, number: u32) -> Vec<(i64, f64)> {
        let series = StoredSeries::of(&series(metric, number, MetricType::Gauge, 10)).expect("a good name");
        read_raw(&self.store(), &series)
    }
}

pub(crate) fn read_raw(store: &Store, series: &StoredSeries) -> Vec<(i64, f64)> {
    let mut points = Vec::new();
    let all = TimeRange { start_ms: 0, end_ms: i64::MAX - 1 };
    store
        .read(std::slice::from_ref(series), all, &ReadColumns::raw(), &Budget::unlimited(), &mut |chunk| {
            points.extend(chunk.timestamps.iter().copied().zip(chunk.columns[0].iter().copied()));
        })
        .expect("readable");
    points
}
