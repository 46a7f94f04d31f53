//! A file system that stands still, for a minute and more: first that of one destination's queue, then that of all that
//! the agent keeps. It answers all the same, others go on, and an orderly end is in time.

use std::thread;
use std::time::{Duration, Instant};

use super::Error;
use super::bench::Bench;
use super::disk::{Disk, queue_folder};
use super::subject::{Destination, SHUTDOWN_TIMEOUT};
use crate::Client;

/// Every answer comes within this.
const ANSWER_MAX: Duration = Duration::from_millis(100);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions.
const ASK: Duration = Duration::from_millis(50);
/// The end of what can be seen of the agent: what it prints, and its socket.
const END_SLACK: Duration = Duration::from_secs(2);
/// A process whose disk answers again ends within this.
const GONE_MAX: Duration = Duration::from_secs(10);
/// Load before and after.
const LOAD: Duration = Duration::from_secs(2);

/// Whose disk hangs: it gets what client 0 sends.
const HUNG: &str = "hung";
const OTHER: &str = "other";

pub(crate) fn run(bench: &mut Bench, time: Duration) -> Result<(), Error> {
    let destination = |name: &str, receiver: usize, only: Option<&str>| Destination {
        name: name.into(),
        receiver: bench.receivers[receiver].address().to_owned(),
        durability: "process",
        only: only.map(str::to_owned),
    };
    let destinations = vec![destination(HUNG, 0, Some("tags = { client = \"0\" }")), destination(OTHER, 1, None)];
    bench.configured.fixed = Some(destinations);
    bench.configure()?;
    bench.stop()?;
    for data in [false, true] {
        let dir = bench.subject.dir.clone();
        let folder = if data { dir.join("data") } else { queue_folder(&dir, HUNG) };
        bench.say(&format!("{} lies on a disk of its own", folder.display()));
        // What was kept there is hidden for a while, and all of it was delivered.
        let mut disk = Disk::mount(dir.join("disk.image"), folder)?;
        bench.start()?;
        bench.calm()?;
        bench.clients.go_on();
        thread::sleep(LOAD);
        let before = bench.figures().map_or(0.0, |figures| figures.delivered(OTHER));
        disk.freeze()?;
        bench.report.disk_faults += 1;
        ask(bench, time)?;
        if !data {
            let after = bench.figures().map_or(0.0, |figures| figures.delivered(OTHER));
            bench.report.others_took = Some((after - before) as u64);
            if after <= before {
                bench.found("another destination took nothing while the disk of one stood still".into());
            }
        }
        end(bench, &mut disk)?;
        bench.start()?;
        thread::sleep(LOAD);
        bench.calm()?;
        bench.stop()?;
    }
    bench.start()
}

/// Asks all the time while the disk stands still.
fn ask(bench: &mut Bench, time: Duration) -> Result<(), Error> {
    let end = Instant::now() + time;
    let mut slowest = bench.report.slowest_answers_ms.unwrap_or_default();
    let mut late = 0;
    while Instant::now() < end {
        for (path, slowest) in [("/health", &mut slowest.0), ("/metrics", &mut slowest.1)] {
            let start = Instant::now();
            let answered = answer(bench, path);
            let took = start.elapsed();
            *slowest = (*slowest).max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            late += u64::from(took > ANSWER_MAX || !answered);
        }
        thread::sleep(ASK);
    }
    bench.report.slowest_answers_ms = Some(slowest);
    bench.say(&format!("slowest answers: /health {} ms, /metrics {} ms", slowest.0, slowest.1));
    if late > 0 {
        bench.found(format!(
            "{late} answers were late or missing while the disk stood still, or their slowest: {slowest:?} ms"
        ));
    }
    Ok(())
}

fn answer(bench: &Bench, path: &str) -> bool {
    let ask = || {
        let mut api = bench.api()?;
        api.set_patience(PATIENCE)?;
        api.get(path)
    };
    ask().is_ok_and(|answer| answer.status == 200)
}

/// Tells it to end while its disk stands still: its account is printed and its socket closed in time. The process itself
/// the kernel may hold until the disk is back.
fn end(bench: &mut Bench, disk: &mut Disk) -> Result<(), Error> {
    let accounts = |bench: &Bench| bench.subject.log().matches("account at the end").count();
    let had = accounts(bench);
    bench.report.stops += 1;
    bench.subject.signal(bench.subject.stop_signal())?;
    let start = Instant::now();
    let (mut account, mut closed) = (None, None);
    while (account.is_none() || closed.is_none()) && start.elapsed() < SHUTDOWN_TIMEOUT + END_SLACK {
        if account.is_none() && accounts(bench) > had {
            account = Some(start.elapsed());
        }
        if closed.is_none() && Client::connect(&bench.subject.listen).is_err() {
            closed = Some(start.elapsed());
        }
        thread::sleep(ASK);
    }
    bench.say(&format!("told to end: the account after {account:?}, the socket closed after {closed:?}"));
    for (what, when) in [("printed no account", account), ("did not close its socket", closed)] {
        if when.is_none() {
            bench.found(format!("told to end while its disk stood still it {what} within {SHUTDOWN_TIMEOUT:?}"));
        }
    }
    disk.thaw()?;
    let thawed = Instant::now();
    while bench.subject.ended().is_none() && thawed.elapsed() < GONE_MAX {
        thread::sleep(ASK);
    }
    if bench.subject.ended().is_none() {
        bench.found("it did not end when its disk was back".into());
    }
    Ok(bench.subject.kill()?)
}
