//! The whole agent as a process, over its sockets and its plugin folder, against real servers.
//!
//! Needs the shipped plugins in `target/plugins` (`make plugins`), and Debian's `victoria-metrics`,
//! `prometheus-node-exporter` and `graphite-carbon`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is over")]

mod accepting;
mod agent;
mod attacks;
mod cardinality;
mod checking;
mod config_reload;
mod doors;
mod durability;
mod figures;
mod forwarding;
mod hanging;
mod hostile;
mod http;
mod influx;
mod installing;
mod kit;
mod loading;
mod metrics;
mod plugin_folder;
mod processors;
mod push;
mod recording;
mod scale;
mod servers;
mod stores;
mod swapping;
mod talking;
mod texts;
mod torture;
