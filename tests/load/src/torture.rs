//! An agent under torture: it is started, killed, stopped, reconfigured, its disk and its receivers fail, while clients
//! push without a pause. At the end every point that was acknowledged is looked for.
//!
//! [`Torture::run`] is what the command line and the tests call. The order of what happens follows from a seed; when
//! exactly it meets what the agent is at is the machine's business. [`Agent`] is saker, whose configuration and whose
//! `/metrics` are known here, or another one by its command line.

mod bench;
mod clients;
mod decode;
mod disk;
mod frozen;
mod laws;
mod ledger;
mod random_order;
mod receiver;
mod reloads;
mod starts;
mod subject;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use bench::Bench;
pub use clients::Door;
pub use ledger::{Counts, Missing};
pub use subject::Agent;

/// What is done to an agent.
#[derive(Clone, Debug)]
pub struct Torture {
    /// To whom.
    pub agent: Agent,
    /// What.
    pub trial: Trial,
    /// Its order follows from this.
    pub seed: u64,
    /// Where clients push. They take turns.
    pub doors: Vec<Door>,
    /// How many clients.
    pub clients: usize,
    /// Points a second of all clients together.
    pub rate: u64,
    /// A folder for the agent, which is made and, when nothing was found, removed.
    pub dir: PathBuf,
    /// Whether the agent's data lies on a disk of its own, which fails too. Wants root.
    pub disk: bool,
    /// How long after the last trouble everything may take to arrive.
    pub patience: Duration,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub enum Trial {
    /// Everything, in random order, for so long.
    Random(Duration),
    /// So many starts, each ended within 300 ms: by a kill, or every fifth in good order.
    Starts(u64),
    /// The disk of one destination, then that of all data, stands still for so long. saker only; wants root.
    Frozen(Duration),
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What every client was told, and what arrived.
    #[serde(flatten)]
    pub counts: Counts,
    /// How often the agent was killed,
    pub kills: u64,
    /// told to end,
    pub stops: u64,
    /// and told to read its configuration anew.
    pub reloads: u64,
    /// How often a receiver was made to fail.
    pub receivers_failed: u64,
    /// How often the disk was frozen or filled.
    pub disk_faults: u64,
    /// Connections that sent half a body.
    pub slow_clients: u64,
    /// How often the laws were read from `/metrics`.
    pub laws_read: u64,
    /// The slowest answers while a disk stood still: to `/health` and to `/metrics`, in milliseconds.
    pub slowest_answers_ms: Option<(u64, u64)>,
    /// Points that other destinations took meanwhile.
    pub others_took: Option<u64>,
    /// The longest orderly end, in milliseconds.
    pub longest_stop_ms: u64,
    /// What must not be: broken laws, ends that were not asked for or took too long, rejections out of place.
    pub violations: Vec<String>,
    /// The last rejection that a client heard.
    pub last_rejection: String,
    /// What is kept for a look, if something was found.
    pub dir: PathBuf,
}

/// What kept the harness from doing its work.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

impl Torture {
    /// Does it.
    ///
    /// # Errors
    /// If the agent cannot be started at all, or the machine does not allow what is wanted. What the agent does wrong is
    /// in the report.
    pub fn run(&self) -> Result<Report, Error> {
        let mut bench = Bench::new(self)?;
        match self.trial {
            Trial::Random(time) => random_order::run(&mut bench, time)?,
            Trial::Starts(starts) => starts::run(&mut bench, starts)?,
            Trial::Frozen(time) => frozen::run(&mut bench, time)?,
        }
        bench.finish()
    }
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.counts.missing == 0 && self.violations.is_empty()
    }
}
