//! What each command does.

mod check;
mod query;
mod run;

use std::process::ExitCode;

use saker_cli::args::CompileArgs;
use saker_cli::printing::print_error;
use saker_model::text::{MESSAGE_BYTES_MAX, clean};

pub(crate) use check::check;
pub(crate) use query::query;
#[cfg(feature = "author")]
pub(crate) use run::plugin_folder;
pub(crate) use run::run;

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
