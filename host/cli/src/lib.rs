//! The command line: what can be asked for, how it is printed, and the commands that ask a running agent.

pub mod args;
#[cfg(feature = "author")]
mod author;
mod client;
mod collect;
mod inspect;
#[cfg(feature = "author")]
mod installing;
mod list;
#[cfg(feature = "author")]
mod new;
pub mod printing;
mod query;
mod queue;
mod store;
pub mod table;
mod top;
#[cfg(feature = "author")]
mod watching;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use tokio::runtime::Runtime;

#[cfg(feature = "author")]
pub use author::author;
pub use collect::collect;
pub use inspect::inspect;
#[cfg(feature = "author")]
pub use installing::installing;
pub use list::{list, resume, status};
pub use query::{query, query_reader};
pub use queue::queue;
pub use store::store;
pub use top::top;

/// Threads of the agent's own work. Plugins have theirs; what is left is forwarding and the API.
const WORKERS: usize = 2;

/// The threads that a command runs on.
///
/// # Errors
/// If the system gives none.
pub fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("cannot start the agent's threads")
}

/// Prints what a shell needs to complete commands.
///
/// # Errors
/// If it cannot be printed.
pub fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::Cli::command(), "saker", &mut script);
    Ok(printing::print(format_args!("{}", String::from_utf8_lossy(&script)))?)
}
