//! The `remote-write` backend: one request a call, in Prometheus remote write 1.0. README.md has the settings.
//!
//! `labels` makes Prometheus' labels of a series, `proto` writes the message, `headers` checks those of the operator.
//! The specification is <https://prometheus.io/docs/specs/prw/remote_write_spec/>.

mod headers;
mod labels;
mod proto;

use std::collections::BTreeMap;

use saker_sdk::encode::{Slots, header, undefined};
use saker_sdk::http::{Response, Target};
use saker_sdk::prelude::*;

use crate::labels::Naming;

saker_sdk::settings! {
    /// Settings of the `remote-write` backend.
    pub struct RemoteWriteSettings {
        /// Where to write: http://host:port, or with a path other than Prometheus' /api/v1/write.
        pub url: String,
        /// The label that names the endpoint; "" leaves it out.
        pub endpoint_label: String = "instance".into(),
        /// The value of the label job; "" leaves it out.
        pub job: String = "saker".into(),
        /// Sent as "Authorization: Bearer …".
        pub token: Option<String> = None,
        /// Sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
        /// More headers, such as X-Scope-OrgID.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The backend, with the series that it knows and the buffers of its last call.
pub struct RemoteWrite {
    target: Target,
    headers: Vec<(String, String)>,
    naming: Naming,
    /// For each series, its labels as the message has them.
    labels: Slots<Box<[u8]>>,
    message: Vec<u8>,
    body: Vec<u8>,
    snappy: snap::raw::Encoder,
}

impl Backend for RemoteWrite {
    type Settings = RemoteWriteSettings;

    fn describe() -> Description {
        Description::new("remote-write", env!("CARGO_PKG_VERSION"), "Writes points by Prometheus remote write 1.0")
            .wants(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: RemoteWriteSettings) -> Result<Self, OpenError> {
        let mut target = Target::parse(&settings.url)?;
        if target.path == "/" || target.path.starts_with("/?") {
            target.path = format!("/api/v1/write{}", &target.path[1..]);
        }
        let authorization = header::authorization(
            "Bearer",
            settings.token.as_deref(),
            settings.username.as_deref(),
            settings.password.as_deref(),
        )?;
        Ok(Self {
            target,
            headers: headers::all(&settings.headers, authorization)?,
            naming: Naming::new(settings.endpoint_label, settings.job)?,
            labels: Slots::default(),
            message: Vec::new(),
            body: Vec::new(),
            snappy: snap::raw::Encoder::new(),
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for definition in definitions {
            let labels = self.naming.labels(&definition.series);
            self.labels.insert(definition.id, proto::labels(&labels).into());
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        let taken = points.len();
        self.encode(points)?;
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = self.target.post(&headers, &self.body)?;
        if is_too_old(&response) {
            return Err(WriteError::reject(response.body.trim()));
        }
        response.written()?;
        Ok(taken)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        for id in ids {
            self.labels.remove(id);
        }
    }
}

saker_sdk::export_backend!(RemoteWrite);

impl RemoteWrite {
    /// Makes the request's body of points.
    fn encode(&mut self, points: Vec<Point>) -> Result<(), WriteError> {
        self.message.clear();
        for group in in_groups(points).chunk_by(|one, next| one.series == next.series) {
            let labels = self.labels.get(group[0].series).ok_or_else(|| undefined(group[0].series))?;
            proto::push_series(&mut self.message, labels, group);
        }
        self.body.resize(snap::raw::max_compress_len(self.message.len()), 0);
        let length = self.snappy.compress(&self.message, &mut self.body);
        self.body.truncate(length.map_err(|error| WriteError::Broken(error.to_string()))?);
        Ok(())
    }
}

/// Whether this is how Prometheus before 2.51 refuses a sample that is older than its out-of-order window: with the
/// status of a passing failure, though the same request will fail for ever, and everything behind it would wait.
fn is_too_old(response: &Response) -> bool {
    response.status == 500 && response.body.trim() == "too old sample"
}

/// The points of a series side by side and sorted by time, which the protocol demands; of two for the same time the
/// later one, because a server takes one value for a time, and would refuse the request for the other.
fn in_groups(mut points: Vec<Point>) -> Vec<Point> {
    // A stable sort that finds the runs which ticks leave: cheap where there is little to sort.
    points.sort_by_key(|point| (point.series, point.timestamp_ms));
    points.dedup_by(|next, kept| {
        let same = next.series == kept.series && next.timestamp_ms == kept.timestamp_ms;
        if same {
            kept.value = next.value;
        }
        same
    });
    points
}

#[cfg(test)]
mod tests;
