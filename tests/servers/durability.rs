//! What was acknowledged arrives: after kills, on a full disk, from damaged files, while destinations are away.
//!
//! Load comes over Influx line protocol and remembers what was acknowledged; receivers are real VictoriaMetrics, which
//! are asked for every single point at the end. The sizes are for CI; `SAKER_TEST_KILLS=50` makes the first test the full
//! one.

use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use saker_load::{Acks, Holding, Plan, Summary, Workload, drive, held};

use crate::agent::{Agent, Home};
use crate::servers::Server;

/// Points a second.
const RATE: u64 = 200_000;
const BATCH: u64 = 10_000;

/// How often the agent is killed.
fn kills() -> u64 {
    std::env::var("SAKER_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(4)
}

/// Ten series a host, over four connections, beginning a while ago.
fn workload(hosts: usize) -> Workload {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    Workload { hosts, connections: 4, start_ms: now - 3_600_000, step_ms: 1000 }
}

struct Bench {
    servers: Vec<Server>,
    address: String,
    workload: Workload,
}

impl Bench {
    fn new(servers: usize) -> Self {
        Self::with_hosts(servers, 1000)
    }

    fn with_hosts(servers: usize, hosts: usize) -> Self {
        let servers = (0..servers).map(|_| Server::victoria_metrics()).collect();
        // The agent comes back at the same address.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Self { servers, address, workload: workload(hosts) }
    }

    /// An agent that sends to all servers, with these keys for the destinations' queues and for the route.
    fn home(&self, queue: &str, route: &str) -> Home {
        let mut config = String::new();
        let mut names = Vec::new();
        for (number, server) in self.servers.iter().enumerate() {
            let name = format!("vm-{number}");
            config.push_str(&format!(
                "[destination.{name}]\nbackend = \"victoria\"\nsettings = {{ url = \"http://{0}/write\" }}\n\
                 grant.connect = [\"{0}\"]\nbatch.max_age = \"200ms\"\nretry = {{ min = \"50ms\", max = \"500ms\" }}\n\
                 queue = {{ {queue} }}\n",
                server.address
            ));
            names.push(name);
        }
        let home = Home::new(&["victoria"]);
        let text = home.config_text().replace("127.0.0.1:0", &self.address);
        home.replace_config(&text).config(&format!("{config}[[route]]\ndestinations = {names:?}\n{route}\n"))
    }

    /// Sends rounds at the rate, in the background.
    fn load(&self, rounds: u64) -> thread::JoinHandle<(Summary, Acks)> {
        let plan = Plan {
            address: self.address.clone(),
            path: "/write".into(),
            rate: Some(RATE),
            rounds,
            limit: Duration::from_secs(1800),
        };
        let workload = self.workload;
        thread::spawn(move || drive(&workload, &plan))
    }

    /// What the servers hold of what was acknowledged, once they show all of it.
    fn holding(&self, acks: &Acks, is_settled: impl Fn(&Holding) -> bool) -> Holding {
        let addresses: Vec<_> = self.servers.iter().map(|server| server.address.clone()).collect();
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let holding = held(&addresses, acks).unwrap();
            if is_settled(&holding) || Instant::now() > end {
                return holding;
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn destinations(&self) -> impl Iterator<Item = String> {
        (0..self.servers.len()).map(|number| format!("vm-{number}"))
    }

    /// Waits until nothing is queued any more.
    fn until_sent(&self, agent: &Agent) {
        let end = Instant::now() + Duration::from_secs(300);
        while self.destinations().any(|destination| sum(agent, "saker_destination_queued_points", &destination) > 0.0) {
            assert!(Instant::now() < end, "not sent in time\n{}", agent.log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The law, from `/metrics` alone: at the door, and at each destination.
    fn check_the_law(&self, agent: &Agent) {
        let received = sum(agent, "saker_received_points_total", "");
        let (accepted, rejected) =
            (sum(agent, "saker_accepted_points_total", ""), sum(agent, "saker_rejected_points_total", ""));
        assert_eq!(received, accepted + rejected, "at the door");
        for destination in self.destinations() {
            let of = |name: &str| sum(agent, name, &destination);
            let came = of("saker_destination_enqueued_points_total") + of("saker_destination_recovered_points_total");
            let went = of("saker_destination_delivered_points_total")
                + of("saker_destination_queued_points")
                + of("saker_destination_dropped_points_total");
            assert_eq!(came, went, "at {destination}");
        }
    }

    fn check_that_nothing_is_missing(&self, acks: &Acks, kills: u64, summary: &Summary) {
        let holding = self.holding(acks, |holding| holding.missing == 0);
        eprintln!("{kills} kills: {summary:?}\n{holding:?}");
        assert_eq!(holding.missing, 0, "{holding:?}");
        // A kill repeats at most the batch that was under way to each destination. A request that was cut off is sent
        // again by the client, which cannot know that its points were taken.
        let cut_off = summary.unknown * self.workload.points(0) as u64;
        assert!(holding.repeated <= kills * BATCH * self.servers.len() as u64 + cut_off, "{holding:?}");
    }
}

/// The sum of a metric's samples, of one destination if one is named.
fn sum(agent: &Agent, name: &str, destination: &str) -> f64 {
    let (_, text) = crate::http::get(&agent.address, "/metrics");
    let of_destination =
        |line: &str| destination.is_empty() || line.contains(&format!("destination=\"{destination}\""));
    let samples = text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && of_destination(line));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Kills the agent at moments that look like chance, while load runs; answers the last one and what was acknowledged.
fn kill_again_and_again(bench: &Bench, home: Home, kills: u64) -> (Agent, Summary, Acks) {
    let mut agent = home.start();
    // A second of load for each kill, and one after the last.
    let points = bench.workload.hosts as u64 * saker_load::FIELDS.len() as u64;
    let load = bench.load((kills + 1) * RATE / points);
    // The same moments in every run.
    let mut moments = fastrand::Rng::with_seed(1);
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(moments.u64(300..1200)));
        agent.kill();
        agent.start_again();
    }
    let (summary, acks) = load.join().unwrap();
    (agent, summary, acks)
}

#[test]
fn killed_at_any_moment_it_loses_nothing_that_it_acknowledged() {
    let bench = Bench::new(2);
    let (agent, summary, acks) = kill_again_and_again(&bench, bench.home("", ""), kills());
    bench.until_sent(&agent);
    bench.check_that_nothing_is_missing(&acks, kills(), &summary);
    bench.check_the_law(&agent);
}

#[test]
fn a_destination_that_comes_back_after_all_kills_gets_everything() {
    let mut bench = Bench::new(2);
    let home = bench.home("", "");
    bench.servers[1].kill();
    let (agent, summary, acks) = kill_again_and_again(&bench, home, kills().min(10));
    assert!(sum(&agent, "saker_destination_queued_points", "vm-1") > 0.0);
    bench.servers[1].start_again();
    bench.until_sent(&agent);
    bench.check_that_nothing_is_missing(&acks, kills().min(10), &summary);
    bench.check_the_law(&agent);
}

#[test]
fn on_a_full_disk_it_acknowledges_nothing_that_it_cannot_keep() {
    let mut bench = Bench::new(1);
    let home = bench.home("", "");
    let disk = SmallDisk::mount(&home.dir.path().join("data/queues"));
    bench.servers[0].kill();
    let mut agent = home.start();
    let load = bench.load(100);
    agent
        .until("the disk is full", |agent| (sum(agent, "saker_destination_queue_blocked", "vm-0") > 0.0).then_some(()));
    let (status, answer) = agent.post("/v1/push", "[{\"metric\":\"m\",\"value\":1,\"step\":10}]");
    assert_eq!(status, 429, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("no space left"), "{answer}");
    agent.kill();
    agent.start_again();
    bench.servers[0].start_again();
    let (summary, acks) = load.join().unwrap();
    assert!(summary.rejected > 0, "it rejected some: {summary:?}");
    bench.until_sent(&agent);
    bench.check_that_nothing_is_missing(&acks, 1, &summary);
    bench.check_the_law(&agent);
    drop((agent, disk));
}

#[test]
fn a_flipped_bit_costs_nothing_and_a_damaged_stretch_what_it_held() {
    let mut bench = Bench::with_hosts(1, 100);
    // Segments of a quarter of a MiB, which hold some 150,000 points.
    let home = bench.home("max_bytes = \"2MiB\"", "");
    bench.servers[0].kill();
    let mut agent = home.start();
    let (summary, acks) = bench.load(700).join().unwrap();
    assert_eq!(summary.rejected, 0, "{summary:?}");
    agent.kill();
    let segments = segments(&agent.home.dir.path().join("data/queues/vm-0/queue"));
    assert!(segments.len() >= 3, "{segments:?}");
    let change = |segment: usize, change: fn(&mut [u8])| {
        let mut bytes = std::fs::read(&segments[segment]).unwrap();
        change(&mut bytes);
        std::fs::write(&segments[segment], bytes).unwrap();
    };
    // Told from the others of its group.
    change(0, |bytes| bytes[bytes.len() / 2] ^= 0x10);
    // More than the group's parity makes good.
    change(1, |bytes| {
        let third = bytes.len() / 3;
        bytes[third..2 * third].fill(0);
    });
    bench.servers[0].start_again();
    agent.start_again();
    bench.until_sent(&agent);
    let lost = agent
        .metric("saker_destination_dropped_points_total{destination=\"vm-0\",reason=\"damaged\"}")
        .unwrap_or(0.0) as u64;
    assert!(lost > 0 && lost < summary.acknowledged / segments.len() as u64 * 2, "{lost} of {summary:?}");
    let holding = bench.holding(&acks, |holding| holding.missing == lost);
    assert_eq!(holding.missing, lost, "what is missing is what was said to be: {holding:?}");
    agent.until_logged("points in the queue are lost");
    bench.check_the_law(&agent);
}

#[test]
fn two_copies_stand_on_two_destinations_after_a_kill_under_load() {
    let mut bench = Bench::new(3);
    // VictoriaMetrics acknowledges what a kill of its own loses.
    let agent = bench.home("replay_window = \"15s\"", "replicas = 2").start();
    let load = bench.load(60);
    thread::sleep(Duration::from_secs(1));
    bench.servers[1].kill();
    thread::sleep(Duration::from_secs(1));
    bench.servers[1].start_again();
    let (summary, acks) = load.join().unwrap();
    bench.until_sent(&agent);
    let holding = bench.holding(&acks, |holding| holding.copies[1] == summary.acknowledged);
    assert_eq!((holding.missing, &holding.copies[..]), (0, &[0, summary.acknowledged, 0][..]), "{holding:?}");
    bench.check_the_law(&agent);
}

#[test]
fn the_share_of_an_absent_destination_spreads_evenly() {
    let mut bench = Bench::new(3);
    let agent =
        bench.home("replay_window = \"15s\"", "on_unavailable = \"reroute\"\nreroute_after = \"500ms\"").start();
    let load = bench.load(120);
    thread::sleep(Duration::from_secs(1));
    bench.servers[1].kill();
    agent.until("its points go elsewhere", |agent| {
        (sum(agent, "saker_destination_rerouted_points_total", "vm-0") > 0.0).then_some(())
    });
    let enqueued = |destination: &str| sum(&agent, "saker_destination_enqueued_points_total", destination);
    let before: Vec<_> = bench.destinations().map(|destination| enqueued(&destination)).collect();
    thread::sleep(Duration::from_secs(2));
    let during: Vec<_> =
        bench.destinations().zip(before).map(|(destination, before)| enqueued(&destination) - before).collect();
    let even = (during[0] + during[2]) / 2.0;
    assert!(during[1] == 0.0 && (during[0] - even).abs() < 0.15 * even, "{during:?}");
    bench.servers[1].start_again();
    agent.until("it gets its own again", |agent| {
        agent.metric("saker_destination_state{destination=\"vm-1\",state=\"closed\"}").filter(|closed| *closed == 1.0)
    });
    let (_, acks) = load.join().unwrap();
    bench.until_sent(&agent);
    let holding = bench.holding(&acks, |holding| holding.missing == 0);
    assert_eq!(holding.missing, 0, "{holding:?}");
    bench.check_the_law(&agent);
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

/// A disk of a few MiB.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    #[expect(clippy::disallowed_methods, reason = "nothing else makes a disk that is small for sure")]
    fn mount(path: &Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"])
            .arg(path)
            .status()
            .unwrap();
        assert!(status.success(), "mounting a small disk needs root");
        Self(path.to_owned())
    }
}

impl Drop for SmallDisk {
    #[expect(clippy::disallowed_methods, reason = "nothing else makes a disk that is small for sure")]
    fn drop(&mut self) {
        // Lazily, for the agent may be ending.
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
