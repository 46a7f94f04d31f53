//! The `victoria` backend: line protocol to VictoriaMetrics, in the fewest bytes that it takes with little work.
//! README.md has the settings.
//!
//! `line` makes the parts of a series' line, `merge` the lines of a batch, `body` sends them, `times` knows which times a
//! server keeps.

mod body;
mod line;
mod merge;
mod times;

use std::collections::BTreeMap;

use saker_sdk::bodies::Bodies;
use saker_sdk::encode::{Slots, header, undefined};
use saker_sdk::http::Target;
use saker_sdk::prelude::*;

use crate::body::{Body, BodyOptions};
use crate::line::Naming;
use crate::merge::Merging;
use crate::times::TimeWindow;

/// The longest body before it is compressed, in bytes, but for the line that goes beyond it. The agent compresses 4 MiB
/// at once, a newer server takes 64, and an older one reads line by line.
const BODY_MAX: usize = 2 << 20;

saker_sdk::settings! {
    /// How bodies are compressed.
    pub enum BodyCompression {
        /// What every server reads.
        Gzip = "gzip",
        /// Smaller and faster; only newer servers read it.
        Zstd = "zstd",
        /// Not at all.
        None = "none",
    }
}

saker_sdk::settings! {
    /// Settings of the `victoria` backend.
    pub struct VictoriaSettings {
        /// Where to write: http://host:port, or with a path, which is then used as it is.
        pub url: String,
        /// The tenant of a cluster, "account" or "account:project": vminsert then takes the points for it.
        pub tenant: Option<String> = None,
        /// The label that names the endpoint; "" leaves it out.
        pub endpoint_label: String = "endpoint".into(),
        /// Labels that all series get.
        pub labels: BTreeMap<String, String> = BTreeMap::new(),
        /// How bodies are compressed.
        pub compression: BodyCompression = BodyCompression::Gzip,
        /// How much they are compressed, from 1, which is fast, to 9; 2 for gzip and 1 for zstd if it is left out.
        pub level: Option<u32> = None,
        /// How many labels a series may have, its name not counted. The points of others are given up.
        pub max_labels: u32 = 30,
        /// How many days ahead of this host's clock a point may be. Points beyond are given up. 0 leaves it to the server.
        pub future_days: u32 = 2,
        /// How many days back a point may be: the server's retention. Points beyond are given up. 0 leaves it to the server.
        pub retention_days: u32 = 0,
        /// Sent as "Authorization: Bearer …".
        pub token: Option<String> = None,
        /// Sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
    }
}

/// The backend, with the series that it knows.
pub struct Victoria {
    naming: Naming,
    times: TimeWindow,
    merging: Merging,
    /// The series that no server would keep as they are, and why.
    rejected: Slots<Box<str>>,
    bodies: Bodies,
    sending: BodyOptions,
}

impl Backend for Victoria {
    type Settings = VictoriaSettings;

    fn describe() -> Description {
        Description::new("victoria", env!("CARGO_PKG_VERSION"), "Writes points to VictoriaMetrics in the fewest bytes")
            .requests(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: VictoriaSettings) -> Result<Self, OpenError> {
        let authorization = header::authorization(
            "Bearer",
            settings.token.as_deref(),
            settings.username.as_deref(),
            settings.password.as_deref(),
        )?;
        Ok(Self {
            sending: BodyOptions::new(target(&settings)?, authorization, settings.compression, settings.level)?,
            naming: Naming::new(settings.endpoint_label, settings.labels, settings.max_labels)?,
            times: TimeWindow { future_days: settings.future_days, retention_days: settings.retention_days },
            merging: Merging::default(),
            rejected: Slots::default(),
            bodies: Bodies::new(BODY_MAX),
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for definition in &definitions {
            let id = definition.id;
            match self.naming.parts(&definition.series) {
                Ok(parts) => {
                    self.rejected.remove(id);
                    self.merging.define(id, &parts);
                }
                Err(why) => {
                    self.merging.forget(id);
                    self.rejected.insert(id, why.into());
                }
            }
        }
        if !definitions.is_empty() {
            self.bodies.forget();
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        self.check(&points)?;
        self.bodies.write(points, &mut Body { merging: &mut self.merging, sending: &mut self.sending })
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        for id in &ids {
            self.merging.forget(*id);
            self.rejected.remove(*id);
        }
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(Victoria);

impl Victoria {
    /// A server answers 204 also for what it does not keep, so that is rejected here, before anything is sent.
    fn check(&self, points: &[Point]) -> Result<(), WriteError> {
        let kept = self.times.kept();
        let mut places = Vec::new();
        let mut why = None;
        for (place, point) in (0..).zip(points) {
            let fits = point.value.is_finite() && kept.contains(&point.timestamp_ms);
            if fits && self.merging.knows(point.series) {
                continue;
            }
            if let Some(message) = self.rejected.get(point.series) {
                why.get_or_insert_with(|| message.to_string());
            } else if !self.merging.knows(point.series) {
                return Err(undefined(point.series));
            } else if !point.value.is_finite() {
                why.get_or_insert_with(|| "a value that is not finite".into());
            } else {
                why.get_or_insert_with(|| self.times.why_not(point.timestamp_ms));
            }
            places.push(place);
        }
        why.map_or(Ok(()), |message| Err(WriteError::Reject(Reject { points: places, message })))
    }
}

/// The address with its path and the unit of times.
fn target(settings: &VictoriaSettings) -> Result<Target, OpenError> {
    let wrong = |what: &str| Err(OpenError::Settings(what.into()));
    let mut target = Target::parse(&settings.url)?;
    let bare = target.path == "/" || target.path.starts_with("/?");
    let query = target.path.split_once('?').map_or("", |(_, query)| query);
    if query.split('&').any(|part| part.split('=').next() == Some("precision")) {
        return wrong("url: precision= stands in it; take it out, times are always sent in milliseconds");
    }
    let path = match &settings.tenant {
        Some(_) if !bare => return wrong("tenant: the path of url says it already; give either"),
        Some(tenant) if !is_tenant(tenant) => {
            return wrong(
                r#"tenant: write an account such as "0", account and project such as "42:7", or "multitenant""#,
            );
        }
        Some(tenant) => format!("/insert/{tenant}/influx/write"),
        None => "/write".into(),
    };
    if bare {
        target.path = format!("{path}{}", &target.path[1..]);
    }
    Ok(target.with_query("precision", "ms"))
}

fn is_tenant(tenant: &str) -> bool {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u32>().is_ok();
    tenant == "multitenant"
        || match tenant.split_once(':') {
            Some((account, project)) => is_number(account) && is_number(project),
            None => is_number(tenant),
        }
}

#[cfg(test)]
mod tests;
