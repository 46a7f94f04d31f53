//! The part of the command line that is for authors of plugins.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::parse_interval;

#[derive(Debug, Subcommand)]
pub enum AuthorCommand {
    /// Create a plugin project that builds, tests and runs as it is, with everything it needs but the language's tools.
    New(NewArgs),
    /// Test a plugin against its contract, case by case.
    Test(TestArgs),
    /// Measure what a plugin's calls cost: instructions, the same on any machine, and time on this one.
    Bench(BenchArgs),
    /// Run a collector and show the samples that change; with --watch, reload each new version of its file.
    Run(RunArgs),
    /// Show what a new version of a plugin asks for beyond the old, or no longer. Exits with 1 if it asks for more.
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
pub struct NewArgs {
    /// The name of the plugin and of the new folder: lower-case letters, digits and `-`.
    pub name: String,
    /// The kind of plugin.
    #[arg(short, long, value_enum)]
    pub kind: KindChoice,
    /// The language to write it in.
    #[arg(short, long, value_enum)]
    pub language: Language,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KindChoice {
    /// Measures.
    Collector,
    /// Renames, tags or drops series.
    Processor,
    /// Writes points to a storage system.
    Backend,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Language {
    /// Rust, built with cargo.
    Rust,
    /// Python 3, built with componentize-py.
    Python,
    /// JavaScript, built with componentize-qjs.
    Javascript,
    /// C, built with clang.
    C,
}

/// As on the command line, and in the names of the examples' folders.
fn name_of(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl fmt::Display for KindChoice {
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
pub struct PluginArgs {
    /// The plugin file.
    pub file: PathBuf,
    /// Grant something: `read=/proc`, `statfs=/`, `connect=127.0.0.1:80`, `env=HOME`, `stdout`; `requested` grants all
    /// that the plugin requests.
    #[arg(short, long, value_name = "GRANT")]
    pub grant: Vec<String>,
    /// The plugin's settings, as a JSON object. `{kit}` in a string stands for the address of the built-in server.
    #[arg(short, long, value_name = "JSON")]
    pub settings: Option<String>,
    /// The server that a backend writes to.
    #[arg(long, value_enum, default_value = "kit")]
    pub server: ServerChoice,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    pub plugin: PluginArgs,
    /// The time between two runs of a collector.
    #[arg(short, long, default_value = "250ms", value_parser = parse_interval)]
    pub interval: Duration,
    /// Run only the cases whose names contain these words.
    #[arg(short, long, value_name = "WORDS")]
    pub case: Option<String>,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    pub plugin: PluginArgs,
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
    /// The time between runs.
    #[arg(short, long, default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,
    /// Exit after this many runs; 0 means never.
    #[arg(short = 'n', long, default_value_t = 0)]
    pub runs: u64,
    /// Reload each new version of the file.
    #[arg(short, long)]
    pub watch: bool,
    /// A shell command to run whenever a source file has changed.
    #[arg(short, long, value_name = "COMMAND", requires = "watch")]
    pub build: Option<String>,
    /// The folder with the sources.
    #[arg(long, value_name = "DIR", default_value = "src")]
    pub source: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ServerChoice {
    /// Built-in servers on the loopback.
    Kit,
    /// The real server that the settings name.
    Given,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The old plugin file.
    pub old: PathBuf,
    /// The new plugin file.
    pub new: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
