//! The `statsd` backend: gauges and counters in datagrams. README.md has the settings, and what StatsD cannot say.
//!
//! `totals` makes counts of what only grows; names are made by `saker_sdk::encode::statsd`.

#[cfg(test)]
mod tests;
mod totals;

use saker_sdk::encode::statsd::{Dialect, Frame};
use saker_sdk::encode::{Slots, check};
use saker_sdk::net::{DATAGRAM_BYTES, Deadline, Protocol, SocketTarget, TIMEOUT_MS, UdpSocket, datagram_size};
use saker_sdk::prelude::*;

use totals::{SeriesTotals, Total};

saker_sdk::settings! {
    /// How tags are written.
    pub enum TagStyle {
        /// Not at all: names are paths with everything in them.
        None = "none",
        /// As Datadog's agent reads them: name:1|g|#key:value.
        Dogstatsd = "dogstatsd",
        /// As Telegraf reads them: name,key=value:1|g.
        Influx = "influx",
    }
}

saker_sdk::settings! {
    /// How counters and derives are written.
    pub enum CounterStyle {
        /// What was added since the last value, as a counter.
        Delta = "delta",
        /// The total itself, as a gauge.
        Gauge = "gauge",
    }
}

saker_sdk::settings! {
    /// Settings of the `statsd` backend.
    pub struct StatsdSettings {
        /// Where to: host:port.
        pub address: String,
        /// How tags are written.
        pub tags: TagStyle = TagStyle::None,
        /// Without tags: the template that makes a series' path.
        pub path: String = "${endpoint}.${metric}.${tags}".into(),
        /// With tags: the one that names the endpoint; "" leaves it out.
        pub endpoint_tag: String = "endpoint".into(),
        /// How counters and derives are written.
        pub counters: CounterStyle = CounterStyle::Delta,
        /// The most bytes of a datagram.
        pub datagram_bytes: u32 = DATAGRAM_BYTES,
        /// How long one write may take, in milliseconds. Must be less than the agent's deadline for it.
        pub timeout_ms: u32 = TIMEOUT_MS,
    }
}

/// The backend, with the series that it knows.
pub struct Statsd {
    dialect: Dialect,
    counters: CounterStyle,
    most: usize,
    timeout_ms: u32,
    series: Slots<SeriesState>,
    sender: DatagramSender,
}

/// What is known of a series.
struct SeriesState {
    frame: Frame,
    /// Where its counts start from; none for a gauge.
    totals: Option<SeriesTotals>,
}

/// The datagram that is being filled, and where it goes.
struct DatagramSender {
    socket: UdpSocket,
    datagram: Vec<u8>,
    /// The totals whose counts are in it.
    counted: Vec<(SeriesId, Total)>,
}

impl Backend for Statsd {
    type Settings = StatsdSettings;

    fn describe() -> Description {
        let summary = "Sends points as StatsD's gauges and counters, over UDP";
        Description::new("statsd", env!("CARGO_PKG_VERSION"), summary)
            .requests(connect("<address>"), "the datagrams are sent there")
    }

    fn open(settings: StatsdSettings) -> Result<Self, OpenError> {
        let target = SocketTarget::parse("address", &settings.address, Protocol::Udp)?;
        if target.protocol != Protocol::Udp {
            return Err(OpenError::Settings("address: StatsD is reached by UDP; write host:port".into()));
        }
        let endpoint_tag = settings.endpoint_tag;
        let dialect = match settings.tags {
            TagStyle::None => Dialect::by_path("path", &settings.path)?,
            TagStyle::Dogstatsd => Dialect::Datadog { endpoint_tag },
            TagStyle::Influx => Dialect::Influx { endpoint_tag },
        };
        Ok(Self {
            dialect,
            counters: settings.counters,
            most: datagram_size("datagram_bytes", settings.datagram_bytes)?,
            timeout_ms: settings.timeout_ms,
            series: Slots::default(),
            sender: DatagramSender { socket: UdpSocket::new(target), datagram: Vec::new(), counted: Vec::new() },
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for Definition { id, series } in definitions {
            let frame = self.dialect.frame(&series);
            let totals = match (series.metric_type, self.counters) {
                (MetricType::Gauge, _) | (_, CounterStyle::Gauge) => None,
                (kind, CounterStyle::Delta) => Some(SeriesTotals::new(kind == MetricType::Counter)),
            };
            let known = SeriesState { frame, totals };
            // The same series again has not lost what was counted of it.
            if self.series.get(id).is_none_or(|before| !before.is_same(&known)) {
                self.series.insert(id, known);
            }
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        let is_named = |id| self.series.get(id).is_some_and(|known| known.frame.fits());
        check(&points, |id| self.series.get(id).is_some(), |point| point.value.is_finite() && is_named(point.series))?;
        let sent = self.send(&points);
        // What has not been sent is counted again, from where it was.
        self.sender.datagram.clear();
        self.sender.counted.clear();
        for point in &points {
            if let Some(totals) = self.series.get_mut(point.series).and_then(|known| known.totals.as_mut()) {
                totals.settle();
            }
        }
        sent.map(|()| points.len())
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        ids.into_iter().for_each(|id| self.series.remove(id));
    }
}

saker_sdk::export_backend!(Statsd);

impl Statsd {
    fn send(&mut self, points: &[Point]) -> Result<(), WriteError> {
        let deadline = Deadline::after_ms(self.timeout_ms);
        let mut lines = Vec::new();
        for point in points {
            lines.clear();
            let Some(known) = self.series.get_mut(point.series) else { continue };
            let counted = known.say(point, &mut lines);
            if lines.is_empty() {
                continue;
            }
            let sender = &mut self.sender;
            if !sender.datagram.is_empty() && sender.datagram.len() + 1 + lines.len() > self.most {
                sender.flush(&mut self.series, deadline)?;
            }
            if !sender.datagram.is_empty() {
                sender.datagram.push(b'\n');
            }
            sender.datagram.extend_from_slice(&lines);
            sender.counted.extend(counted.map(|total| (point.series, total)));
        }
        if self.sender.datagram.is_empty() {
            return Ok(());
        }
        self.sender.flush(&mut self.series, deadline)
    }
}

impl DatagramSender {
    fn flush(&mut self, series: &mut Slots<SeriesState>, deadline: Deadline) -> Result<(), WriteError> {
        self.socket.send(&self.datagram, deadline)?;
        self.datagram.clear();
        for (id, total) in self.counted.drain(..) {
            if let Some(totals) = series.get_mut(id).and_then(|known| known.totals.as_mut()) {
                totals.sent(total);
            }
        }
        Ok(())
    }
}

impl SeriesState {
    fn is_same(&self, other: &Self) -> bool {
        let kind = |known: &Self| known.totals.as_ref().map(SeriesTotals::only_grows);
        self.frame == other.frame && kind(self) == kind(other)
    }

    /// Appends what is to be said of a point: a line, two that belong together, or none. Answers the total that a count is
    /// up to.
    fn say(&mut self, point: &Point, lines: &mut Vec<u8>) -> Option<Total> {
        let Some(totals) = &mut self.totals else {
            if point.value < 0.0 {
                // To Etsy's statsd and to Telegraf a sign means "change by so much": so from zero.
                self.frame.push_line(0.0, "g", lines);
                lines.push(b'\n');
            }
            self.frame.push_line(point.value, "g", lines);
            return None;
        };
        let (added, total) = totals.count(point)?;
        self.frame.push_line(added, "c", lines);
        Some(total)
    }
}
