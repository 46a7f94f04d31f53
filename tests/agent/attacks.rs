//! Every plugin that attacks its host, in turn and then all at once, beside collectors that must not notice.
//!
//! In the tests for some seconds; `make bench-hostile` gives all of them five minutes, looks at each one by itself, and
//! asks for figures that only a machine of one's own can give.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::agent::{Agent, Home, guest};

/// How an attack ends.
#[derive(Clone, Copy)]
enum End {
    /// As a fault of that kind, and of no other.
    Fault(&'static str),
    /// In some way or in none: it floods, lies, fills or holds on.
    Any,
    /// When the file is loaded.
    Rejected,
}

use End::{Any, Fault, Rejected};

/// The instance or file, the guest in it, its keys, and how it ends. `HOME` stands for the agent's folder.
type Attack = (&'static str, &'static str, &'static str, End);

/// Only what never ends is hurried: a busy machine may take its time for everything else.
const HURRIED: &str = "limits.deadline = { open = \"300ms\", collect = \"300ms\" }";

const COLLECTORS: [Attack; 60] = [
    ("abort", "abort", "", Fault("trap")),
    ("socket-dialer", "socket-dialer", "settings.address = \"127.0.0.1:9\"", Fault("denied")),
    ("exit", "exit", "", Fault("trap")),
    ("fail", "fail", "", Fault("error")),
    ("http-post", "http-post", "settings.url = \"http://127.0.0.1:9/\"", Fault("denied")),
    ("sample-flood", "sample-flood", "settings.records = 100_000", Fault("answer")),
    ("memory-hog", "memory-hog", "", Fault("memory")),
    ("huge-text", "huge-text", "", Fault("memory")),
    ("leak-files", "leak-files", "settings.path = \"/etc/passwd\"", Fault("denied")),
    ("leak-handles", "leak-handles", "", Fault("handles")),
    ("lie-callback", "lie-callback", "", Fault("trap")),
    ("lie-discriminant", "lie-discriminant", "", Fault("trap")),
    ("lie-divide", "lie-divide", "", Fault("trap")),
    ("lie-length", "lie-length", "", Fault("trap")),
    ("lie-realloc-spin", "lie-realloc-spin", HURRIED, Fault("deadline")),
    ("lie-repeat", "lie-repeat", "", Fault("answer")),
    ("lie-table", "lie-table", "", Fault("table")),
    ("lie-utf8", "lie-utf8", "", Fault("trap")),
    ("lie-wild", "lie-wild", "", Fault("trap")),
    ("lookup", "lookup", "settings.name = \"word.attacker.example\"", Fault("denied")),
    ("random-bomb", "random-bomb", "", Fault("trap")),
    ("read", "read", "settings.path = \"/etc/passwd\"", Fault("denied")),
    ("recurse", "recurse", "", Fault("stack")),
    ("sleep", "sleep", HURRIED, Fault("deadline")),
    ("spin", "spin", HURRIED, Fault("deadline")),
    ("trap", "trap", "", Fault("trap")),
    ("write", "write", "settings = { path = \"/tmp/x\", create = true }", Fault("denied")),
    ("mouthy-other", "huge-texts", "settings.place = \"other\"", Fault("error")),
    ("mouthy-malformed", "huge-texts", "settings.place = \"malformed\"", Fault("error")),
    ("mouthy-panic", "huge-texts", "settings = { place = \"panic\", bytes = 1_000_000 }", Any),
    ("mouthy-log", "huge-texts", "settings.place = \"log\"", Any),
    ("mouthy-figure", "huge-texts", "settings.place = \"figure\"", Any),
    ("mouthy-metric", "huge-texts", "settings.place = \"metric\"", Any),
    ("mouthy-tag", "huge-texts", "settings.place = \"tag\"", Any),
    ("mouthy-path", "huge-texts", "settings.place = \"path\"", Any),
    ("mouthy-host", "huge-texts", "settings.place = \"host\"", Any),
    ("cpu-burner", "cpu-burner", "settings = { ms = 300, failing = 1_000_000 }", Any),
    (
        "path-explorer",
        "path-explorer",
        "settings.paths = [\"/proc/self/mem\", \"/proc/1/environ\", \"/proc/kcore\", \"/proc/thread-self/maps\"]\n\
         grant.read = [\"/proc\"]",
        Any,
    ),
    (
        "grant-swapper",
        "grant-swapper",
        "settings = { folder = \"HOME/swapped\", name = \"inner\", to = \"../data\" }\ngrant.write = [\"HOME/swapped\"]",
        Any,
    ),
    ("lookup-flood", "lookup-flood", "settings.names = [\"a.example\"]\ngrant.connect = [\"a.example:80\"]", Any),
    ("fill-file", "fill", "", Any),
    ("fill-nameless", "fill", "settings.how = \"nameless\"", Any),
    ("fill-sparse", "fill", "settings.how = \"sparse\"", Any),
    ("fill-tiny", "fill", "settings.how = \"tiny\"", Any),
    ("fill-deep", "fill", "settings.how = \"deep\"", Any),
    ("fill-links", "fill", "settings.how = \"links\"", Any),
    ("log-flood", "log-flood", "", Any),
    ("custom-metrics", "custom-metrics", "", Any),
    ("tiny-interval", "tiny-interval", "", Any),
    ("invalid-samples", "invalid-samples", "", Any),
    ("leak-sockets", "leak-sockets", "", Any),
    ("series-bomb", "series-bomb", "", Any),
    ("compress", "compress", "settings = { bytes = 4_000_000, level = 9 }", Any),
    ("state-bomb", "state-bomb", "", Any),
    ("tag-bomb", "tag-bomb", "", Any),
    ("threads", "threads", "", Any),
    ("describe-trap", "describe-trap", "", Rejected),
    ("schema-bomb", "schema-bomb", "", Rejected),
    ("schema-flood", "schema-flood", "", Rejected),
    ("request-bomb", "request-bomb", "", Rejected),
];

/// What each of those that fill a folder has besides.
const FILLING: &str = "grant.data_dir = true\nlimits.max_data_dir_bytes = \"8MiB\"";
const FOLDER_BYTES: u64 = 8 << 20;

/// Files that are dear to compile. They come one by one: two compilers at a time use both processors of a small machine,
/// which is none of the sandbox's faults.
const BOMBS: [&str; 4] = ["bomb-code", "bomb-jumps", "bomb-live", "bomb-nesting"];

/// Backends, with their settings.
const BACKENDS: [(&str, &str); 5] = [
    ("huge-texts-backend", "settings.answer = \"reject\""),
    ("overclaiming-backend", ""),
    ("reject-bomb", ""),
    ("spin-write", "limits.deadline.write = \"300ms\""),
    (
        "fifo-backend",
        "settings.path = \"HOME/fifo/pipe\"\ngrant.write = [\"HOME/fifo\"]\nlimits.deadline.write = \"300ms\"",
    ),
];

const PROCESSORS: [(&str, &str); 1] = [("slow-processor", "settings.ms = 20")];

/// Those that must not notice.
const STEADY: [&str; 10] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];

/// What an instance may hold by default, and what the agent may need besides to deal with it.
const LIMIT_BYTES: u64 = 64 << 20;
const BESIDES_BYTES: u64 = 5_000_000;
/// What may be left of it after [`PATIENCE`].
const LEFT_BYTES: u64 = 10_000_000;
const PATIENCE: Duration = Duration::from_secs(10);
/// How much later than by themselves the steady ones may be called, in milliseconds.
const LATER_MS: f64 = 20.0;

/// How long all of them run beside each other, if it is measured.
fn measured_seconds() -> Option<u64> {
    std::env::var("SAKER_HOSTILE_SECONDS").ok().and_then(|text| text.parse().ok())
}

fn config(home: &Path) -> String {
    let mut config = String::from("[cache]\nmax_age = \"20m\"\n[pipeline]\nprocessors = [");
    PROCESSORS.iter().for_each(|(name, _)| write!(config, "{name:?},").unwrap());
    config.push_str("]\n");
    for name in STEADY {
        writeln!(config, "[plugin.{name}]\nsettings.name = {name:?}").unwrap();
    }
    let processors = PROCESSORS.iter().map(|(name, keys)| (name, name, keys));
    for (name, program, keys) in
        COLLECTORS.iter().map(|(name, program, keys, _)| (name, program, keys)).chain(processors)
    {
        writeln!(config, "[plugin.{name}]\n{keys}").unwrap();
        if *program == "fill" {
            writeln!(config, "{FILLING}").unwrap();
        }
    }
    for (name, keys) in BACKENDS {
        writeln!(
            config,
            "[destination.{name}]\nbackend = {name:?}\n{keys}\nretry = {{ min = \"50ms\", max = \"200ms\" }}"
        )
        .unwrap();
        writeln!(config, "[destination.{name}.queue]\nmax_bytes = \"4MiB\"\n[[route]]\ndestinations = [{name:?}]")
            .unwrap();
    }
    config.replace("HOME", &home.display().to_string())
}

/// How many files and threads the agent has.
pub(crate) fn holdings(agent: &Agent) -> (usize, usize) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", agent.pid())).unwrap().count();
    (count("fd"), count("task"))
}

/// How many files it has but those of its queues, which stay.
fn besides_queues(agent: &Agent) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().flatten();
    let paths = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    paths.filter(|path| !path.to_string_lossy().contains("/data/queues")).count()
}

/// What files they are, and what the threads are called.
fn held(agent: &Agent) -> String {
    let entries = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", agent.pid())).unwrap().flatten();
    let mut names: Vec<_> = entries("fd")
        .filter_map(|fd| Some(std::fs::read_link(fd.path()).ok()?.display().to_string()))
        .chain(entries("task").filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()))
        .map(|name| name.trim().to_owned())
        .collect();
    names.sort();
    names.join(", ")
}

fn counts(agent: &Agent, name: &str) -> Value {
    agent.instance(name).unwrap()["counts"].clone()
}

/// Looks at the agent's memory all the time.
struct MemoryWatch {
    peak: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

impl MemoryWatch {
    fn new(pid: u32) -> Self {
        let (peak, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let watch = Self { peak: peak.clone(), ends: ends.clone() };
        std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                peak.fetch_max(resident_bytes(pid), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        watch
    }

    fn restart(&self) {
        self.peak.store(0, Ordering::Relaxed);
    }

    fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// Waits until a plugin has done what it does.
fn until_it_attacked(agent: &Agent, (name, _, _, end): Attack) {
    match end {
        Fault(kind) => {
            agent.until(&format!("{name} has ended as {kind}"), |agent| {
                (agent.instance(name)?["counts"]["faults"][kind].as_u64()? > 0).then_some(())
            });
            let faults = counts(agent, name)["faults"].as_object().unwrap().clone();
            // Whoever fails again and again has used up its share of a processor as well.
            assert!(faults.keys().all(|other| other == kind || other == "cpu"), "{name}: {faults:?}");
        }
        Any => agent.until(&format!("{name} was called"), |agent| {
            let counts = agent.instance(name)?["counts"].clone();
            (counts["succeeded"].as_u64()? + counts["failed"].as_u64()? > 0).then_some(())
        }),
        Rejected => _ = until_looked_at(agent, name),
    }
}

/// Waits until a file was looked at, and answers what became of it.
fn until_looked_at(agent: &Agent, name: &str) -> Value {
    agent.until_within(Duration::from_secs(120), &format!("{name} was looked at"), |agent| {
        let files = agent.json("/saker/v1/plugins")["files"].clone();
        let file = files.as_array()?.iter().find(|file| file["file"] == format!("{name}.wasm"))?.clone();
        (file["busy"] == false).then_some(file)
    })
}

/// One after the other, while the memory that it costs is looked at. Answers what is worth telling.
fn in_turn(agent: &Agent, watch: &MemoryWatch, all: bool) -> String {
    let mut told = String::new();
    let collectors = COLLECTORS.iter().map(|attack| (attack.0, attack.1, Some(*attack)));
    let files = BACKENDS.iter().map(|(name, _)| *name).chain(PROCESSORS.iter().map(|(name, _)| *name)).chain(BOMBS);
    for (name, program, attack) in collectors.chain(files.map(|name| (name, name, None))) {
        if !(all || ["memory-hog", "mouthy-other", "fill-nameless"].contains(&name)) {
            continue;
        }
        let before = resident_bytes(agent.pid());
        watch.restart();
        agent.home.put(name, &guest(program));
        match attack {
            Some(attack) => until_it_attacked(agent, attack),
            None => _ = until_looked_at(agent, name),
        }
        if all {
            std::thread::sleep(Duration::from_secs(2));
        }
        std::fs::remove_file(agent.home.plugin_path(name)).unwrap();
        let peak = watch.peak();
        let left = agent.until_within(PATIENCE, &format!("{name} has left what it took"), |agent| {
            let now = resident_bytes(agent.pid());
            (now <= before + LEFT_BYTES).then_some(now)
        });
        let over = peak.saturating_sub(before);
        assert!(over <= LIMIT_BYTES + BESIDES_BYTES, "{name}: {over} bytes more than before");
        writeln!(told, "{name:>20}: {:5.1} MB more while it ran, {:+5.1} after", over as f64 / 1e6, {
            left as f64 / 1e6 - before as f64 / 1e6
        })
        .unwrap();
    }
    told
}

#[test]
fn the_worst_plugins_cost_their_own_values_only() {
    let (measured, seconds) = (measured_seconds().is_some(), measured_seconds().unwrap_or(12));
    let home = Home::new(&[]).keys("interval = \"1s\"");
    let dir = home.dir.path().to_owned();
    std::fs::create_dir_all(dir.join("swapped/inner")).unwrap();
    std::fs::create_dir(dir.join("fifo")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("fifo/pipe"), rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let home = home.config(&config(&dir));
    STEADY.iter().for_each(|name| home.put(name, &guest("run-lateness")));
    let agent = home.start();
    agent.until("the steady ones run", |agent| (counts(agent, "s9")["succeeded"].as_u64()? > 2).then_some(()));
    let alone = steady_for(&agent, if measured { 60 } else { 3 });
    let (files, threads) = (besides_queues(&agent), holdings(&agent).1);
    let watch = MemoryWatch::new(agent.pid());
    print!("{}", in_turn(&agent, &watch, measured));

    for attack in COLLECTORS {
        agent.home.put(attack.0, &guest(attack.1));
    }
    for (name, _) in BACKENDS.iter().chain(&PROCESSORS) {
        agent.home.put(name, &guest(name));
    }
    COLLECTORS.into_iter().for_each(|attack| until_it_attacked(&agent, attack));
    for (name, _) in BACKENDS.iter().chain(&PROCESSORS) {
        until_looked_at(&agent, name);
    }
    // Sixty files that are loaded and opened in the same second are not what is measured.
    std::thread::sleep(Duration::from_secs(5));
    watch.restart();
    let beside = steady_for(&agent, seconds);
    let memory = watch.peak();
    let attacks = COLLECTORS.len() + BACKENDS.len() + PROCESSORS.len();
    println!("{} steady collectors alone: {alone}", STEADY.len());
    println!("beside {attacks} hostile plugins: {beside}; {:.0} MB at most", memory as f64 / 1e6);
    assert!(beside.runs as u64 >= STEADY.len() as u64 * seconds, "{beside}");
    // A measurement has the machine for itself.
    assert!(!measured || beside.p99 <= alone.p99 + LATER_MS, "{beside}, and alone {alone}");
    assert!(memory < 400_000_000, "{memory} bytes");
    for (name, ..) in COLLECTORS.iter().filter(|(_, program, ..)| *program == "fill") {
        let bytes = allocated(&dir.join("data/folders").join(name));
        assert!(bytes <= FOLDER_BYTES, "{name} has filled {bytes} bytes");
    }

    for name in COLLECTORS.map(|attack| attack.0).into_iter().chain(BACKENDS.map(|(name, _)| name)) {
        std::fs::remove_file(agent.home.plugin_path(name)).unwrap();
    }
    for (name, _) in PROCESSORS {
        std::fs::remove_file(agent.home.plugin_path(name)).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while besides_queues(&agent) > files + 2 || holdings(&agent).1 > threads + 2 {
        let now = holdings(&agent);
        assert!(
            Instant::now() < deadline,
            "{now:?} files and threads, and {files}, {threads} before: {}",
            held(&agent)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    agent.stop();
}

/// The bytes that a folder takes on its disk.
fn allocated(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: std::fs::DirEntry| {
        let metadata = entry.metadata().unwrap();
        let below = if metadata.is_dir() { allocated(&entry.path()) } else { 0 };
        metadata.blocks() * 512 / metadata.nlink().max(1) + below
    };
    entries.map(bytes).sum()
}

/// How late the steady collectors were called, in milliseconds.
struct Lateness {
    runs: usize,
    p50: f64,
    p99: f64,
    worst: f64,
}

impl std::fmt::Display for Lateness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, p50, p99, worst } = self;
        write!(f, "{runs} runs, p50 {p50:.1} ms late, p99 {p99:.1} ms, worst {worst:.1} ms")
    }
}

/// Lets the steady collectors run for a time, in which none of their runs may fail, be skipped or overrun.
fn steady_for(agent: &Agent, seconds: u64) -> Lateness {
    let before: Vec<_> = STEADY.iter().map(|name| counts(agent, name)).collect();
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    agent.until_within(Duration::from_secs(seconds + 60), "so many more runs", |agent| {
        (counts(agent, "s0")["runs"].as_u64()? > before[0]["runs"].as_u64()? + seconds).then_some(())
    });
    for (name, before) in STEADY.iter().zip(&before) {
        let counts = counts(agent, name);
        for key in ["failed", "skipped", "overrun"] {
            assert_eq!(counts[key], before[key], "{name}: {counts}, and before {before}");
        }
    }
    // A run is stamped with the second that it belongs to, which may have begun before.
    let start = began / 1000 * 1000;
    let recent = agent.json(&format!("/saker/v1/recent?metric=run-lateness.late_ms&start={start}"));
    let series = recent["series"].as_array().unwrap().iter();
    let points = series.flat_map(|series| series["points"].as_array().unwrap());
    let mut late: Vec<_> = points.map(|point| point[1].as_f64().unwrap()).collect();
    late.sort_by(f64::total_cmp);
    let at = |part: usize| late[(late.len() * part / 100).min(late.len() - 1)];
    Lateness { runs: late.len(), p50: at(50), p99: at(99), worst: at(100) }
}
