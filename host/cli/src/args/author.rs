//! The part of the command line that is for authors of plugins.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::parse_interval;

#[derive(Debug, Subcommand)]
pub enum AuthorCommand {
    /// Begin a plugin: a folder that builds, tests and runs as it is, with all that it needs but the language's tools.
    New(NewArgs),
    /// Hold a plugin to its contract, case by case.
    Test(TestArgs),
    /// Measure what a plugin's calls cost: instructions, the same on any machine, and time on this one.
    Bench(BenchArgs),
    /// Run a collector and show the values that change; with --watch, take each new version of its file.
    Run(RunArgs),
    /// Tell what a new version of a plugin asks more or less than the old. Exits with 1 if it asks more.
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
pub struct NewArgs {
    /// The plugin's name, and the folder's: lower-case letters, digits and `-`.
    pub name: String,
    /// What the plugin does.
    #[arg(short, long, value_enum)]
    pub kind: Kind,
    /// What it is written in.
    #[arg(short, long, value_enum)]
    pub language: Language,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// It measures.
    Collector,
    /// It renames, tags or drops series.
    Processor,
    /// It hands points to a storage system.
    Backend,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// Python 3, by componentize-py.
    Python,
    /// JavaScript, by componentize-qjs.
    Javascript,
    /// C, by clang.
    C,
}

/// As on the command line, and in the names of the examples' folders.
fn name_of(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_of(self))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_of(self))
    }
}

/// How a plugin is run outside the agent.
#[derive(Debug, Args)]
pub struct TrialArgs {
    /// The plugin file.
    pub file: PathBuf,
    /// Grant something: `read=/proc`, `usage=/`, `connect=127.0.0.1:80`, `env=HOME`, `stdout`; `wanted` grants all that
    /// the plugin says it wants.
    #[arg(short, long, value_name = "GRANT")]
    pub grant: Vec<String>,
    /// The plugin's settings, as a JSON object. `{kit}` in a text stands for the address of the kit's server.
    #[arg(short, long, value_name = "JSON")]
    pub settings: Option<String>,
    /// Where a backend writes to.
    #[arg(long, value_enum, default_value = "kit")]
    pub server: ServerChoice,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    pub trial: TrialArgs,
    /// The time between two ticks of a collector.
    #[arg(short, long, default_value = "250ms", value_parser = parse_interval)]
    pub interval: Duration,
    /// Try only the cases whose names hold these words.
    #[arg(short, long, value_name = "WORDS")]
    pub case: Option<String>,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    pub trial: TrialArgs,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The plugin file.
    pub file: PathBuf,
    /// Grant something, as for `test`.
    #[arg(short, long, value_name = "GRANT")]
    pub grant: Vec<String>,
    /// The plugin's settings, as a JSON object.
    #[arg(short, long, value_name = "JSON", default_value = "{}")]
    pub settings: String,
    /// The time between ticks.
    #[arg(short, long, default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,
    /// End after so many ticks. 0 is never.
    #[arg(short = 'n', long, default_value_t = 0)]
    pub ticks: u64,
    /// Take each new version of the file.
    #[arg(short, long)]
    pub watch: bool,
    /// Run this by the shell whenever a source has changed.
    #[arg(short, long, value_name = "COMMAND", requires = "watch")]
    pub build: Option<String>,
    /// Where the sources are.
    #[arg(long, value_name = "DIR", default_value = "src")]
    pub source: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ServerChoice {
    /// To servers that the kit starts on the loopback.
    Kit,
    /// To the real server that the settings name.
    Given,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The plugin file that is in use.
    pub old: PathBuf,
    /// The plugin file that is to take its place.
    pub new: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
