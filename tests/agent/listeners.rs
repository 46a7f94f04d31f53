//! What strangers can do to the API: pages of other sites, heads and bodies that never end, bodies that become more than
//! they look like. Each test says what its attack did before there was a bound.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::{Value, json};

use crate::agent::{Agent, Home, saker};
use crate::http;

const MIB: usize = 1 << 20;

/// A connection on which so much was said.
fn say(agent: &Agent, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&agent.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Who is turned away at once cannot say it all.
    let _ = stream.write_all(text.as_bytes());
    stream
}

/// All that comes until the connection is closed.
fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn ask(agent: &Agent, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}");
    let answer = rest(&mut say(agent, &request));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A line of `/proc/PID/status`, in bytes.
fn status_bytes(agent: &Agent, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Asks for `/health` all the time.
struct Pulse {
    end: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Duration>>,
}

impl Pulse {
    fn start(agent: &Agent) -> Self {
        let (address, end) = (agent.address.clone(), Arc::new(AtomicBool::new(false)));
        let until = end.clone();
        let asking = thread::spawn(move || {
            let mut took = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let begun = Instant::now();
                assert_eq!(http::get(&address, "/health").0, 200);
                took.push(begun.elapsed());
                thread::sleep(Duration::from_millis(5));
            }
            took
        });
        Self { end, asking }
    }

    /// Other tests use the processors as well, so now and then an answer may be late.
    fn check(self) {
        self.end.store(true, Ordering::Relaxed);
        let mut took = self.asking.join().unwrap();
        took.sort();
        let (most, last) = (took[took.len() * 9 / 10], took[took.len() - 1]);
        assert!(most < Duration::from_millis(100) && last < Duration::from_secs(1), "{most:?}, at most {last:?}");
    }
}

fn rejected(agent: &Agent, family: &str, reason: &str) -> f64 {
    agent.metric(&format!("saker_http_rejected_{family}_total{{reason=\"{reason}\"}}")).unwrap()
}

#[test]
fn a_page_of_another_site_can_neither_push_nor_drop_nor_read() {
    let destination = "[destination.a]\nbackend = \"stdout\"\n[[route]]\ndestinations = [\"a\"]\n";
    let agent = Home::new(&["stdout"]).config(destination).start();
    let here = agent.address.clone();
    let own = format!("http://{here}");
    let (drop, push) = ("/saker/v1/queues/a/drop?what=dead-letters", "/v1/push");
    let value = r#"[{"metric":"m","value":1}]"#;
    for (name, value_of) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://6.6.6.6"),
        ("origin", "http://localhost:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for (method, path, body) in
            [("POST", push, value), ("POST", "/write", "m v=1"), ("POST", drop, ""), ("GET", "/metrics", "")]
        {
            let (status, answer) =
                ask(&agent, method, path, &[("host", &here), (name, value_of), ("x-saker", "1")], body);
            assert_eq!(status, 403, "{path} with {name}: {value_of}: {answer}");
            assert!(answer["error"].as_str().unwrap().contains("site"), "{answer}");
        }
    }
    // A page whose name leads here (DNS rebinding) is of the same origin, to the browser.
    for path in ["/", "/health", "/metrics", "/saker/v1/recent", push] {
        let rebound =
            [("host", "evil.example:1988"), ("origin", "http://evil.example:1988"), ("sec-fetch-site", "same-origin")];
        let (status, answer) = ask(&agent, if path == push { "POST" } else { "GET" }, path, &rebound, value);
        assert_eq!(status, 403, "{path}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains("'evil.example:1988'"), "{answer}");
    }
    assert_eq!(ask(&agent, "GET", "/health", &[], "").0, 400, "without a host");
    assert_eq!(agent.metric("saker_received_points_total{source=\"push\"}"), None, "nothing was taken");
    // Programs say nothing of sites; the agent's own pages say that they are its own.
    for headers in [&[][..], &[("origin", own.as_str()), ("sec-fetch-site", "same-origin")]] {
        let headers = [&[("host", here.as_str())], headers].concat();
        assert_eq!(ask(&agent, "POST", push, &headers, value).0, 200);
        assert_eq!(ask(&agent, "POST", "/write", &headers, "m v=1").0, 204);
    }
    // What an operator does wants a word that no foreign page can say.
    for path in [drop, "/saker/v1/queues/a/replay", "/saker/v1/plugins/a/resume"] {
        let (status, answer) = ask(&agent, "POST", path, &[("host", &here)], "");
        assert_eq!(status, 403, "{path}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains("X-Saker: 1"), "{answer}");
        let simple = [("host", here.as_str()), ("content-type", "text/plain")];
        assert_eq!(ask(&agent, "POST", path, &simple, "").0, 403, "{path}");
    }
    assert_eq!(ask(&agent, "POST", drop, &[("host", &here), ("x-saker", "1")], "").0, 200);
    let json = [("host", here.as_str()), ("content-type", "application/json")];
    assert_eq!(ask(&agent, "POST", drop, &json, "").0, 200);
    let done = saker(&["queue", "drop", "a", "--dead-letters", "--address", &here], agent.home.dir.path());
    assert!(done.status.success(), "{done:?}");
    assert!(rejected(&agent, "requests", "origin") >= 16.0 && rejected(&agent, "requests", "fetch_site") >= 8.0);
    assert!(rejected(&agent, "requests", "host") >= 5.0 && rejected(&agent, "requests", "operator_header") >= 6.0);
}

#[test]
fn names_that_the_operator_adds_are_the_agents_own() {
    let agent =
        Home::new(&[]).config("allowed_hosts = [\"metrics.example\"]\ntrusted_proxies = [\"127.0.0.2\"]").start();
    let from = |host: &str| ask(&agent, "GET", "/health", &[("host", host)], "").0;
    assert_eq!((from("metrics.example"), from("METRICS.example.:80"), from("other.example")), (200, 200, 403));
    let forwarded = [("host", "127.0.0.1"), ("x-forwarded-host", "evil.example")];
    assert_eq!(ask(&agent, "GET", "/health", &forwarded, "").0, 200, "this peer is no proxy");
    agent.home.write_config(&agent.home.config_text().replace("metrics.example", "other.example"));
    agent.until("the other name holds", |_| {
        (from("other.example") == 200 && from("metrics.example") == 403).then_some(())
    });
}

#[test]
fn with_a_token_all_but_health_requires_it() {
    let home = Home::new(&[]);
    let file = home.dir.path().join("token");
    std::fs::write(&file, "0123456789abcdef-one\n").unwrap();
    let agent = home.config("token_file = \"token\"").start();
    let with = |token: &str, path: &str| {
        let header = format!("Bearer {token}");
        http::request(&agent.address, "GET", path, &[("authorization", &header)], "").unwrap().0
    };
    for path in ["/", "/ping", "/metrics", "/query?q=show+databases"] {
        assert_eq!((http::get(&agent.address, path).0, with("0123456789abcdef-one", path) / 100), (401, 2), "{path}");
    }
    assert_eq!((http::get(&agent.address, "/health").0, http::get(&agent.address, "/ready").0), (200, 200));
    let resume = |headers: &[(&str, &str)]| {
        http::request(&agent.address, "POST", "/saker/v1/plugins/a/resume", headers, "").unwrap().0
    };
    assert_eq!((resume(&[("x-saker", "1")]), resume(&[("authorization", "Bearer 0123456789abcdef-one")])), (401, 409));

    std::fs::write(&file, "0123456789abcdef-two\n").unwrap();
    agent.signal(Signal::HUP);
    agent.until("the new token holds", |_| (with("0123456789abcdef-two", "/") == 200).then_some(()));
    assert_eq!(with("0123456789abcdef-one", "/"), 401);

    for bad in ["short\n", ""] {
        std::fs::write(&file, bad).unwrap();
        let before = agent.log().matches("the API keeps its address").count();
        agent.signal(Signal::HUP);
        agent.until("it is said", |agent| {
            (agent.log().matches("the API keeps its address").count() > before).then_some(())
        });
        assert_eq!(
            (with("0123456789abcdef-two", "/"), http::get(&agent.address, "/").0),
            (200, 401),
            "the old one holds"
        );
    }
    std::fs::write(&file, "0123456789abcdef-three\n").unwrap();
    agent.signal(Signal::HUP);
    agent.until("the mended one holds", |_| (with("0123456789abcdef-three", "/") == 200).then_some(()));
}

#[test]
fn an_address_that_cannot_be_had_leaves_the_old_one_at_work() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let agent = Home::new(&[]).start();
    let text = agent.home.config_text().replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
    agent.home.write_config(&text);
    agent.until("it is said", |agent| agent.log().contains("the API keeps its address").then_some(()));
    assert_eq!(http::get(&agent.address, "/health").0, 200);
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    agent.signal(Signal::HUP);
    agent.until("the new address answers", |_| {
        http::request(&address, "GET", "/health", &[], "").is_ok_and(|answer| answer.0 == 200).then_some(())
    });
    agent.until("the old one does not", |agent| TcpStream::connect(&agent.address).is_err().then_some(()));
}

/// 355 half-sent heads took every descriptor of a process with 256: no collector could open its file, and the agent did
/// not end in time.
#[test]
fn half_sent_heads_take_no_descriptors_of_collectors() {
    let collector = "head_timeout = \"2s\"\n[plugin.load]\ninterval = \"100ms\"";
    let home = Home::new(&["load"]).config(collector);
    let fixtures = crate::agent::repository().join("tests/fixtures");
    let grant = format!("settings = {{ proc = \"{0}/proc\" }}\ngrant.read = [\"{0}\"]", fixtures.display());
    let agent = home.config(&grant).start();
    let limit = Rlimit { current: Some(256), maximum: Some(256) };
    prlimit(Pid::from_raw(agent.pid().cast_signed()), Resource::Nofile, limit).unwrap();
    let counts = |agent: &Agent| {
        let counts = agent.instance("load").unwrap()["counts"].clone();
        (counts["succeeded"].as_u64().unwrap(), counts["failed"].as_u64().unwrap())
    };
    let heads = |agent: &Agent| (0..355).map(|_| say(agent, "GET / HTTP/1.1\r\nhost: loc")).collect::<Vec<_>>();
    // This process holds the other ends.
    saker_http::raise_limit().unwrap();
    let before = counts(&agent).0;
    let mut held = heads(&agent);
    let kept = Instant::now();
    held.retain_mut(|stream| rest(stream).starts_with("HTTP/1.1 408"));
    assert!(kept.elapsed() < Duration::from_secs(15), "they are ended");
    assert!((100..256).contains(&held.len()), "{} were taken", held.len());
    agent.until("it is asked again", |agent| {
        http::request(&agent.address, "GET", "/health", &[], "").is_ok_and(|answer| answer.0 == 200).then_some(())
    });
    let after = counts(&agent);
    assert!(after.0 >= before + 10 && after.1 == 0, "{before} runs before, then {after:?}");
    assert!(rejected(&agent, "connections", "descriptors") > 50.0);
    assert!(agent.metric("saker_http_ended_connections_total{reason=\"head_timeout\"}").unwrap() >= 100.0);
    drop(held);
    let _again = heads(&agent);
    let begun = Instant::now();
    agent.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// A Content-Length alone was charged to the memory of all: one connection that announced 32 MiB and fell silent had
/// every other write rejected for as long as it stayed. Sixteen slow bodies held all turns of /write.
#[test]
fn bodies_that_are_announced_and_do_not_come_are_no_matter_for_others() {
    let agent = Home::new(&[]).config("body_stall_timeout = \"2s\"").start();
    let mut silent: Vec<_> = (0..20)
        .flat_map(|_| ["/v1/push", "/write"])
        .map(|path| {
            say(&agent, &format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 33554432\r\n\r\n[m"))
        })
        .collect();
    let pulse = Pulse::start(&agent);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        assert_eq!(http::request(&agent.address, "POST", "/write", &[], "m v=1").unwrap().0, 204);
        assert_eq!(agent.post("/v1/push", r#"[{"metric":"m","value":1}]"#).0, 200);
    }
    pulse.check();
    let held = agent.metric("saker_in_flight_bytes").unwrap();
    assert!(held < 1e5, "{held} bytes for some bytes");
    for stream in &mut silent {
        let answer = rest(stream);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(agent.metric("saker_http_bodies_total{end=\"stalled\"}"), Some(40.0));
    assert_eq!(agent.metric("saker_in_flight_bytes"), Some(0.0));
}

#[test]
fn large_bodies_that_fall_silent_leave_room_for_small_ones() {
    let agent =
        Home::new(&[]).config("body_stall_timeout = \"5s\"\n[pipeline]\nmax_in_flight_bytes = \"32MiB\"").start();
    let head = "POST /v1/push HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20000000\r\n\r\n";
    let begun = format!("{head}[{}", " ".repeat(10 * MIB));
    let _silent: Vec<_> = (0..4).map(|_| say(&agent, &begun)).collect();
    agent.until("they hold what they may", |agent| agent.metric("saker_in_flight_bytes").filter(|&used| used > 2e7));
    assert_eq!(http::request(&agent.address, "POST", "/write", &[], &"m v=1\n".repeat(1000)).unwrap().0, 204);
    let values = vec![r#"{"metric":"m","value":1}"#; 500].join(",");
    assert_eq!(agent.post("/v1/push", &format!("[{values}]")).0, 200);
}

#[test]
fn what_can_never_be_taken_is_rejected_as_that_at_once() {
    let agent = Home::new(&[]).start();
    for path in ["/v1/push", "/write"] {
        let announced = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
        let answer = rest(&mut say(&agent, &announced));
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(!answer.to_lowercase().contains("retry-after"), "{answer}");
    }
    let agent = Home::new(&[]).config("[pipeline]\nmax_in_flight_bytes = \"1MiB\"").start();
    let values = vec![r#"{"metric":"m","value":1}"#; 30_000].join(",");
    let (status, answer) = agent.post("/v1/push", &format!("[{values}]"));
    assert_eq!(status, 413, "its body would fit, but not with its points: {answer}");
    assert_eq!(agent.json("/saker/v1/recent?metric=m")["total"], 0, "nothing was kept of it");
}

/// 32 MiB of `{},{},…` took 2.7 GiB and one of the agent's two threads for 15 s.
#[test]
fn a_body_of_nothing_but_mistakes_is_left_after_a_thousand() {
    let agent = Home::new(&[]).start();
    agent.post("/v1/push", "[]");
    let before = status_bytes(&agent, "VmHWM");
    let pulse = Pulse::start(&agent);
    let body = format!("[{{\"metric\":\"m\",\"value\":1}}{}]", ",{}".repeat(10 * MIB));
    let (status, answer) = agent.post("/v1/push", &body);
    pulse.check();
    assert_eq!(status, 400);
    assert_eq!(answer["msg"], "too many items are no samples; the rest was not read");
    let data = &answer["data"];
    assert_eq!((&data["total"], &data["accepted"], &data["invalid"]), (&json!(1001), &json!(1), &json!(1000)));
    assert_eq!(data["rejected"][0], json!({"item": 1, "reason": "value is missing"}));
    let grown = status_bytes(&agent, "VmHWM").saturating_sub(before);
    assert!(grown < 80 * MIB, "{} MiB", grown / MIB);
}

/// Three chunked bodies of 8 MiB took 1.3 GiB, and /health six seconds.
#[test]
fn large_bodies_become_no_more_than_they_are_and_hold_up_nobody() {
    let agent = Home::new(&[]).start();
    agent.post("/v1/push", "[]");
    let before = status_bytes(&agent, "VmHWM");
    let pulse = Pulse::start(&agent);
    let values = vec![r#"{"metric":"m","value":1}"#; 8 * MIB / 25].join(",");
    let body = format!("[{values}]");
    let mut chunked =
        "POST /v1/push HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_owned();
    for piece in body.as_bytes().chunks(100_000) {
        chunked += &format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap());
    }
    chunked += "0\r\n\r\n";
    let pushing: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = say(&agent, "");
            let chunked = chunked.clone();
            thread::spawn(move || {
                stream.write_all(chunked.as_bytes()).unwrap();
                rest(&mut stream)
            })
        })
        .collect();
    for push in pushing {
        let answer = push.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{}", &answer[..answer.len().min(500)]);
    }
    pulse.check();
    let grown = status_bytes(&agent, "VmHWM").saturating_sub(before);
    assert!(grown < 200 * MIB, "{} MiB", grown / MIB);
    let taken = agent.metric("saker_accepted_points_total{source=\"push\"}").unwrap();
    assert_eq!(taken as usize, 3 * (8 * MIB / 25));
}

#[test]
fn a_bomb_of_gzip_costs_no_more_than_a_body_may() {
    let agent = Home::new(&[]).start();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let line = b"m v=1\n".repeat(MIB / 6);
    (0..500).for_each(|_| packed.write_all(&line).unwrap());
    let packed = packed.finish().unwrap();
    let before = status_bytes(&agent, "VmHWM");
    let pulse = Pulse::start(&agent);
    for path in ["/write", "/v1/push"] {
        let headers = [("content-encoding", "gzip")];
        assert_eq!(http::request(&agent.address, "POST", path, &headers, &packed).unwrap().0, 413, "{path}");
    }
    pulse.check();
    let grown = status_bytes(&agent, "VmHWM").saturating_sub(before);
    assert!(grown < 100 * MIB, "{} MiB", grown / MIB);
    assert_eq!(agent.metric("saker_in_flight_bytes"), Some(0.0));
}

#[test]
fn a_slow_client_does_not_use_up_the_time_to_stop() {
    let agent = Home::new(&[]).keys("shutdown_timeout = \"20s\"").start();
    let _body = say(&agent, "POST /v1/push HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n[");
    let _idle = say(&agent, "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n");
    agent.until("they are there", |agent| agent.metric("saker_http_connections").filter(|&open| open >= 3.0));
    let begun = Instant::now();
    agent.stop();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

/// `tags` as an object were read as none, so that two series became one.
#[test]
fn what_is_of_a_wrong_type_is_rejected_by_name_and_the_others_are_taken() {
    let agent = Home::new(&[]).start();
    let body = r#"[{"metric":"m","value":1,"tags":{"disk":"a"}},{"metric":"m","value":2,"counterType":["GAUGE"]},
        {"metric":"m","value":3,"endpoint":{}},{"metric":"m","value":4,"tags":"disk=b"}]"#;
    let (status, answer) = agent.post("/v1/push", body);
    assert_eq!((status, &answer["data"]["accepted"], &answer["data"]["invalid"]), (200, &json!(1), &json!(3)));
    let reasons: Vec<_> =
        answer["data"]["rejected"].as_array().unwrap().iter().map(|item| item["reason"].clone()).collect();
    assert_eq!(
        reasons,
        [
            "tags must be text such as \"k=v,k2=v2\", found an object",
            "counterType must be text such as \"GAUGE\", found a list",
            "endpoint must be text such as \"web-1\", found an object"
        ]
    );
    assert_eq!(agent.json("/saker/v1/recent?metric=m")["series"][0]["tags"], json!({"disk": "b"}));
    assert_eq!(
        http::get(&agent.address, "/saker/v1/routes?metric=m&tags=disk").0,
        400,
        "a tag without a value is none"
    );
}

#[test]
fn text_in_a_rejected_line_becomes_no_point() {
    let agent = Home::new(&[]).start();
    let (status, _) =
        ask(&agent, "POST", "/write", &[("host", "localhost")], "m v=NaN,s=\"a\nevil v=666\nb\"\ngood v=1\n");
    assert_eq!(status, 400);
    assert_eq!(agent.json("/saker/v1/series")["series"].as_array().unwrap().len(), 1);
    assert_eq!(agent.json("/saker/v1/series")["series"][0]["metric"], "good_v");
}
