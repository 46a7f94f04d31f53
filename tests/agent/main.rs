//! The whole agent as a process, over its sockets and its plugin folder.
//!
//! Needs the plugins in `target/plugins` and `target/guests` (`make plugins guests`), no privilege and no server: those
//! that it talks to are played. What needs more is in `tests/servers`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is over")]

mod accepting;
mod agent;
mod agreement;
mod attacks;
mod cardinality;
mod checking;
mod config_reload;
mod desk;
mod forwarding;
mod graphite;
mod hanging;
mod hostile;
mod http;
mod influx;
mod installing;
mod kit;
mod listeners;
mod loading;
mod metrics;
mod paths;
mod plugin_folder;
mod processors;
mod protocols;
mod push;
mod recording;
mod scale;
mod stores;
mod storing;
mod swapping;
mod talking;
mod texts;
mod torture;

#[path = "../shared/machine_code.rs"]
mod machine_code;
