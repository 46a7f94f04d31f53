//! `saker`: a host metrics agent, extended by WebAssembly plugins.
//!
//! This file chooses the command and turns its end into an exit status. The boot order of the agent itself is in
//! `commands/run.rs`.
#![warn(clippy::print_stderr, clippy::print_stdout, reason = "they panic when nobody reads; see printing.rs")]

mod agent;
mod api;
mod commands;
mod config;
mod eraser;
mod memory;

use std::process::ExitCode;

use saker_cli::args::{Cli, Command, PluginCommand};
use saker_cli::complain;
use saker_config::Problems;

/// The configuration is wrong (`EX_CONFIG` of sysexits.h).
pub(crate) const STATUS_CONFIG: u8 = 78;
/// Any other failure.
pub(crate) const STATUS_FAILURE: u8 = 1;

/// Heaps that threads share. What one thread has allocated and another frees, as series and points are, stays with the
/// heap that it came from; the C library's eight for each core held a quarter of the agent's memory for nothing.
#[cfg(target_env = "gnu")]
const HEAPS_MOST: libc::c_int = 2;

/// A command has failed, and its log says why already.
#[derive(Debug, thiserror::Error)]
#[error("failed, as the log says")]
pub(crate) struct LoggedFailure {
    pub(crate) status: u8,
}

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "the C library offers it in no other way")]
    // SAFETY: it only sets a number, before there are other threads.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS_MOST);
    }
    let cli = Cli::from_args();
    let result = match cli.command {
        Command::Run(args) => commands::run(&args),
        Command::Check(args) => commands::check(&args),
        Command::Collect(args) => saker_cli::collect(&args),
        Command::Plugin(PluginCommand::Inspect(args)) => saker_cli::inspect(&args),
        Command::Plugin(PluginCommand::List(args)) => saker_cli::list(&args),
        Command::Plugin(PluginCommand::Status(args)) => saker_cli::status(&args),
        Command::Plugin(PluginCommand::Resume(args)) => saker_cli::resume(&args),
        Command::Queue(command) => saker_cli::queue(&command),
        #[cfg(feature = "author")]
        Command::Plugin(PluginCommand::Author(command)) => saker_cli::author(&command),
        #[cfg(feature = "author")]
        Command::Plugin(PluginCommand::Install(command)) => saker_cli::installing(&command, commands::plugin_folder),
        Command::Query(args) => commands::query(&args),
        Command::Store(command) => saker_cli::store(&command),
        Command::Top(args) => saker_cli::top(&args),
        Command::Completions { shell } => saker_cli::completions(shell),
        Command::Compile(args) => return commands::compile(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let wrong_config = error.is::<Problems>();
            match error.downcast::<LoggedFailure>() {
                Ok(LoggedFailure { status }) => return ExitCode::from(status),
                Err(error) if wrong_config => complain!("{error}"),
                Err(error) => complain!("{error:#}"),
            }
            ExitCode::from(if wrong_config { STATUS_CONFIG } else { STATUS_FAILURE })
        }
    }
}
