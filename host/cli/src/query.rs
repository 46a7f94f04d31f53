//! `saker query`: asks in PromQL.

use std::io::IsTerminal;

use saker_pipeline::now_ms;
use saker_pipeline::reader::{ReadLimits, SeriesReader};
use saker_query::{QueryCommand, Screen, ShellFormat};

use crate::args::{QueryArgs, QueryFormat};
use crate::client;
use crate::printing::print;

/// What a line of a terminal has that does not tell its width.
const COLUMNS: usize = 80;

/// Asks an agent, and prints the answer.
///
/// # Errors
/// If the expression is wrong, no agent answers, or it has no answer to it.
pub fn query(args: &QueryArgs) -> anyhow::Result<()> {
    let command = command(args);
    let request = command.request(now_ms())?;
    let (status, body) = crate::runtime()?.block_on(client::post_form(&args.client, request.path, request.form))?;
    show(&command, status.as_u16(), &body)
}

/// Asks a reader, without an agent, and prints the answer.
///
/// # Errors
/// If the expression is wrong, or there is no answer to it.
pub fn query_reader(args: &QueryArgs, reader: &dyn SeriesReader) -> anyhow::Result<()> {
    let command = command(args);
    let answer = command.answer(reader, now_ms(), ReadLimits::default())?;
    show(&command, 200, answer.as_bytes())
}

fn command(args: &QueryArgs) -> QueryCommand {
    let format = match args.format {
        QueryFormat::Table => ShellFormat::Table,
        QueryFormat::Csv => ShellFormat::Csv,
        QueryFormat::Json => ShellFormat::Json,
    };
    QueryCommand { query: args.query.clone(), range: args.range, step: args.step, format }
}

fn show(command: &QueryCommand, status: u16, body: &[u8]) -> anyhow::Result<()> {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(COLUMNS);
    let screen = std::io::stdout().is_terminal().then_some(Screen { columns });
    Ok(print(format_args!("{}", command.show(status, body, screen)?))?)
}
