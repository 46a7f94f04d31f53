//! The series of a group, by the handles that they were defined under, and where its values go.

use saker_sdk::{Columns, MetricType, Sample, SeriesId};

use crate::devices::Devices;
use crate::metrics::{COUNT, Id, METRICS};

/// The tag that names the group, which the backends in cAdvisor's shape look for.
pub(crate) const CONTAINER: &str = "container";
/// Series of a group beside those that it has one of each of: devices, interfaces, processors. What comes beyond is left
/// out; a machine with so many disks that they are all used by one group is yet to be seen.
const TAGGED_MAX: usize = 512;
/// No series.
const NONE: SeriesId = SeriesId::MAX;

/// Metrics that a group has a value of for each device, interface and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    PerCpu,
    IoBytes,
    IoServiced,
    IoCost,
    HugeUsage,
    HugeMax,
    HugeFailcnt,
    NumaOwn,
    NumaAll,
    RxBytes,
    RxPackets,
    RxErrors,
    RxDropped,
    TxBytes,
    TxPackets,
    TxErrors,
    TxDropped,
    Tcp,
    Tcp6,
}

impl Of {
    /// Name, type, and the keys of the tags for the first and for the second part.
    fn describe(self) -> (&'static str, MetricType, &'static str, &'static str) {
        use MetricType::{Counter, Gauge};
        match self {
            Self::PerCpu => ("cpu_usage_per_cpu", Counter, "instance", ""),
            Self::IoBytes => ("io_service_bytes", Counter, "device", "operation"),
            Self::IoServiced => ("io_serviced", Counter, "device", "operation"),
            Self::IoCost => ("io_cost", Counter, "device", "kind"),
            Self::HugeUsage => ("hugetlb_usage", Gauge, "page_size", ""),
            Self::HugeMax => ("hugetlb_max_usage", Gauge, "page_size", ""),
            Self::HugeFailcnt => ("hugetlb_failcnt", Counter, "page_size", ""),
            Self::NumaOwn => ("memory_numa_pages_own", Gauge, "node", "type"),
            Self::NumaAll => ("memory_numa_pages", Gauge, "node", "type"),
            Self::RxBytes => ("network_rx_bytes", Counter, "interface", ""),
            Self::RxPackets => ("network_rx_packets", Counter, "interface", ""),
            Self::RxErrors => ("network_rx_errors", Counter, "interface", ""),
            Self::RxDropped => ("network_rx_dropped", Counter, "interface", ""),
            Self::TxBytes => ("network_tx_bytes", Counter, "interface", ""),
            Self::TxPackets => ("network_tx_packets", Counter, "interface", ""),
            Self::TxErrors => ("network_tx_errors", Counter, "interface", ""),
            Self::TxDropped => ("network_tx_dropped", Counter, "interface", ""),
            Self::Tcp => ("network_tcp", Gauge, "state", ""),
            Self::Tcp6 => ("network_tcp6", Gauge, "state", ""),
        }
    }

    fn is_of_device(self) -> bool {
        matches!(self, Self::IoBytes | Self::IoServiced | Self::IoCost)
    }
}

/// The handles of a group.
#[derive(Debug)]
pub(crate) struct Series {
    one: Box<[SeriesId; COUNT]>,
    tagged: Vec<(Of, Box<str>, &'static str, SeriesId)>,
    /// Where the next one probably is: files tell things in the same order each time.
    next: usize,
    /// What the group is, and under which handle that was said.
    pub(crate) info: Option<SeriesId>,
}

/// Where the values of a group go.
pub(crate) struct Out<'a> {
    pub(crate) columns: &'a mut Columns,
    pub(crate) series: &'a mut Series,
    /// The group.
    pub(crate) container: &'a str,
    pub(crate) devices: &'a Devices,
    pub(crate) step_s: u32,
    /// What was pushed of the group; NaN where nothing was.
    pub(crate) values: &'a mut [f64; COUNT],
    /// A process of the group.
    pub(crate) process: Option<u32>,
    /// Whether values are only noted, for when the group will have gone.
    pub(crate) is_quiet: bool,
    /// Whether there was no room for a series.
    pub(crate) is_full: bool,
}

impl Default for Series {
    fn default() -> Self {
        Self { one: Box::new([NONE; COUNT]), tagged: Vec::new(), next: 0, info: None }
    }
}

impl Series {
    /// Takes all handles back.
    pub(crate) fn forget(self, columns: &mut Columns) {
        let one = self.one.iter().copied().filter(|id| *id != NONE);
        let tagged = self.tagged.iter().map(|(.., id)| *id);
        one.chain(tagged).chain(self.info).for_each(|id| columns.forget(id));
    }
}

impl Out<'_> {
    /// A value of a metric, by its place in the table.
    pub(crate) fn push(&mut self, place: usize, value: f64) {
        self.values[place] = value;
        if !self.is_quiet {
            let id = self.one(place);
            self.columns.push(id, value);
        }
    }

    /// A value of before.
    pub(crate) fn push_at(&mut self, id: Id, value: f64, timestamp_ms: i64) {
        let id = self.one(id as usize);
        self.columns.push_at(id, value, timestamp_ms);
    }

    /// What was pushed of a metric.
    pub(crate) fn value(&self, id: Id) -> Option<f64> {
        Some(self.values[id as usize]).filter(|value| !value.is_nan())
    }

    fn one(&mut self, place: usize) -> SeriesId {
        if self.series.one[place] == NONE {
            let metric = &METRICS[place];
            let tags = metric.tags.iter().map(|(key, value)| (*key, *value));
            let series = series(metric.name, metric.metric_type, self.container, self.step_s, tags);
            self.series.one[place] = self.columns.define(series);
        }
        self.series.one[place]
    }

    /// A value of a metric for one device, interface or the like.
    pub(crate) fn push_of(&mut self, of: Of, first: &str, second: &'static str, value: f64) {
        if self.is_quiet {
            return;
        }
        let same =
            |known: &(Of, Box<str>, &'static str, SeriesId)| known.0 == of && known.2 == second && *known.1 == *first;
        let tagged = &self.series.tagged;
        let expected = self.series.next;
        let place = match tagged.get(expected) {
            Some(known) if same(known) => Some(expected),
            _ => tagged.iter().position(same),
        };
        let place = match place {
            Some(place) => place,
            None if tagged.len() == TAGGED_MAX => {
                self.is_full = true;
                return;
            }
            None => {
                let id = self.columns.define(self.tagged(of, first, second));
                self.series.tagged.push((of, first.into(), second, id));
                self.series.tagged.len() - 1
            }
        };
        self.series.next = place + 1;
        self.columns.push(self.series.tagged[place].3, value);
    }

    fn tagged(&self, of: Of, first: &str, second: &'static str) -> Sample {
        let (name, metric_type, first_key, second_key) = of.describe();
        let mut tags = Vec::with_capacity(4);
        if of.is_of_device() {
            // A device is told by its numbers; what it is called is for people.
            let (major, minor) = first.split_once(':').unwrap_or((first, ""));
            tags.extend([("major", major), ("minor", minor)]);
            tags.extend(self.devices.name(first).map(|name| (first_key, name)));
        } else {
            tags.push((first_key, first));
        }
        if !second.is_empty() {
            tags.push((second_key, second));
        }
        series(name, metric_type, self.container, self.step_s, tags.into_iter())
    }
}

fn series<'t>(
    name: &str,
    metric_type: MetricType,
    container: &str,
    step_s: u32,
    tags: impl Iterator<Item = (&'t str, &'t str)>,
) -> Sample {
    let mut series = Sample::new(name, metric_type, 0.0).tag(CONTAINER, container);
    series.tags.extend(tags.map(|(key, value)| (key.to_owned(), saker_sdk::text::tag_value(value))));
    series.step_s = Some(step_s);
    series
}
