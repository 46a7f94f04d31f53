//! Backends against servers that are played. Those that Debian has are in `tests/servers`.

mod bigquery;
mod cadvisor_json;
mod elasticsearch;
mod exact;
mod falcon;
mod file;
mod graphite;
pub(crate) mod one_destination;
mod opentsdb;
mod otlp;
mod played;
mod silent;
mod statsd;
