//! Load for tests and benchmarks: hosts that send their processors' figures as Influx line protocol.
//!
//! The workload is that of the Time Series Benchmark Suite's "cpu-only" case: every host sends a line with ten tags and
//! ten whole numbers from 0 to 100 that wander. Everything follows from the numbers of host and round, so that what was
//! acknowledged can be said in a few numbers ([`Acks`]) and looked for in the receivers afterwards. [`torture`] does both
//! while the agent is killed, reconfigured and cut off from its disk and its receivers.

mod acks;
mod client;
mod drive;
mod held;
mod random;
pub mod torture;
mod workload;

pub use acks::Acks;
pub use client::{Answer, Client};
pub use drive::{Plan, Summary, drive};
pub use held::{Holding, held};
pub use workload::{FIELDS, Share, Workload};
