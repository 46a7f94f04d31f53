//! The `opentsdb` backend: over HTTP, where OpenTSDB says of each point what became of it, or over its telnet protocol.
//! README.md has the settings.
//!
//! `put` is HTTP, `answer` what its answers mean, `telnet` the other way; names are made by
//! `saker_sdk::encode::opentsdb`.

mod answer;
mod put;
mod telnet;
#[cfg(test)]
mod tests;

use saker_sdk::Progress;
use saker_sdk::encode::Lines;
use saker_sdk::encode::opentsdb::{OpentsdbNames, PutForm, TelnetForm, Unit};
use saker_sdk::net::{Deadline, TIMEOUT_MS};
use saker_sdk::prelude::*;

use put::Put;
use telnet::Telnet;

saker_sdk::settings! {
    /// Settings of the `opentsdb` backend.
    pub struct OpentsdbSettings {
        /// Where to: http://host:port, or with a path, which is then used as it is; tcp://host:port speaks telnet.
        pub url: String,
        /// The unit of timestamps.
        pub precision: Unit = Unit::Seconds,
        /// The tag that names the endpoint; "" leaves it out.
        pub endpoint_tag: String = "endpoint".into(),
        /// HTTP: whether OpenTSDB answers when it has stored the points, or as soon as it has queued them.
        pub sync: bool = true,
        /// HTTP: the most bytes of a request.
        pub max_body_bytes: u32 = 8192,
        /// HTTP: sent as "Authorization: Bearer …".
        pub token: Option<String> = None,
        /// HTTP: sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
        /// How long one write may take, in milliseconds. Must be less than the agent's deadline for it.
        pub timeout_ms: u32 = TIMEOUT_MS,
    }
}

/// The backend, with the series that it knows.
pub struct Opentsdb {
    lines: Lines,
    way: Transport,
    progress: Progress,
    timeout_ms: u32,
}

enum Transport {
    Http(Put),
    Telnet(Telnet),
}

impl Backend for Opentsdb {
    type Settings = OpentsdbSettings;

    fn describe() -> Description {
        Description::new("opentsdb", env!("CARGO_PKG_VERSION"), "Writes points to OpenTSDB, over HTTP or telnet")
            .requests(connect("<host:port of url>"), "the points are sent there")
    }

    fn open(settings: OpentsdbSettings) -> Result<Self, OpenError> {
        let names = OpentsdbNames { endpoint_tag: settings.endpoint_tag.clone(), unit: settings.precision };
        let (way, lines) = if settings.url.starts_with("tcp://") {
            (Transport::Telnet(Telnet::new(&settings)?), Lines::new(TelnetForm(names)))
        } else {
            (Transport::Http(Put::new(&settings, names.clone())?), Lines::new(PutForm(names)))
        };
        Ok(Self { lines, way, progress: Progress::default(), timeout_ms: settings.timeout_ms })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        // A handle that stood for another series makes other points of those that were taken.
        self.progress.clear();
        self.lines.define(&definitions);
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        self.lines.check(&points)?;
        let deadline = Deadline::after_ms(self.timeout_ms);
        let offered = points.len();
        match &mut self.way {
            Transport::Http(put) => {
                self.progress.begin(points);
                put.write(&self.lines, &mut self.progress, deadline)?;
                self.progress.clear();
            }
            Transport::Telnet(telnet) => telnet.write(&mut self.lines, &points, deadline)?,
        }
        Ok(offered)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.progress.clear();
        self.lines.forget(&ids);
    }
}

saker_sdk::export_backend!(Opentsdb);
