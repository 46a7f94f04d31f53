//! The `kafka` backend: points become records in batches, one for each partition. README.md has the settings.
//!
//! `records` makes records, `batch` batches of them, `partition` decides where they go; `wire` and `requests` are the
//! protocol, `link` is one connection, `cluster` who leads what; `writing` puts it together, `answer` tells what errors
//! mean.

mod answer;
mod batch;
mod cluster;
mod link;
mod partition;
mod records;
mod requests;
#[cfg(test)]
mod tests;
mod wire;
mod writing;

use saker_sdk::Progress;
use saker_sdk::encode::Format;
use saker_sdk::net::{Deadline, TIMEOUT_MS};
use saker_sdk::prelude::*;

use batch::{BatchCompression, OVERHEAD};
use cluster::Cluster;
use records::SeriesRecords;

saker_sdk::settings! {
    /// Who must have a batch before it counts as delivered.
    pub enum Acks { Leader = "leader", All = "all" }
}

saker_sdk::settings! {
    /// How to log in.
    pub enum Sasl { Plain = "plain", Sha256 = "scram-sha-256", Sha512 = "scram-sha-512" }
}

saker_sdk::settings! {
    /// Settings of the `kafka` backend.
    pub struct KafkaSettings {
        /// Some brokers, each as host:port. The others are learnt from them.
        pub brokers: Vec<String>,
        /// The topic.
        pub topic: String = "saker".into(),
        /// Whether brokers may create the topic, where they are set to do so.
        pub create_topic: bool = false,
        /// What decides about the partition. It may name parts of the series: ${endpoint}, ${metric}, ${tags}, ${tags.KEY}.
        pub key: String = "${endpoint}/${metric}/${tags}".into(),
        /// How a point is written.
        pub format: Format = Format::Json,
        /// Who must have a batch before it counts as delivered: "all" replicas in sync, or the "leader".
        pub acks: Acks = Acks::All,
        /// How batches are compressed: "none", "gzip", "snappy" or "zstd".
        pub compression: BatchCompression = BatchCompression::None,
        /// How large a batch may become, in bytes, before it is compressed. Not more than the topic's max.message.bytes.
        pub max_batch_bytes: u32 = 1_000_000,
        /// The name under which brokers know this client.
        pub client_id: String = "saker".into(),
        /// How to log in, if brokers want it: "plain", "scram-sha-256" or "scram-sha-512".
        pub sasl: Option<Sasl> = None,
        /// The user.
        pub username: Option<String> = None,
        /// The user's password.
        pub password: Option<String> = None,
        /// How long one write may take, in milliseconds. Must be less than the agent's deadline for it.
        pub timeout_ms: u32 = TIMEOUT_MS,
    }
}

/// The longest name of a topic, in bytes.
const TOPIC_MAX: usize = 249;
/// The longest name of a client, in bytes: brokers keep it for every request in their logs.
const CLIENT_MAX: usize = 255;
/// The least that a batch may be allowed, in bytes: less than one record needs.
const BATCH_LEAST: u32 = 1024;

/// The backend, with the series that it knows.
pub struct Kafka {
    settings: KafkaSettings,
    records: SeriesRecords,
    progress: Progress,
    cluster: Cluster,
}

impl Backend for Kafka {
    type Settings = KafkaSettings;

    fn describe() -> Description {
        Description::new("kafka", env!("CARGO_PKG_VERSION"), "Writes points to a topic of Apache Kafka")
            .requests(connect("<brokers>"), "they tell which other brokers there are")
            .requests(connect("<every broker>"), "the leader of a partition takes its points")
    }

    fn open(settings: KafkaSettings) -> Result<Self, OpenError> {
        check(&settings)?;
        let (records, cluster) = (SeriesRecords::new(&settings)?, Cluster::new(&settings)?);
        Ok(Self { settings, records, progress: Progress::default(), cluster })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        // A handle that stood for another series makes other points of those that were taken.
        self.progress.clear();
        for definition in definitions {
            self.records.define(definition.id, &definition.series);
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        self.records.check(&points)?;
        self.progress.begin(points);
        self.write_left(Deadline::after_ms(self.settings.timeout_ms))?;
        let written = self.progress.points().len();
        self.progress.clear();
        Ok(written)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.progress.clear();
        ids.into_iter().for_each(|id| self.records.forget(id));
    }
}

saker_sdk::export_backend!(Kafka);

impl Acks {
    /// As it stands in a request.
    fn number(self) -> i16 {
        match self {
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

fn check(settings: &KafkaSettings) -> Result<(), OpenError> {
    let wrong = |what: &str| Err(OpenError::Settings(what.into()));
    let is_fine = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    let topic = &settings.topic;
    if topic.is_empty() || topic.len() > TOPIC_MAX || !topic.chars().all(is_fine) || matches!(&**topic, "." | "..") {
        return wrong("topic: must be 1 to 249 of the letters a-z, A-Z, 0-9, `.`, `_` and `-`");
    }
    if settings.client_id.len() > CLIENT_MAX {
        return wrong("client_id: must not be longer than 255 bytes");
    }
    if settings.max_batch_bytes < BATCH_LEAST + OVERHEAD as u32 || settings.max_batch_bytes > i32::MAX as u32 {
        return wrong("max_batch_bytes: must be 1100 to 2147483647");
    }
    match (settings.sasl, &settings.username, &settings.password) {
        (None, None, None) | (Some(_), Some(_), Some(_)) => Ok(()),
        (None, ..) => wrong("sasl: say how to log in: \"plain\", \"scram-sha-256\" or \"scram-sha-512\""),
        _ => wrong("sasl: give username and password too"),
    }
}
