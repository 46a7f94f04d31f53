//! Starts and ends in quick succession: clients find the port the moment that it opens, and the agent is gone again.

use std::thread;
use std::time::Duration;

use super::Error;
use super::bench::Bench;

/// It is ended so soon after it was started, at most.
const LIFE_MS: u64 = 300;
/// One end of so many is an orderly one.
const STOPS: u64 = 5;
/// So often it is said how far it is.
const SAY: u64 = 100;

pub(crate) fn run(bench: &mut Bench, starts: u64) -> Result<(), Error> {
    bench.calm()?;
    bench.stop()?;
    bench.clients.go_on();
    for start in 1..=starts {
        bench.start()?;
        let life = bench.random.millis(LIFE_MS);
        thread::sleep(life.saturating_sub(bench.subject.age()));
        if bench.random.one_in(STOPS) {
            bench.stop()?
        } else {
            bench.kill()?
        }
        if start % SAY == 0 {
            bench.say(&format!("{start} starts, {} points acknowledged", bench.ledger.acknowledged()));
        }
    }
    bench.start()?;
    // A last life with the clients, which are at it still.
    thread::sleep(Duration::from_millis(LIFE_MS));
    Ok(())
}
