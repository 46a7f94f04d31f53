//! `saker`: a host metrics agent, extended by WebAssembly plugins.
//!
//! This file chooses the command and turns its end into an exit status. The boot order of the agent itself is in
//! `commands/run.rs`.

mod agent;
mod api;
mod cli;
mod collecting;
mod commands;
mod config;
mod destination;
mod folder;
mod pipeline;
mod processors;
mod schedule;
mod settings_schema;
mod state_dir;
mod status;
mod supervisor;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, PluginCommand};
use crate::config::Problems;

/// The configuration is wrong (`EX_CONFIG` of sysexits.h).
const STATUS_CONFIG: u8 = 78;

/// Heaps that threads share. What one thread has allocated and another frees, as series and points are, stays with the
/// heap that it came from; the C library's eight for each core held a quarter of the agent's memory for nothing.
#[cfg(target_env = "gnu")]
const HEAPS_MOST: libc::c_int = 2;

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "the C library offers it in no other way")]
    // SAFETY: it only sets a number, before there are other threads.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS_MOST);
    }
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => commands::run(&args),
        Command::Check(args) => commands::check(&args),
        Command::Collect(args) => commands::collect(&args),
        Command::Plugin(PluginCommand::Inspect(args)) => commands::inspect(&args),
        Command::Plugin(PluginCommand::List(args)) => commands::list(&args),
        Command::Plugin(PluginCommand::Status(args)) => commands::status(&args),
        Command::Plugin(PluginCommand::Revive(args)) => commands::revive(&args),
        Command::Queue(command) => commands::queue(&command),
        Command::Plugin(PluginCommand::Author(command)) => commands::author(&command),
        Command::Plugin(PluginCommand::Install(command)) => commands::installing(&command),
        Command::Top(args) => commands::top(&args),
        Command::Completions { shell } => commands::completions(shell),
        Command::Compile(args) => return commands::compile(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Problems>() => {
            eprintln!("saker: {error}");
            ExitCode::from(STATUS_CONFIG)
        }
        Err(error) => {
            eprintln!("saker: {error:#}");
            ExitCode::FAILURE
        }
    }
}
