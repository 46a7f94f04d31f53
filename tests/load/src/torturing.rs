//! `saker-load torture`: from its arguments to a [`Torture`].

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use rustix::process::Signal;
use saker_load::torture::{Agent, Door, Error, Torture, Trial};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The order of what happens follows from it. Without it: another one each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Everything in random order, for so many seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Instead: so many starts, each ended within 300 ms.
    #[arg(long, conflicts_with = "frozen")]
    starts: Option<u64>,
    /// Instead: the agent's disk stands still for so many seconds. Wants root, and is for saker only.
    #[arg(long, conflicts_with = "peer")]
    frozen: Option<u64>,
    /// The agent's data lies on a disk of its own, which is frozen and filled. Wants root.
    #[arg(long)]
    disk: bool,
    /// saker's binary, by its path.
    #[arg(long, default_value = "target/release/saker")]
    program: PathBuf,
    /// The folder with saker's plugins.
    #[arg(long, default_value = "target/plugins")]
    plugins: PathBuf,
    /// So many files that are no plugins stand in saker's plugin folder.
    #[arg(long, default_value_t = 0)]
    foreign_files: usize,
    /// Another agent: its command line, cut at blanks. {listen} is the address (with {host} and {port}) where it is to
    /// take points, {receiver} where it is to send them, {dir} a folder of its own.
    #[arg(long)]
    peer: Option<String>,
    /// The signal that tells another agent to end: TERM, INT or QUIT.
    #[arg(long, default_value = "TERM", value_parser = signal)]
    stop: Signal,
    /// Where clients push: influx:/PATH or falcon:/PATH. May be given more than once. Without it: saker's two, and of
    /// another agent influx:/write.
    #[arg(long, value_parser = door)]
    door: Vec<Door>,
    /// Clients that push.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// Points a second of all of them.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// A folder that is not there yet. Without it: one in the system's folder for such.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// After the last trouble everything arrives within so many seconds.
    #[arg(long, default_value_t = 120)]
    patience: u64,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<(), Box<dyn std::error::Error>> {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let seed = self.seed.unwrap_or(since.as_secs());
        let quoted = |word: String| if word.contains([' ', '\'', '{']) { format!("'{word}'") } else { word };
        let given = std::env::args().map(quoted).collect::<Vec<_>>().join(" ");
        let again = if self.seed.is_some() { given } else { format!("{given} --seed {seed}") };
        let report = self.torture(seed)?.run().map_err(|error: Error| -> Box<dyn std::error::Error> { error })?;
        println!("{}", serde_json::to_string_pretty(&report)?);
        eprintln!("the same order once more: {again}");
        if report.is_good() {
            return Ok(());
        }
        Err(format!(
            "{} points missing, {} violations; {} is kept",
            report.counts.missing,
            report.violations.len(),
            report.dir.display()
        )
        .into())
    }

    fn torture(self, seed: u64) -> std::io::Result<Torture> {
        let trial = match (self.starts, self.frozen) {
            (Some(starts), _) => Trial::Starts(starts),
            (None, Some(seconds)) => Trial::Frozen(Duration::from_secs(seconds)),
            (None, None) => Trial::Random(Duration::from_secs(self.seconds)),
        };
        let mut doors = self.door;
        if doors.is_empty() {
            doors.push(Door::Influx("/write".into()));
            if self.peer.is_none() {
                doors.push(Door::Falcon("/v1/push".into()));
            }
        }
        let agent = match &self.peer {
            Some(line) => {
                Agent::Peer { command: line.split_whitespace().map(str::to_owned).collect(), stop: self.stop }
            }
            None => Agent::Saker {
                program: self.program.canonicalize()?,
                plugins: self.plugins,
                foreign_files: self.foreign_files,
            },
        };
        let dir = self
            .dir
            .unwrap_or_else(|| std::env::temp_dir().join(format!("saker-torture-{seed}-{}", std::process::id())));
        let patience = Duration::from_secs(self.patience);
        let (clients, rate, disk) = (self.clients as usize, self.rate, self.disk);
        Ok(Torture { agent, trial, seed, doors, clients, rate, dir, disk, patience })
    }
}

fn door(text: &str) -> Result<Door, String> {
    match text.split_once(':') {
        Some(("influx", path)) if path.starts_with('/') => Ok(Door::Influx(path.into())),
        Some(("falcon", path)) if path.starts_with('/') => Ok(Door::Falcon(path.into())),
        _ => Err("expected influx:/PATH or falcon:/PATH".into()),
    }
}

fn signal(name: &str) -> Result<Signal, String> {
    match name {
        "TERM" => Ok(Signal::TERM),
        "INT" => Ok(Signal::INT),
        "QUIT" => Ok(Signal::QUIT),
        _ => Err("expected TERM, INT or QUIT".into()),
    }
}
