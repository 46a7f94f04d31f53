//! `saker query`: asks a running agent in PromQL.

use std::io::IsTerminal;

use saker_pipeline::now_ms;
use saker_query::{QueryCommand, Screen, ShellFormat};

use crate::args::{QueryArgs, QueryFormat};
use crate::client;
use crate::printing::print;

/// What a line of a terminal has that does not tell its width.
const COLUMNS: usize = 80;

/// Asks, and prints the answer.
///
/// # Errors
/// If the expression is wrong, no agent answers, or it has no answer to it.
pub fn query(args: &QueryArgs) -> anyhow::Result<()> {
    let format = match args.format {
        QueryFormat::Table => ShellFormat::Table,
        QueryFormat::Csv => ShellFormat::Csv,
        QueryFormat::Json => ShellFormat::Json,
    };
    let command = QueryCommand { query: args.query.clone(), range: args.range, step: args.step, format };
    let request = command.request(now_ms())?;
    let (status, body) = crate::runtime()?.block_on(client::post_form(&args.client, request.path, request.form))?;
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(COLUMNS);
    let screen = std::io::stdout().is_terminal().then_some(Screen { columns });
    Ok(print(format_args!("{}", command.show(status.as_u16(), &body, screen)?))?)
}
