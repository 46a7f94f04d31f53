//! How routes, queues and retries are written in a configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use saker_config::{ByteSize, ConfigTable, FromConfig, RawValue, suggestion};

use saker_model::BackoffConfig;

use crate::{DeliveryConfig, Durability, HashKind, OnUnavailable, QueueConfig, Route, RouteMatcher, WhenFull};

/// How long points wait in a queue in memory: less than a series lives without a value.
const MEMORY_AGE: Duration = Duration::from_secs(600);
/// The grace before a destination that is away is done without.
const REROUTE_AFTER: Duration = Duration::from_secs(30);
/// More than any store keeps in memory only.
const REPLAY_WINDOW_MAX: Duration = Duration::from_secs(3600);
/// No queue on disk is smaller: a segment of it is an eighth.
const QUEUE_BYTES_MIN: u64 = 1 << 20;

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            queue: QueueConfig {
                durability: Durability::Process,
                bytes: 1 << 30,
                when_full: WhenFull::DropOldest,
                points: 500_000,
                age: Duration::from_secs(7 * 86_400),
                backlog_share: 0.5,
                replay_window: Duration::ZERO,
                max_dead_letter_bytes: 64 << 20,
                batch_points: 10_000,
                batch_age: Duration::from_secs(1),
            },
            backoff: BackoffConfig { min: Duration::from_millis(500), max: Duration::from_secs(30) },
            stale_markers: false,
        }
    }
}

impl DeliveryConfig {
    /// Reads its keys of a destination's table: `queue`, `batch`, `retry`, `stale_markers`; the others are its
    /// backend's.
    #[must_use]
    pub fn read(mut table: ConfigTable<'_>) -> Self {
        let default = Self::default();
        let queue = table.table("queue");
        let mut batch = table.table("batch");
        let batch_points = batch.get("max_points", default.queue.batch_points);
        let batch_age = batch.get("max_age", default.queue.batch_age);
        if batch_points == 0 {
            batch.wrong("max_points", "must be at least 1");
        }
        batch.finish();
        let mut retry = table.table("retry");
        let backoff =
            BackoffConfig { min: retry.get("min", default.backoff.min), max: retry.get("max", default.backoff.max) };
        retry.finish();
        let stale_markers = table.get("stale_markers", default.stale_markers);
        let queue = QueueConfig { batch_points, batch_age, ..self::queue(queue, default.queue) };
        table.finish();
        Self { queue, backoff, stale_markers }
    }
}

fn queue(mut table: ConfigTable<'_>, default: QueueConfig) -> QueueConfig {
    let durability = table.choice(
        "durability",
        default.durability,
        &[("memory", Durability::Memory), ("process", Durability::Process), ("disk", Durability::Disk)],
    );
    let when_full = table.choice(
        "when_full",
        default.when_full,
        &[("drop-oldest", WhenFull::DropOldest), ("drop-newest", WhenFull::DropNewest), ("block", WhenFull::Block)],
    );
    let age = if durability == Durability::Memory { MEMORY_AGE } else { default.age };
    let config = QueueConfig {
        durability,
        when_full,
        bytes: table.get("max_bytes", ByteSize(default.bytes as usize)).0 as u64,
        points: table.get("max_memory_points", default.points),
        age: table.get("max_age", age),
        backlog_share: table.get("backlog_share", default.backlog_share),
        replay_window: table.get("replay_window", default.replay_window),
        max_dead_letter_bytes: table.get("max_dead_letter_bytes", ByteSize(default.max_dead_letter_bytes as usize)).0
            as u64,
        ..default
    };
    if !(0.0..=1.0).contains(&config.backlog_share) {
        table.wrong("backlog_share", "must be 0 to 1: the share of batches that are taken from the backlog");
    }
    if config.replay_window > REPLAY_WINDOW_MAX {
        table.wrong("replay_window", format!("must be at most {REPLAY_WINDOW_MAX:?}"));
    }
    if config.bytes < QUEUE_BYTES_MIN {
        table.wrong("max_bytes", "must be at least 1MiB");
    }
    table.finish();
    config
}

impl Route {
    /// Reads one `[[route]]`. `destinations` are the names of those that there are.
    #[must_use]
    pub fn read(mut table: ConfigTable<'_>, names: &BTreeSet<String>) -> Self {
        let destinations = table.required::<Vec<String>>("destinations", "[\"a\", \"b\"]");
        let patterns = table.table("tags");
        let tags = patterns.names().into_iter().filter_map(|key| Some((key.clone(), patterns.free(&key)?))).collect();
        let route = Self {
            matcher: RouteMatcher {
                metric: table.get("metric", Vec::new()),
                endpoint: table.get("endpoint", Vec::new()),
                tags,
            },
            destinations: destinations.unwrap_or_default(),
            hash: table.get("hash", HashKind::Rendezvous),
            replicas: table.get("replicas", 1),
            go_on: table.get("continue", false),
            on_unavailable: on_unavailable(&mut table),
        };
        for name in route.destinations.iter().filter(|name| !names.contains(*name)) {
            let near = suggestion(name, names.iter().map(String::as_str));
            table.wrong("destinations", format!("there is no [destination.{name}]{near}"));
        }
        let distinct: BTreeSet<_> = route.destinations.iter().collect();
        if distinct.len() < route.destinations.len() {
            table.wrong("destinations", "a destination stands twice");
        }
        if table.has("destinations") && route.destinations.is_empty() {
            table.wrong("destinations", "must name at least one destination");
        } else if table.has("destinations") && !(1..=route.destinations.len()).contains(&route.replicas) {
            table.wrong("replicas", format!("must be 1 to {}, the number of destinations", route.destinations.len()));
        }
        table.finish();
        route
    }
}

fn on_unavailable(table: &mut ConfigTable<'_>) -> OnUnavailable {
    let after = table.get("reroute_after", REROUTE_AFTER);
    let reroute = table.choice("on_unavailable", false, &[("spool", false), ("reroute", true)]);
    if reroute { OnUnavailable::Reroute(after) } else { OnUnavailable::Spool }
}

impl FromConfig for HashKind {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        match given.text() {
            Some("rendezvous") => Ok(Self::Rendezvous),
            Some("jump") => Ok(Self::Jump),
            Some("falcon") => Ok(Self::Falcon),
            _ => Err(given.expected("\"rendezvous\", \"jump\" or \"falcon\"")),
        }
    }
}
