//! The whole agent against the servers that it is for, each on a free port of loopback. `make test-servers` installs them
//! and runs this; `cargo test` alone does not.
//!
//! Needs the shipped plugins in `target/plugins` (`make plugins`), and root for a small disk.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is over")]

mod clickhouse;
mod clients;
mod compared;
mod durability;
mod figures;
mod forwarding;
mod graphite;
mod installing;
mod kafka;
mod nats;
mod opentsdb;
mod postgres;
mod prometheus;
mod redis;
mod servers;
mod victoria;

#[path = "../agent/agent.rs"]
#[allow(dead_code, reason = "the tests without servers use the rest")]
mod agent;
#[path = "../agent/desk.rs"]
mod desk;
#[path = "../agent/stores/exact.rs"]
mod exact;
#[path = "../agent/http.rs"]
#[allow(dead_code, reason = "the tests without servers use the rest")]
mod http;
#[path = "../shared/machine_code.rs"]
mod machine_code;
#[path = "../agent/stores/one_destination.rs"]
mod one_destination;
