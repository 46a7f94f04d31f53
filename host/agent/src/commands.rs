//! What each command does.

mod author;
mod check;
mod client;
mod collect;
mod inspect;
mod installing;
mod list;
mod new;
mod queue;
mod run;
mod table;
mod top;
mod watching;

use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use tokio::runtime::Runtime;

use crate::cli::{Cli, CompileArgs};
use crate::printing::{print, print_error};

pub(crate) use author::author;
pub(crate) use check::check;
pub(crate) use collect::collect;
pub(crate) use inspect::inspect;
pub(crate) use installing::installing;
pub(crate) use list::{list, revive, status};
pub(crate) use queue::queue;
pub(crate) use run::run;
pub(crate) use top::top;

/// Threads of the agent's own work. Plugins have theirs; what is left is forwarding and the API.
const WORKERS: usize = 2;

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("cannot start the agent's threads")
}

pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "saker", &mut script);
    Ok(print(format_args!("{}", String::from_utf8_lossy(&script)))?)
}

/// The child process that compiles: bytes in, machine code out, and nothing of the agent around it.
pub(crate) fn compile(args: &CompileArgs) -> ExitCode {
    match saker_sandbox::compile_child(args.counting) {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, reason)) => {
            // The agent's log shows it, so it goes without this program's name.
            print_error(format_args!("{}\n", clean(&reason, MESSAGE_BYTES_MAX)));
            ExitCode::from(u8::try_from(status).unwrap_or(1))
        }
    }
}
