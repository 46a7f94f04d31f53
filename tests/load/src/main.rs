//! Sends load and remembers what was acknowledged; later, looks whether the receivers hold it. Or tortures an agent
//! meanwhile.

mod torturing;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand};
use saker_load::{Acks, Plan, Workload, drive, held};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send points, each until it is acknowledged, and print what came of it as JSON.
    Send {
        #[command(flatten)]
        what: What,
        /// Who takes them: host and port.
        #[arg(long)]
        address: String,
        /// The path.
        #[arg(long, default_value = "/write")]
        path: String,
        /// Points a second; 0 is as fast as they are taken.
        #[arg(long, default_value_t = 200_000)]
        rate: u64,
        /// Rounds, in each of which every host sends a line.
        #[arg(long, default_value_t = 250)]
        rounds: u64,
        /// No attempt begins later than this after the start, in seconds.
        #[arg(long, default_value_t = 3600)]
        seconds: u64,
        /// The file that says which rounds were acknowledged.
        #[arg(long)]
        acks: Option<PathBuf>,
    },
    /// Look for acknowledged points in VictoriaMetrics, and print what is there as JSON; fails if any is missing.
    Check {
        /// The file that was written by send.
        #[arg(long)]
        acks: PathBuf,
        /// Host and port of each receiver.
        #[arg(required = true)]
        receivers: Vec<String>,
    },
    /// Start, kill and reconfigure an agent, fail its disk and its receivers, and look for every acknowledged point;
    /// prints what came of it as JSON, and fails if any is missing or a law is broken. docs/torture.md tells more.
    Torture(torturing::Arguments),
}

#[derive(Args)]
struct What {
    /// Hosts, with ten series each.
    #[arg(long, default_value_t = 4000)]
    hosts: usize,
    /// Connections that share the hosts.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// The time of the first round, in milliseconds since 1970-01-01 UTC. Without it: a day ago.
    #[arg(long)]
    start_ms: Option<i64>,
    /// The time between two rounds, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    step_ms: i64,
}

impl What {
    fn workload(&self) -> Workload {
        let now_s = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let day_ago_ms = (now_s as i64 - 86_400) / 10 * 10_000;
        Workload {
            hosts: self.hosts,
            connections: self.connections.max(1),
            start_ms: self.start_ms.unwrap_or(day_ago_ms),
            step_ms: self.step_ms,
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Arguments::parse().command {
        Command::Send { what, address, path, rate, rounds, seconds, acks } => {
            let rate = Some(rate).filter(|&rate| rate > 0);
            let plan = Plan { address, path, rate, rounds, limit: Duration::from_secs(seconds) };
            let (summary, acknowledged) = drive(&what.workload(), &plan);
            if let Some(file) = acks {
                std::fs::write(file, serde_json::to_vec(&acknowledged)?)?;
            }
            println!("{}", serde_json::to_string_pretty(&summary)?);
            Ok(())
        }
        Command::Check { acks, receivers } => {
            let acks: Acks = serde_json::from_slice(&std::fs::read(acks)?)?;
            let holding = held(&receivers, &acks)?;
            println!("{}", serde_json::to_string_pretty(&holding)?);
            if holding.missing > 0 { Err("acknowledged points are missing".into()) } else { Ok(()) }
        }
        Command::Torture(arguments) => arguments.run(),
    }
}
