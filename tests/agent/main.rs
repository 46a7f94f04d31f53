//! The whole agent as a process, over its sockets and its plugin folder, against real servers.
//!
//! Needs the shipped plugins in `target/plugins` (`make plugins`), and Debian's `victoria-metrics` and
//! `prometheus-node-exporter`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is over")]

mod agent;
mod cardinality;
mod config_reload;
mod figures;
mod forwarding;
mod hostile;
mod http;
mod plugin_folder;
mod processors;
mod push;
mod servers;
mod swapping;
