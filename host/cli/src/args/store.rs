//! The command line of `saker store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use saker_config::parse_duration;
use saker_pipeline::now_ms;

use super::ClientArgs;

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Show what is stored, by granularity, and what it takes.
    Status(StoreArgs),
    /// Show how long which series are kept.
    Policies(ClientArgs),
    /// Delete series, or what they have before a time.
    Delete(StoreDeleteArgs),
    /// Write files that hold deleted series anew, which gives back their room.
    Compact(StoreArgs),
    /// Read every byte, and name the files that are damaged.
    Verify(StoreArgs),
    /// Print points as CSV.
    Dump(StoreDumpArgs),
    /// Write points to a file, for `saker store import`.
    Export(StoreExportArgs),
    /// Take in the points of a file that `saker store export` has written.
    Import(StoreImportArgs),
    /// Take in the points of another agent.
    Copy(StoreCopyArgs),
}

/// A store: a running agent's, or the files of one that does not run.
#[derive(Clone, Debug, Args)]
pub struct StoreArgs {
    /// The data folder (data_dir) of an agent that does not run, to work on its files.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Which series. In patterns, * matches any text.
#[derive(Clone, Debug, Args)]
pub struct StoreSelection {
    /// Metrics; `*` are all.
    #[arg(value_name = "METRIC")]
    pub metric: String,
    /// Endpoints.
    #[arg(short, long, value_name = "PATTERN")]
    pub endpoint: Option<String>,
    /// Tags, such as `mount=/data*,fstype=ext4`.
    #[arg(short, long, value_name = "TAG=PATTERN,…")]
    pub tags: Option<String>,
}

/// The first and the last time.
#[derive(Clone, Debug, Args)]
pub struct StoreRange {
    /// From this time on: `7d` ago, or milliseconds since 1970-01-01 UTC.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub start: Option<i64>,
    /// Up to this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub end: Option<i64>,
}

#[derive(Debug, Args)]
pub struct StoreDeleteArgs {
    #[command(flatten)]
    pub selection: StoreSelection,
    /// Delete only what is older: `30d` ago, or milliseconds since 1970-01-01 UTC. Wants a running agent: the buckets that
    /// the time is in are made anew, by its policies.
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "data_dir")]
    pub before: Option<i64>,
    /// Only show which series would be deleted.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, Args)]
pub struct StoreDumpArgs {
    #[command(flatten)]
    pub selection: StoreSelection,
    #[command(flatten)]
    pub range: StoreRange,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, Args)]
pub struct StoreExportArgs {
    /// The file, which must not be there yet.
    pub file: PathBuf,
    #[command(flatten)]
    pub selection: StoreSelection,
    #[command(flatten)]
    pub range: StoreRange,
    #[command(flatten)]
    pub store: StoreArgs,
}

#[derive(Debug, Args)]
pub struct StoreImportArgs {
    /// The file.
    pub file: PathBuf,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct StoreCopyArgs {
    /// The agent that has the points.
    #[arg(long, value_name = "HOST:PORT")]
    pub from: String,
    /// A file that contains the token of that agent.
    #[arg(long, value_name = "FILE")]
    pub from_token_file: Option<PathBuf>,
    /// Go on behind this series, where a copy has stopped.
    #[arg(long, value_name = "SERIES")]
    pub after: Option<String>,
    #[command(flatten)]
    pub selection: StoreSelection,
    #[command(flatten)]
    pub range: StoreRange,
    #[command(flatten)]
    pub client: ClientArgs,
}

fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(time_ms) = text.parse() {
        return Ok(time_ms);
    }
    let ago = parse_duration(text).and_then(|ago| i64::try_from(ago.as_millis()).ok());
    let ago = ago.ok_or("expected a time ago such as \"7d\", or milliseconds since 1970-01-01 UTC")?;
    Ok(now_ms().saturating_sub(ago))
}
