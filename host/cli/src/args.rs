//! The command line.

#[cfg(feature = "author")]
mod author;
#[cfg(feature = "author")]
mod install;
mod store;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use saker_config::parse_duration;

#[cfg(feature = "author")]
pub use author::{
    AuthorCommand, BenchArgs, DiffArgs, KindChoice, Language, NewArgs, PluginArgs, RunArgs, ServerChoice, TestArgs,
};
#[cfg(feature = "author")]
pub use install::{InstallArgs, InstallCommand, PushArgs, RegistryArgs, RemoveArgs, UpdateArgs};
pub use store::{
    StoreArgs, StoreCommand, StoreCopyArgs, StoreDeleteArgs, StoreDumpArgs, StoreExportArgs, StoreImportArgs,
    StoreRange, StoreSelection,
};

fn version() -> &'static str {
    static VERSION: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!("{} (wasmtime {})", env!("CARGO_PKG_VERSION"), saker_sandbox::wasmtime_version())
    });
    VERSION.as_str()
}

/// A host metrics agent, extended by WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "saker", version = version(), arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The parsed command line; on a usage error, prints it and exits.
    #[must_use]
    pub fn from_args() -> Self {
        Self::parse()
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent.
    Run(ConfigArgs),
    /// Report every mistake in a configuration, including plugins' settings.
    Check(ConfigArgs),
    /// Run one collector and print its samples.
    Collect(CollectArgs),
    /// Inspect, write, test and install plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Inspect, replay or drop the queues of a running agent.
    #[command(subcommand)]
    Queue(QueueSubcommand),
    /// Show a running agent live.
    Top(TopArgs),
    /// Ask a running agent in PromQL.
    Query(QueryArgs),
    /// Look at what is stored, delete, check and move it.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Compile a component from standard input to standard output, within limits. The agent calls this itself.
    #[command(hide = true)]
    Compile(CompileArgs),
}

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Show what a plugin file is, imports and requests, without granting it anything.
    Inspect(InspectArgs),
    /// List the plugins of a running agent.
    List(ClientArgs),
    /// Show everything about one instance of a running agent.
    Status(StatusArgs),
    /// End the back-off or quarantine of an instance of a running agent.
    Resume(StatusArgs),
    /// Commands for authors of plugins.
    #[cfg(feature = "author")]
    #[command(flatten)]
    Author(AuthorCommand),
    /// Commands that install plugins.
    #[cfg(feature = "author")]
    #[command(flatten)]
    Install(InstallCommand),
}

#[derive(Debug, Subcommand)]
pub enum QueueSubcommand {
    /// List the queues, including those on disk that belong to no destination.
    List(ClientArgs),
    /// Show the oldest points of a queue, or its dead letters.
    Inspect(QueueInspectArgs),
    /// Send dead letters again; or give the queue of a removed destination to another.
    Replay(QueueReplayArgs),
    /// Discard the points of a queue, or its dead letters.
    Drop(QueueDropArgs),
}

#[derive(Debug, Args)]
pub struct QueueInspectArgs {
    /// The destination.
    pub destination: String,
    /// Show dead letters (rejected points), and why they were rejected.
    #[arg(short, long)]
    pub dead_letters: bool,
    /// The most points to show.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub limit: usize,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct QueueReplayArgs {
    /// The destination, or a queue on disk without one.
    pub destination: String,
    /// The destination that gets the points of a queue without one.
    #[arg(long, value_name = "DESTINATION")]
    pub to: Option<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct QueueDropArgs {
    /// The destination, or a queue on disk without one.
    pub destination: String,
    /// Discard dead letters instead.
    #[arg(short, long)]
    pub dead_letters: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct CompileArgs {
    /// Compile for a sandbox that counts instructions.
    #[arg(long)]
    pub counting: bool,
}

/// Where configuration comes from.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file. Without one, the agent runs on its defaults.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set a key, such as `listen.http=127.0.0.1:2000`. Wins over the environment, which wins over the file.
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_assignment)]
    pub set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub struct CollectArgs {
    /// The plugin file.
    pub file: PathBuf,
    /// Grant something: `read=/proc`, `statfs=/`, `connect=127.0.0.1:80`, `env=HOME`, `stdout`; `requested` grants all
    /// that the plugin requests.
    #[arg(short, long, value_name = "GRANT")]
    pub grant: Vec<String>,
    /// The plugin's settings, as a JSON object.
    #[arg(short, long, value_name = "JSON", default_value = "{}")]
    pub settings: String,
    /// The output format.
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: OutputFormat,
    /// How many times to collect; only the last result is printed. Rates appear from the second time on.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// The time between runs.
    #[arg(short, long, default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,
    /// Record everything that the host tells the plugin in this file, for --replay.
    #[arg(long, value_name = "CALLS.JSONL")]
    pub record: Option<PathBuf>,
    /// Replay a recording in place of the host, with the recorded settings, grants and runs.
    #[arg(long, value_name = "CALLS.JSONL", conflicts_with_all = ["record", "grant", "settings", "runs", "interval"])]
    pub replay: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum OutputFormat {
    /// A table, for people.
    Table,
    /// One JSON object per line.
    Json,
    /// Open-Falcon's JSON array, as `POST /v1/push` accepts it.
    Falcon,
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The plugin file.
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How to reach a running agent.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// The agent's address.
    #[arg(short, long, default_value = "127.0.0.1:1988", value_name = "HOST:PORT", env = "SAKER_LISTEN_HTTP")]
    pub address: String,
    /// A file that contains the agent's token.
    #[arg(long, value_name = "FILE", env = "SAKER_LISTEN_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The instance's name.
    pub name: String,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct TopArgs {
    #[command(flatten)]
    pub client: ClientArgs,
    /// The time between two updates.
    #[arg(short, long, default_value = "2s", value_parser = parse_interval)]
    pub interval: Duration,
    /// Exit after this many updates; 0 means never.
    #[arg(short = 'n', long, default_value_t = 0)]
    pub times: u32,
}

#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The expression, such as `topk(5, df_bytes_used_percent)`.
    pub query: String,
    /// How far back to look; without it the answer is of now.
    #[arg(short, long, value_parser = parse_interval, value_name = "TIME")]
    pub range: Option<Duration>,
    /// The time between two values of a range; chosen to fit if it is not given.
    #[arg(short, long, value_parser = parse_interval, value_name = "TIME", requires = "range")]
    pub step: Option<Duration>,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: QueryFormat,
    /// Read the files in the data_dir of an agent that does not run, in place of asking one that does.
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum QueryFormat {
    /// For people, with a line of its course for each series in a terminal.
    Table,
    /// A line for each value.
    Csv,
    /// The agent's response as it is.
    Json,
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as listen.http=127.0.0.1:2000".into()),
    }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Some(interval) if interval < Duration::from_millis(10) => Err("expected at least \"10ms\"".into()),
        interval => interval.ok_or_else(|| "expected a duration such as \"500ms\" or \"10s\"".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    const README: &str = include_str!("../../../README.md");
    const PAGES: [&str; 4] = [
        README,
        include_str!("../../../docs/write-a-plugin.md"),
        include_str!("../../../docs/test-a-plugin.md"),
        include_str!("../../../docs/store.md"),
    ];

    /// The words of a line of a page, up to a comment, a redirection or the next command.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                _ => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty() && !word.starts_with("SAKER_"));
        let end = words.iter().position(|word| matches!(word.as_str(), "#" | "&" | "&&") || word.starts_with("2>"));
        words.truncate(end.unwrap_or(words.len()));
        words
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_in_the_pages_is_understood() {
        let mut found = 0;
        for line in PAGES.iter().flat_map(|page| page.lines()) {
            let words = words(line.trim_start_matches("$ "));
            let is_ours = |program: &String| program == "saker" || program.ends_with("release/saker");
            if words.first().is_some_and(is_ours) && words.len() > 1 {
                let result = Cli::try_parse_from(&words);
                // Prose and output begin with the name as well, but not with a command behind it.
                let is_command = Cli::command().find_subcommand(&words[1]).is_some();
                assert!(result.is_ok() || !is_command, "{line}: {}", result.unwrap_err());
                found += usize::from(is_command);
            }
        }
        assert!(found >= 10, "{found} commands");
    }

    #[test]
    fn every_option_in_the_table_of_commands_exists() {
        let rows: Vec<_> = README.lines().filter_map(|line| line.strip_prefix("| `saker ")).collect();
        for row in &rows {
            let usage = row.split('`').next().unwrap();
            let mut command = Cli::command();
            for word in usage.split(' ') {
                if let Some(inner) = command.find_subcommand(word) {
                    command = inner.clone();
                } else if let Some(option) = word.trim_start_matches('[').strip_prefix("--") {
                    let option = option.trim_end_matches([']', '…']);
                    let known =
                        option == "version" || command.get_arguments().any(|arg| arg.get_long() == Some(option));
                    assert!(known, "--{option} of saker {usage}");
                }
            }
        }
        let visible = Cli::command().get_subcommands().filter(|command| !command.is_hide_set()).count();
        assert!(rows.len() > visible, "every command has a row: {rows:#?}");
    }
}
