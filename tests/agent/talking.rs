//! What the agent and its commands say, and to whom: nobody waits for a reader, nothing panics for want of one, and a
//! stream has one form.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::agent::{Home, command, guest, saker, send, shipped, variant};
use crate::http;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent whose streams the test holds.
struct Held {
    _home: Home,
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Held {
    /// Starts an agent whose standard output goes there; its log is read, and tells the address.
    fn start(home: Home, output: Stdio) -> Self {
        let mut run = command();
        run.args(["run", "--config", "agent.toml"]).current_dir(home.dir.path());
        let mut child = run.stdout(output).stderr(Stdio::piped()).spawn().unwrap();
        let (log, errors) = (Arc::<Mutex<String>>::default(), child.stderr.take().unwrap());
        let kept = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let mut held = Self { _home: home, child, address: String::new(), log };
        held.address = held.until("it listens", |held| {
            let log = held.log();
            // As text, and as JSON.
            let (_, rest) = log.split_once("127.0.0.1:")?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            rest.contains('\n').then(|| format!("127.0.0.1:{port}"))
        });
        held
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < end, "never: {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end; answers its exit status.
    fn end(mut self) -> (Option<i32>, String) {
        send(&self.child, Signal::TERM);
        let status = ended(&mut self.child);
        // What it has written last is read when there is no more.
        self.until("the log is read to its end", |held| (Arc::strong_count(&held.log) == 1).then_some(()));
        (status, self.log())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It has ended already if the test has come to its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process that is about to come.
fn ended(child: &mut Child) -> Option<i32> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(Instant::now() < end, "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
}

fn full() -> Stdio {
    std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads any more.
fn gone() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// An agent that says more than its log's pipe holds and its memory has room for, while nobody reads.
struct Swamped {
    _home: Home,
    child: Child,
    address: String,
}

impl Swamped {
    fn start() -> Self {
        let home = Home::new(&["load"]).on_fixtures(&["load"]).keys("interval = \"100ms\"").config(
            "[plugin.log-flood]\nsettings = { lines = 2000, more_bytes = 900 }\nlimits.max_log_lines_per_s = 1000000\n",
        );
        home.put("log-flood", &guest("log-flood"));
        let mut run = command();
        run.args(["run", "--config", "agent.toml"]).current_dir(home.dir.path());
        let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The start-up message tells the address.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("http://")?.1.split('/').next()?.to_owned()));
        let agent = Self { _home: home, child, address: address.unwrap() };
        let lost = "saker_log_dropped_lines_total{reason=\"no_room\"}";
        agent.until("lines are lost", |agent| agent.metric(lost) > 0.0);
        agent
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, text) = http::get(&self.address, "/metrics");
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
    }

    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < end, "never: {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Swamped {
    fn drop(&mut self) {
        // It has ended already if the test has come to its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nothing_and_tells_later_what_it_has_lost() {
    let mut agent = Swamped::start();
    let runs = "saker_collector_runs_total{plugin=\"load\",result=\"succeeded\"}";
    let before = agent.metric(runs);
    agent.until("runs go on", |agent| agent.metric(runs) >= before + 20.0);
    assert_eq!(http::get(&agent.address, "/health").0, 200);

    let mut log = BufReader::new(agent.child.stderr.take().unwrap());
    let (told, tell) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        while log.read_line(&mut line).unwrap_or(0) > 0 {
            if line.contains("lines of this log were lost") {
                // Once is enough.
                let _ = told.send(line.clone());
            }
            line.clear();
        }
    });
    let line = tell.recv_timeout(PATIENCE).expect("the log tells what it has lost");
    assert!(line.contains("WARN") && line.contains("lines="), "{line}");
    send(&agent.child, Signal::TERM);
    assert_eq!(ended(&mut agent.child), Some(0));
}

#[test]
fn an_end_does_not_wait_for_a_log_that_nobody_reads() {
    let mut agent = Swamped::start();
    send(&agent.child, Signal::TERM);
    assert_eq!(ended(&mut agent.child), Some(0));
}

#[test]
fn a_standard_output_that_takes_nothing_has_the_account_in_the_log() {
    for output in [full(), gone()] {
        let held = Held::start(Home::new(&["load"]).on_fixtures(&["load"]), output);
        held.until("it collects", |held| {
            let recent = http::json(&held.address, "/saker/v1/recent?metric=load.1min");
            (recent["total"] == 1).then_some(())
        });
        let (status, log) = held.end();
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains("account at the end source=\"collector:load\" received="), "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn commands_end_in_order_when_nobody_reads_them_and_fail_on_a_full_disk() {
    let home = Home::new(&["load"]).on_fixtures(&["load"]);
    let file = home.plugin_path("load").display().to_string();
    let fixtures = crate::agent::repository().join("tests/fixtures");
    let grant = format!("read={}", fixtures.display());
    let settings = format!("{{\"proc\": \"{}/proc\"}}", fixtures.display());
    let collect = ["collect", &file, "--grant", &grant, "--settings", &settings];
    let commands: [&[&str]; 5] = [
        &["check", "--config", "agent.toml"],
        &["completions", "bash"],
        &["plugin", "inspect", &file],
        &collect,
        &["plugin", "run", &file, "--grant", &grant, "--settings", &settings, "--interval", "10ms"],
    ];
    for arguments in commands {
        let run = |output: Stdio, errors: Stdio| {
            let mut command = command();
            command.args(arguments).current_dir(home.dir.path()).env("XDG_CACHE_HOME", home.dir.path());
            let child = command.stdout(output).stderr(errors).spawn().unwrap();
            let output = child.wait_with_output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let (status, said) = run(gone(), Stdio::piped());
        assert_eq!((status, said.contains("panicked")), (Some(0), false), "{arguments:?}: {said}");
        let (status, said) = run(full(), Stdio::piped());
        assert_eq!(status, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("saker: cannot write to standard output: "), "{arguments:?}: {said}");
        assert_eq!(run(full(), full()).0, Some(1), "{arguments:?}: an error that nobody can be told of");
    }
}

#[test]
fn standard_output_has_only_data_and_a_json_log_only_json() {
    let destination = "[log]\nformat = \"json\"\n[destination.out]\nbackend = \"stdout\"\ngrant.stdout = true\nbatch.max_age = \"10ms\"\n\
                [[route]]\ndestinations = \"out\"\n";
    let home = Home::new(&["load", "stdout"]).on_fixtures(&["load"]).config(destination);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let held = Held::start(home, writer.into());
    held.until("points are printed", |held| {
        let routes = http::json(&held.address, "/saker/v1/routes");
        (routes["destinations"][0]["delivered"].as_u64()? > 0).then_some(())
    });
    held.until("it tells what runs", |held| held.log().contains("in place").then_some(()));
    let (status, log) = held.end();
    assert_eq!(status, Some(0), "{log}");
    let mut printed = String::new();
    reader.read_to_string(&mut printed).unwrap();
    for line in printed.lines() {
        let point: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(point.get("metric").is_some(), "{line}");
    }
    let events: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let messages: Vec<_> = events.iter().filter_map(|event| event["fields"]["message"].as_str()).collect();
    for expected in ["listening", "running", "in place", "stopping", "account at the end"] {
        assert!(messages.contains(&expected), "{expected} in {messages:?}");
    }
}

#[test]
fn a_text_log_beside_data_on_standard_output_has_the_account_as_well() {
    let destination =
        "[destination.out]\nbackend = \"stdout\"\ngrant.stdout = true\n[[route]]\ndestinations = \"out\"\n";
    let (mut reader, writer) = std::io::pipe().unwrap();
    let held = Held::start(Home::new(&["stdout"]).config(destination), writer.into());
    let (status, log) = held.end();
    assert_eq!(status, Some(0), "{log}");
    let mut printed = String::new();
    reader.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "", "nothing was to be printed");
    assert!(log.contains("account at the end destination=\"out\""), "{log}");
}

#[test]
fn mistakes_of_a_configuration_with_a_json_log_are_json() {
    let home = Home::new(&[]);
    home.write_config("interval = 5\n[log]\nformat = \"json\"\n");
    std::fs::write(home.dir.path().join("broken.toml"), "interval = \n").unwrap();
    for (file, set, status, expected) in [
        ("agent.toml", "log.level=info", 78, "agent.toml:1:12: interval"),
        ("broken.toml", "log.format=json", 78, "broken.toml:1:"),
        ("nowhere.toml", "log.format=json", 1, "cannot read nowhere.toml"),
    ] {
        let output = saker(&["run", "--config", file, "--set", set], home.dir.path());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        for line in said.lines() {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {said}"));
            assert!(event["fields"]["message"].as_str().unwrap().contains(expected), "{event}");
        }
        assert!(!said.is_empty());
    }
}

#[test]
fn a_token_file_that_is_not_there_is_the_only_error() {
    let home = Home::new(&["load", "memory", "cpu", "tcp", "influx", "victoria"]).config("token_file = \"nowhere\"");
    let output = saker(&["run", "--config", "agent.toml"], home.dir.path());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot read the token in"), "{said}");
    let errors = said.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).count();
    assert_eq!((errors, said.contains("cancelled")), (1, false), "{said}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // It takes connections, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let destination = format!(
        "[destination.a]\nbackend = \"influx\"\nsettings = {{ url = \"http://{address}/write\" }}\n\
         grant.connect = [\"{address}\"]\nbatch.max_age = \"10ms\"\nlimits.deadline.write = \"50s\"\n[[route]]\ndestinations = \"a\"\n"
    );
    let home = Home::new(&["influx"]).config(&destination).keys("shutdown_timeout = \"50s\"");
    let mut held = Held::start(home, Stdio::null());
    let push =
        "[{\"endpoint\":\"e\",\"metric\":\"m\",\"value\":1,\"step\":60,\"counterType\":\"GAUGE\",\"tags\":\"\"}]";
    assert_eq!(http::request(&held.address, "POST", "/v1/push", &[], push).unwrap().0, 200);
    let _connection = silent.accept().unwrap();
    send(&held.child, Signal::TERM);
    held.until("it is stopping", |held| held.log().contains("stopping").then_some(()));
    let began = Instant::now();
    send(&held.child, Signal::INT);
    assert_eq!(ended(&mut held.child), Some(1));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    held.until("it says so", |held| held.log().contains("told again: ends at once").then_some(()));
}

#[test]
fn each_change_of_state_is_one_line_and_a_fault_tells_its_age_and_its_end() {
    let home =
        Home::new(&[]).keys("interval = \"100ms\"").config("[plugin.mine]\nlimits.deadline.collect = \"100ms\"\n");
    home.put("mine", &guest("spin"));
    let agent = home.start();
    agent.until("it is quarantined", |agent| (agent.instance("mine")?["state"] == "quarantined").then_some(()));
    let count = |words: &str| agent.log().lines().filter(|line| line.contains(words)).count();
    assert_eq!((count("backing off plugin=\"mine\""), count("quarantined: it was ended too often")), (1, 1));
    let fault = agent.instance("mine").unwrap()["last_fault"].clone();
    assert_eq!(fault["over"], false, "{fault}");
    assert!(fault["ago_s"].as_u64().unwrap() < 60, "{fault}");

    let resume = saker(&["plugin", "resume", "mine", "--address", &agent.address], agent.home.dir.path());
    assert!(resume.status.success(), "{resume:?}");
    agent.home.put("mine", &variant(&guest("steady-1"), 1));
    let fault = agent.until("its fault is over", |agent| {
        Some(agent.instance("mine")?["last_fault"].clone()).filter(|fault| fault["over"] == true)
    });
    assert!(fault["over_at_ms"].as_i64().unwrap() >= fault["at_ms"].as_i64().unwrap(), "{fault}");
    let list = saker(&["plugin", "list", "--address", &agent.address], agent.home.dir.path());
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains(" s ago, over): "), "{list}");
}

#[test]
fn a_plugin_that_backs_off_and_runs_again_is_told_of_once_each() {
    let home = Home::new(&["load"]).keys("interval = \"100ms\"");
    let proc = home.dir.path().join("proc");
    std::fs::create_dir(&proc).unwrap();
    let settings = format!("[plugin.load]\nsettings.proc = {proc:?}\ngrant.read = [{proc:?}]\n");
    let agent = home.config(&settings).start();
    agent.until("it fails twice", |agent| (agent.instance("load")?["counts"]["failed"].as_u64()? >= 2).then_some(()));
    std::fs::write(proc.join("loadavg"), "0.5 0.5 0.5 1/2 3\n").unwrap();
    agent.until("it runs again", |agent| agent.log().contains("running again plugin=\"load\"").then_some(()));
    let log = agent.log();
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!((count("backing off plugin=\"load\""), count("running again plugin=\"load\"")), (1, 1), "{log}");
}

#[test]
fn a_plugin_that_is_tried_twice_is_compiled_once() {
    let home = Home::new(&[]);
    let file = home.dir.path().join("mine.wasm");
    std::fs::write(&file, shipped("load")).unwrap();
    let inspect = |caches: &str| {
        let mut inspect = command();
        inspect.args(["plugin", "inspect", "--json"]).arg(&file).env("XDG_CACHE_HOME", home.dir.path().join(caches));
        let output = inspect.output().unwrap();
        let about: Value = serde_json::from_slice(&output.stdout).unwrap();
        (about["machine_code"].clone(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(inspect("caches").0, "compiled");
    assert_eq!(inspect("caches").0, "cached");
    // A cache that others can write to is not used, and costs nothing but time.
    let open = home.dir.path().join("open/saker/compiled");
    std::fs::create_dir_all(&open).unwrap();
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let (code, said) = inspect("open");
    assert_eq!(code, "compiled");
    assert!(said.contains("machine code is not kept: the compile cache"), "{said}");
}
