//! The command line.

#[cfg(feature = "author")]
mod author;
#[cfg(feature = "author")]
mod install;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use saker_config::parse_duration;

#[cfg(feature = "author")]
pub use author::{
    AuthorCommand, BenchArgs, DiffArgs, Kind, Language, NewArgs, RunArgs, ServerChoice, TestArgs, TrialArgs,
};
#[cfg(feature = "author")]
pub use install::{InstallArgs, InstallCommand, PushArgs, RegistryArgs, RemoveArgs, UpdateArgs};

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
    /// What was asked for; ends the process with a word about it if that makes no sense.
    #[must_use]
    pub fn from_args() -> Self {
        Self::parse()
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent.
    Run(ConfigArgs),
    /// Find every mistake in a configuration, the plugins' settings included.
    Check(ConfigArgs),
    /// Run one collector and print its metric values.
    Collect(CollectArgs),
    /// Look at plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Look at the queues of a running agent, send again what was rejected, or throw it away.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Watch a running agent.
    Top(TopArgs),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Compile a component from standard input to standard output, within limits. The agent calls this itself.
    #[command(hide = true)]
    Compile(CompileArgs),
}

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Tell what a plugin file is, imports and wants, without granting it anything.
    Inspect(InspectArgs),
    /// List the plugins of a running agent.
    List(ClientArgs),
    /// Tell everything about one instance of a running agent.
    Status(StatusArgs),
    /// Have an instance of a running agent called again that backs off or is in quarantine.
    Revive(StatusArgs),
    /// What authors of plugins do with them.
    #[cfg(feature = "author")]
    #[command(flatten)]
    Author(AuthorCommand),
    /// Plugin files on their way to the plugin folder.
    #[cfg(feature = "author")]
    #[command(flatten)]
    Install(InstallCommand),
}

#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List the queues, those on disk that belong to no node included.
    List(ClientArgs),
    /// Show the oldest points of a queue.
    Inspect(QueueInspectArgs),
    /// Send again what a node's backend has rejected; or give the queue of a node that is gone to another.
    Replay(QueueReplayArgs),
    /// Throw away what waits, or what was rejected.
    Drop(QueueDropArgs),
}

#[derive(Debug, Args)]
pub struct QueueInspectArgs {
    /// The node.
    pub node: String,
    /// Show what was rejected, and why.
    #[arg(short, long)]
    pub rejected: bool,
    /// So many points.
    #[arg(short = 'n', long, default_value_t = 20)]
    pub limit: usize,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct QueueReplayArgs {
    /// The node, or the queue on disk that has none.
    pub node: String,
    /// The node that gets the points of a queue that has none.
    #[arg(long, value_name = "NODE")]
    pub to: Option<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct QueueDropArgs {
    /// The node, or the queue on disk that has none.
    pub node: String,
    /// Throw away what was rejected instead.
    #[arg(short, long)]
    pub rejected: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct CompileArgs {
    /// For a sandbox that counts instructions.
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
    /// Grant something: `read=/proc`, `usage=/`, `connect=127.0.0.1:80`, `env=HOME`, `stdout`; `wanted` grants all that
    /// the plugin says it wants.
    #[arg(short, long, value_name = "GRANT")]
    pub grant: Vec<String>,
    /// The plugin's settings, as a JSON object.
    #[arg(short, long, value_name = "JSON", default_value = "{}")]
    pub settings: String,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    pub format: Format,
    /// How often to collect; what needs a difference shows from the second time on. Only the last is printed.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub ticks: u32,
    /// The time between ticks.
    #[arg(short, long, default_value = "1s", value_parser = parse_interval)]
    pub interval: Duration,
    /// Write all that the host tells the plugin to this file, for --replay.
    #[arg(long, value_name = "CALLS.JSONL")]
    pub record: Option<PathBuf>,
    /// Let the plugin collect from a recording in place of the host: with the settings, grants and ticks of then.
    #[arg(long, value_name = "CALLS.JSONL", conflicts_with_all = ["record", "grant", "settings", "ticks", "interval"])]
    pub replay: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object per line.
    Json,
    /// Open-Falcon's JSON array, as `POST /v1/push` takes it.
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
    /// A file that holds the agent's token.
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
    /// The time between two looks.
    #[arg(short, long, default_value = "2s", value_parser = parse_interval)]
    pub interval: Duration,
    /// Look so often, then end. 0 is for ever.
    #[arg(short = 'n', long, default_value_t = 0)]
    pub times: u32,
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
    const PAGES: [&str; 3] =
        [README, include_str!("../../../docs/write-a-plugin.md"), include_str!("../../../docs/test-a-plugin.md")];

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
