//! Everything that can happen, one after the other and at the same time, in the order that the seed gives.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Error;
use super::bench::Bench;
use super::receiver::{Mode, TROUBLES};
use super::reloads::CHANGES;

/// The longest pause between two events.
const PAUSE_MS: u64 = 400;
/// How long a receiver fails, at most: shorter than what a backend waits for an answer, for it is to find both.
const TROUBLE_MS: u64 = 4000;
/// How long a disk is frozen or full, at most.
const DISK_MS: u64 = 3000;
/// The agent is killed so soon after its start, at most, when it is killed several times in a row.
const LIFE_MS: u64 = 300;
const KILLS_IN_A_ROW: u64 = 5;
/// Slow clients that come together, at most.
const SLOW: u64 = 20;
/// After so long all is made well, and looked at.
const CALM: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Killed, and started again at once.
    Kill,
    /// The same a few times, at its start.
    Kills,
    /// Ended in good order, and started again.
    Stop,
    /// Another configuration.
    Reload,
    /// One with a mistake in it, which changes nothing.
    Mistake,
    /// A token file that is gone, and comes back.
    TokenGone,
    /// Not written to the disk at all from the next start on, and back again; both with orderly ends, while no client
    /// pushes: what was acknowledged before is what counts.
    Memory,
    Receiver,
    SlowClients,
    Frozen,
    Full,
    /// The whole process stands still, as a machine that is suspended does.
    Suspended,
}

/// What happens to any agent, the more often the more often it stands here;
const ALWAYS: [Event; 10] = [
    Event::Kill,
    Event::Kill,
    Event::Kills,
    Event::Stop,
    Event::Receiver,
    Event::Receiver,
    Event::Receiver,
    Event::SlowClients,
    Event::SlowClients,
    Event::Suspended,
];
/// to saker besides;
const SAKER: [Event; 6] =
    [Event::Reload, Event::Reload, Event::Reload, Event::Mistake, Event::TokenGone, Event::Memory];
/// and where the disk can fail.
const DISK: [Event; 2] = [Event::Frozen, Event::Full];

pub(crate) fn run(bench: &mut Bench, time: Duration) -> Result<(), Error> {
    let mut events = ALWAYS.to_vec();
    if bench.subject.is_saker() {
        events.extend(SAKER);
    }
    if bench.disk.is_some() {
        events.extend(DISK);
    }
    let end = Instant::now() + time;
    let mut calm = Instant::now() + CALM;
    let mut well_again = vec![None; bench.receivers.len()];
    bench.clients.go_on();
    while Instant::now() < end {
        let event = bench.random.pick(&events);
        happen(bench, event, &mut well_again)?;
        thread::sleep(bench.random.millis(PAUSE_MS));
        for (receiver, due) in bench.receivers.iter().zip(&mut well_again) {
            if due.take_if(|due| *due <= Instant::now()).is_some() {
                receiver.set(Mode::Well);
            }
        }
        if Instant::now() > calm {
            bench.calm()?;
            bench.clients.go_on();
            well_again.fill(None);
            calm = Instant::now() + CALM;
        }
    }
    Ok(())
}

fn happen(bench: &mut Bench, event: Event, well_again: &mut [Option<Instant>]) -> Result<(), Error> {
    match event {
        Event::Kill => {
            bench.say("killed");
            bench.kill()?;
            bench.start()
        }
        Event::Kills => {
            let times = 1 + bench.random.below(KILLS_IN_A_ROW);
            bench.say(&format!("killed {times} times at its start"));
            for _ in 0..times {
                bench.kill()?;
                bench.start()?;
                thread::sleep(bench.random.millis(LIFE_MS));
            }
            Ok(())
        }
        Event::Stop => {
            bench.say("stopped");
            bench.stop()?;
            bench.start()
        }
        Event::Reload => {
            let change = bench.random.pick(&CHANGES);
            bench.configured.change(change, &mut bench.random);
            let names: Vec<_> =
                bench.configured.destinations().into_iter().map(|destination| destination.name).collect();
            bench.say(&format!("reloaded, {change:?}: {}", names.join(", ")));
            bench.reload()
        }
        Event::Mistake => {
            bench.say("reloaded with a mistake");
            // A start would rightly reject it.
            if bench.api().is_err() {
                return Ok(());
            }
            bench.subject.put("agent.toml", "[listen]\nhttp = 7\n")?;
            bench.subject.signal(Signal::HUP)?;
            thread::sleep(bench.random.millis(PAUSE_MS));
            bench.reload()
        }
        Event::TokenGone => token_gone(bench),
        Event::Memory => in_memory(bench),
        Event::Receiver => {
            let at = bench.random.below(bench.receivers.len() as u64) as usize;
            let (mode, time) = (bench.random.pick(&TROUBLES), bench.random.millis(TROUBLE_MS));
            bench.say(&format!("receiver {at} is {mode:?} for {} ms", time.as_millis()));
            bench.report.receivers_failed += 1;
            bench.receivers[at].set(mode);
            well_again[at] = Some(Instant::now() + time);
            Ok(())
        }
        Event::SlowClients => {
            let count = 1 + bench.random.below(SLOW);
            let door = bench.doors[bench.random.below(bench.doors.len() as u64) as usize].clone();
            bench.report.slow_clients += count;
            bench.clients.send_slowly(count, &door, &mut bench.random);
            Ok(())
        }
        Event::Frozen | Event::Full => disk_fails(bench, event),
        Event::Suspended => {
            let time = bench.random.millis(DISK_MS);
            bench.say(&format!("suspended for {} ms", time.as_millis()));
            bench.subject.signal(Signal::STOP)?;
            thread::sleep(time);
            Ok(bench.subject.signal(Signal::CONT)?)
        }
    }
}

fn disk_fails(bench: &mut Bench, event: Event) -> Result<(), Error> {
    let time = bench.random.millis(DISK_MS);
    bench.say(&format!("the disk is {event:?} for {} ms", time.as_millis()));
    bench.report.disk_faults += 1;
    if let Some(disk) = &mut bench.disk {
        if matches!(event, Event::Frozen) {
            disk.freeze()?
        } else {
            disk.fill()?
        }
        thread::sleep(time);
        disk.thaw()?;
        disk.empty()?;
    }
    Ok(())
}

/// The API goes on with the token that it had.
fn token_gone(bench: &mut Bench) -> Result<(), Error> {
    bench.say("the token file is gone");
    let status = |bench: &Bench| bench.api().and_then(|mut api| api.get("/metrics")).map(|answer| answer.status);
    // Unless it runs, and with the token that is there now, there is nothing to be seen.
    if !matches!(status(bench), Ok(200)) {
        return Ok(());
    }
    std::fs::remove_file(bench.subject.dir.join("token"))?;
    bench.subject.signal(Signal::HUP)?;
    thread::sleep(Duration::from_millis(300));
    let answers = status(bench);
    if bench.subject.ended().is_none() && !matches!(answers, Ok(200)) {
        bench.found(format!("without its token file the API answers {answers:?}"));
    }
    bench.reload()
}

fn in_memory(bench: &mut Bench) -> Result<(), Error> {
    bench.say("in memory from the next start on, and back again");
    bench.clients.pause();
    bench.configured.in_memory = true;
    bench.reload()?;
    thread::sleep(bench.random.millis(PAUSE_MS));
    if bench.random.one_in(2) {
        bench.kill()?
    } else {
        bench.stop()?
    }
    bench.start()?;
    thread::sleep(bench.random.millis(2 * PAUSE_MS));
    bench.configured.in_memory = false;
    // A queue that began in memory is on disk from the next start on.
    bench.configure()?;
    bench.stop()?;
    bench.start()?;
    bench.clients.go_on();
    Ok(())
}
