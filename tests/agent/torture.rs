//! What `make torture` does for an hour, for some seconds: starts and kills, and everything else in random order.

use std::path::PathBuf;
use std::time::Duration;

use saker_load::torture::{Agent, Door, Report, Torture, Trial};

use crate::agent::repository;

/// Chance that falls the same way in every run, so that a failure is one of the change.
const SEED: u64 = 10;

fn torture(trial: Trial, foreign_files: usize) -> Report {
    let dir = tempfile::tempdir().unwrap().keep();
    let agent = Agent::Saker {
        program: PathBuf::from(env!("CARGO_BIN_EXE_saker")),
        plugins: repository().join("target/plugins"),
        foreign_files,
    };
    let doors = vec![Door::Influx("/write".into()), Door::Falcon("/v1/push".into())];
    let patience = Duration::from_secs(60);
    let torture = Torture { agent, trial, seed: SEED, doors, clients: 4, rate: 10_000, dir, disk: false, patience };
    let report = torture.run().unwrap();
    eprintln!("{report:#?}");
    report
}

#[test]
fn ended_at_every_start_it_loses_nothing_that_it_acknowledged() {
    let report = torture(Trial::Starts(20), 2000);
    assert!(report.counts.acknowledged > 0 && report.is_good(), "{report:#?}");
}

#[test]
fn killed_while_receivers_fail_it_keeps_its_laws() {
    let report = torture(Trial::Random(Duration::from_secs(15)), 0);
    assert!(report.counts.acknowledged > 0 && report.is_good(), "{report:#?}");
}
