//! What `cargo metadata` says of the workspace, and what of it must hold.
#![allow(clippy::unwrap_used, reason = "clippy takes only functions with #[test] for tests, not what they share")]

mod arrows;
mod graph;
mod licences;
mod names;
mod paths;
mod sources;
