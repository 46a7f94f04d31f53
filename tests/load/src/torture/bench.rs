//! What all trials share: the agent, its receivers and its clients, and what was found.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::clients::{Clients, Door};
use super::disk::Disk;
use super::laws::Figures;
use super::ledger::Ledger;
use super::receiver::{Mode, Receiver};
use super::reloads::Configured;
use super::subject::{Agent, BATCH_POINTS, SHUTDOWN_TIMEOUT, Subject};
use super::{Error, Report, Torture, Trial};
use crate::Client;
use crate::random::Random;

/// Receivers of saker; another agent has one.
const RECEIVERS: usize = 3;
/// The first start may compile plugins, or whatever another agent does at its first.
const FIRST_START_MAX: Duration = Duration::from_secs(120);
/// Every later one.
const START_MAX: Duration = Duration::from_secs(30);
/// What an orderly end may take beyond its limit, on a busy machine.
const STOP_SLACK: Duration = Duration::from_secs(2);
/// When nothing has arrived for so long, nothing more comes from an agent that cannot be asked.
const QUIET: Duration = Duration::from_secs(15);
/// When nothing waits in any queue of saker's for so long, none is about to be opened either.
const SETTLED: Duration = Duration::from_secs(3);
/// How long the laws may take to hold when nothing moves: figures are not all read at one moment.
const LAWS_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Bench {
    pub(crate) random: Random,
    pub(crate) subject: Subject,
    pub(crate) configured: Configured,
    pub(crate) clients: Clients,
    pub(crate) doors: Vec<Door>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) disk: Option<Disk>,
    pub(crate) report: Report,
    /// The same destinations were there since the agent's start.
    pub(crate) steady: bool,
    patience: Duration,
    began: Instant,
}

impl Bench {
    pub(crate) fn new(torture: &Torture) -> Result<Self, Error> {
        let mut random = Random::new(torture.seed);
        let ledger = Arc::new(Ledger::default());
        let is_saker = matches!(torture.agent, Agent::Saker { .. });
        let count = if is_saker { RECEIVERS } else { 1 };
        let receivers = (0..count).map(|_| Receiver::start(ledger.clone())).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = receivers.iter().map(|receiver| receiver.address().to_owned()).collect();
        std::fs::create_dir_all(&torture.dir)?;
        // Before the agent has anything open there.
        let disk = match torture.trial {
            Trial::Random(_) if torture.disk => {
                Some(Disk::mount(torture.dir.join("disk.image"), torture.dir.join("data"))?)
            }
            _ => None,
        };
        // The agent comes back at the same address.
        let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let subject = Subject::new(&torture.agent, &torture.dir, listen.clone(), addresses.clone())?;
        let clients =
            Clients::start(&listen, &ledger, &torture.doors, torture.clients, torture.rate.max(1), &mut random);
        let mut bench = Self {
            random,
            subject,
            configured: Configured::new(&addresses),
            clients,
            doors: torture.doors.clone(),
            ledger,
            receivers,
            disk,
            report: Report::new(torture),
            steady: true,
            patience: torture.patience,
            began: Instant::now(),
        };
        bench.configure()?;
        bench.start()?;
        bench.until_it_listens(FIRST_START_MAX)?;
        Ok(bench)
    }

    /// Says on standard error what happens.
    pub(crate) fn say(&self, what: &str) {
        eprintln!("{:8.2} s  {what}", self.began.elapsed().as_secs_f64());
    }

    pub(crate) fn found(&mut self, what: String) {
        self.say(&format!("FOUND: {what}"));
        self.report.violations.push(what);
    }

    /// Puts saker's configuration in place as it is to be.
    pub(crate) fn configure(&mut self) -> Result<(), Error> {
        self.steady = false;
        if !self.subject.is_saker() {
            return Ok(());
        }
        self.subject.put("token", &self.configured.token)?;
        *self.clients.shared.token.lock() = Some(self.configured.token.clone());
        Ok(self.subject.configure(&self.configured.destinations())?)
    }

    pub(crate) fn start(&mut self) -> Result<(), Error> {
        self.ledger.next_life();
        self.steady = true;
        Ok(self.subject.start()?)
    }

    /// Ends it where it stands.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        self.look_whether_it_has_ended();
        self.report.kills += 1;
        Ok(self.subject.kill()?)
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        self.look_whether_it_has_ended();
        self.report.stops += 1;
        match self.subject.stop()? {
            Some(took) => {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                self.report.longest_stop_ms = self.report.longest_stop_ms.max(took_ms);
                if self.subject.is_saker() && took > SHUTDOWN_TIMEOUT + STOP_SLACK {
                    self.found(format!("an orderly end took {took_ms} ms"));
                }
            }
            None => self.found("told to end it did not".into()),
        }
        Ok(())
    }

    fn look_whether_it_has_ended(&mut self) {
        if let Some(status) = self.subject.ended() {
            let log = self.subject.log();
            let last: Vec<_> = log.lines().rev().take(3).collect();
            self.found(format!("it ended by itself, {status}: {}", last.join(" | ")));
        }
    }

    /// Has it read its configuration anew, which it also does by itself. One that is just starting is left to read it
    /// then: a signal that nobody waits for yet would end it.
    pub(crate) fn reload(&mut self) -> Result<(), Error> {
        self.configure()?;
        self.report.reloads += 1;
        match self.api() {
            Ok(_) => Ok(self.subject.signal(Signal::HUP)?),
            Err(_) => Ok(()),
        }
    }

    fn until_it_listens(&mut self, most: Duration) -> Result<(), Error> {
        let end = Instant::now() + most;
        while self.clients.shared.connect().is_err() {
            if let Some(status) = self.subject.ended() {
                return Err(format!("the agent has ended, {status}:\n{}", self.subject.log()).into());
            }
            if Instant::now() > end {
                return Err(format!("the agent does not listen:\n{}", self.subject.log()).into());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// A client of the agent's API.
    pub(crate) fn api(&self) -> std::io::Result<Client> {
        self.clients.shared.connect()
    }

    pub(crate) fn figures(&self) -> Option<Figures> {
        let answer = self.api().ok()?.get("/metrics").ok().filter(|answer| answer.status == 200)?;
        Some(Figures::parse(&String::from_utf8_lossy(&answer.body)))
    }

    /// Lets all be well, waits until what was acknowledged has arrived, and reads the laws. The clients pause.
    pub(crate) fn calm(&mut self) -> Result<(), Error> {
        self.clients.pause();
        self.receivers.iter().for_each(|receiver| receiver.set(Mode::Well));
        if let Some(disk) = &mut self.disk {
            disk.thaw()?;
            disk.empty()?;
        }
        self.until_it_listens(START_MAX)?;
        let arrived = if self.subject.is_saker() { self.until_nothing_waits()? } else { self.until_nothing_comes() };
        if !arrived {
            self.found(format!("not delivered within {:?}", self.patience));
        }
        if self.subject.is_saker() {
            self.read_laws();
        }
        let (acknowledged, missing) = (self.ledger.acknowledged(), self.ledger.missing());
        self.say(&format!("calm: {acknowledged} points acknowledged, {missing} missing"));
        Ok(())
    }

    /// Every queue is emptied, also those of destinations that are not configured now.
    fn until_nothing_waits(&mut self) -> Result<bool, Error> {
        let reduced = self.configured.restore_all();
        if reduced {
            self.reload()?;
        }
        let end = Instant::now() + self.patience;
        let mut waited_for = Instant::now();
        while Instant::now() < end {
            thread::sleep(LOOK);
            let destinations = self.configured.destinations().len();
            let waits =
                self.figures().is_none_or(|figures| figures.destinations() != destinations || figures.queued() > 0.0);
            if waits {
                waited_for = Instant::now();
            } else if self.ledger.missing() == 0 || waited_for.elapsed() > SETTLED {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn until_nothing_comes(&self) -> bool {
        let end = Instant::now() + self.patience;
        let (mut quiet, mut taken) = (Instant::now(), 0);
        while Instant::now() < end {
            let now: u64 = self.receivers.iter().map(Receiver::taken).sum();
            if now != taken {
                (quiet, taken) = (Instant::now(), now);
            }
            if self.ledger.missing() == 0 || quiet.elapsed() > QUIET {
                return true;
            }
            thread::sleep(LOOK);
        }
        false
    }

    fn read_laws(&mut self) {
        self.report.laws_read += 1;
        let end = Instant::now() + LAWS_MAX;
        loop {
            let broken = match self.figures() {
                Some(figures) => figures.broken_laws(self.steady),
                None => vec!["/metrics does not answer".into()],
            };
            if broken.is_empty() {
                return;
            }
            if Instant::now() > end {
                broken.into_iter().for_each(|broken| self.found(format!("a law is broken: {broken}")));
                return;
            }
            thread::sleep(LOOK);
        }
    }

    /// The last calm, an orderly end, and the sums.
    pub(crate) fn finish(mut self) -> Result<Report, Error> {
        self.calm()?;
        self.stop()?;
        if self.subject.is_saker() && !self.subject.log().contains("account at the end") {
            self.found("no account at the end".into());
        }
        let strange: u64 = self.receivers.iter().map(Receiver::strange).sum();
        if strange > 0 {
            self.found(format!("{strange} bodies that receivers do not understand"));
        }
        self.report.counts = self.ledger.counts();
        self.check_the_repeats();
        self.report.last_rejection = self.clients.shared.rejection.lock().clone();
        let (report, dir) = (self.report.clone(), self.subject.dir.clone());
        drop(self);
        if report.is_good() {
            std::fs::remove_dir_all(dir)?;
        }
        Ok(report)
    }

    /// A kill repeats the batch that was under way to each destination; so does a receiver that dies, and a reload that
    /// takes a destination away. Nothing else is repeated.
    fn check_the_repeats(&mut self) {
        let Report { kills, receivers_failed, reloads, .. } = self.report;
        let reasons = kills + receivers_failed + reloads;
        let (repeated, most) =
            (self.report.counts.repeated, reasons * self.configured.destinations().len() as u64 * BATCH_POINTS);
        if self.subject.is_saker() && repeated > most {
            self.found(format!("{repeated} points were repeated, and {reasons} kills and failures explain {most}"));
        }
    }
}

impl Report {
    fn new(torture: &Torture) -> Self {
        Self {
            seed: torture.seed,
            counts: super::Counts::default(),
            kills: 0,
            stops: 0,
            reloads: 0,
            receivers_failed: 0,
            disk_faults: 0,
            slow_clients: 0,
            laws_read: 0,
            slowest_answers_ms: None,
            others_took: None,
            longest_stop_ms: 0,
            violations: Vec::new(),
            last_rejection: String::new(),
            dir: torture.dir.clone(),
        }
    }
}
