//! The conformance kit against plugins: those that ship pass every case, and one that breaks a rule fails the case of
//! that rule. `make plugins` and `make guests` build them.
#![allow(clippy::unwrap_used, reason = "clippy takes only functions with #[test] for tests, not what they share")]

mod contract;
#[path = "../shared/machine_code.rs"]
mod machine_code;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::join_all;
use saker_author::{CaseOutcome, ConformanceReport, Options, TargetServer, bench, conform, diff};
use saker_sandbox::{Compiler, Grants, Plugin, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::sync::Mutex;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Keeps what was compiled, so that only the first run compiles.
fn config() -> SandboxConfig {
    let cache_dir = Some(machine_code::shared().to_owned());
    SandboxConfig { cache_dir, compiler: Compiler::InProcess, ca_file: None }
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(config()).unwrap())
}

fn counting() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::counting(config()).unwrap())
}

/// A plugin from a folder of `target/`, compiled once for all tests.
async fn load(sandbox: &Sandbox, folder: &str, name: &str) -> Plugin {
    static LOADED: Mutex<Option<HashMap<String, Plugin>>> = Mutex::const_new(None);
    let path = root().join(format!("target/{folder}/{name}.wasm"));
    let key = format!("{path:?} {}", std::ptr::eq(sandbox, counting()));
    let mut loaded = LOADED.lock().await;
    if let Some(plugin) = loaded.get_or_insert_default().get(&key) {
        return plugin.clone();
    }
    let bytes = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run: make plugins guests", path.display());
    });
    let plugin = sandbox.load(&bytes).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    loaded.get_or_insert_default().insert(key, plugin.clone());
    plugin
}

fn options(settings: Value) -> Options {
    let Value::Object(settings) = settings else { panic!("not an object") };
    Options {
        settings: Some(settings),
        grants: Grants::default(),
        server: TargetServer::Kit,
        pause: Duration::from_millis(1),
        only: None,
        misfits: |_, _| Vec::new(),
    }
}

/// A collector on the fixtures, with what it wants granted there.
fn on_fixtures(name: &str) -> Options {
    let fixtures = root().join("tests/fixtures");
    let proc = fixtures.join("proc");
    let (sys, etc) = (fixtures.join("sys"), fixtures.join("etc"));
    let settings = match name {
        "network" => json!({"proc": proc, "sys": sys}),
        "containers" => json!({"proc": proc, "cgroup": fixtures.join("cgroup"), "containerd": etc, "crio": []}),
        "machine" => json!({
            "proc": proc, "sys": sys,
            "machine_id": [etc.join("machine-id")], "os_release": [etc.join("os-release")],
        }),
        _ => json!({"proc": proc}),
    };
    let grants = Grants { read: vec![fixtures], statfs: vec!["/".into()], ..Grants::default() };
    Options { grants, ..options(settings) }
}

async fn run(folder: &str, name: &str, options: &Options) -> ConformanceReport {
    conform(sandbox(), &load(sandbox(), folder, name).await, options).await
}

fn outcome<'a>(report: &'a ConformanceReport, name: &str) -> &'a CaseOutcome {
    let case = report.cases.iter().find(|case| case.name.contains(name));
    &case.unwrap_or_else(|| panic!("no case {name:?} in {report:#?}")).outcome
}

/// Every case ends well, but for those that are named as skipped.
fn passes(name: &str, report: &ConformanceReport, skipped: &[&str]) {
    for case in &report.cases {
        match &case.outcome {
            CaseOutcome::Ok(_) => assert!(!skipped.contains(&case.name), "{name}: {} was not to be tried", case.name),
            CaseOutcome::Skipped(why) => {
                assert!(skipped.contains(&case.name), "{name}: {} was skipped: {why}", case.name)
            }
            CaseOutcome::Failed { why, .. } => panic!("{name}: {}: {why}", case.name),
        }
    }
    assert!(report.passed());
}

/// With this rule broken the case whose name holds these words fails, and without it it does not.
async fn fails(guest: &str, wrong: &str, case: &str, words: &str) {
    let with = |wrong: &str| Options { only: Some(case.into()), ..options(json!({"wrong": wrong})) };
    let backend = guest == "wrong-backend";
    let with = |wrong: &str| {
        let mut options = with(wrong);
        if backend {
            options.settings.as_mut().unwrap().insert("url".into(), json!("http://{kit}/"));
        }
        options
    };
    let right = run("guests", guest, &with("nothing")).await;
    assert!(matches!(outcome(&right, case), CaseOutcome::Ok(_)), "{case}: {:?}", outcome(&right, case));
    let report = run("guests", guest, &with(wrong)).await;
    let CaseOutcome::Failed { why, cure } = outcome(&report, case) else {
        panic!("{wrong}: {case}: {:?}", outcome(&report, case));
    };
    assert!(why.contains(words), "{wrong}: {case}: {words:?} in {why:?}");
    assert!(!cure.is_empty() && !report.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_collector_that_ships_passes() {
    let folder = std::fs::read_dir(root().join("plugins/collectors")).unwrap();
    let names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() >= 10);
    for name in names {
        let report = run("plugins", &name, &on_fixtures(&name)).await;
        passes(&name, &report, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processor_that_ships_passes() {
    let rules = json!({"rules": [
        {"when": {"metric": "cpu.*"}, "add": {"rack": "r1"}},
        {"when": {"metric": "mem.*"}, "drop": true},
        {"when": {"metric": "net.*"}, "rename_metric": "if.bytes"},
    ]});
    let report = run("plugins", "tag", &options(rules)).await;
    passes("tag", &report, &[]);
}

const NO_ADDRESS: [&str; 9] = [
    "it opens while its destination is away",
    "a destination that is away is a retry, and the same batch succeeds later",
    "a silent destination is a retry before the deadline",
    "429 with Retry-After is a retry with that delay",
    "500 and 503 are a retry, and the same batch succeeds later",
    "400 is a reject",
    "a connection that breaks in mid-stream costs another try",
    "an answer that breaks off does no harm",
    "without its grant a write says what is denied",
];

/// Plugins that are tried at the same time: most of the time they wait for a server that is silent.
const AT_ONCE: usize = 8;

/// Backends that the kit's own server is enough for: their only setting that must be given is an address, and it gives
/// its own.
const HTTP: [&str; 2] = ["influx", "remote-write"];

#[tokio::test(flavor = "multi_thread")]
async fn the_backends_that_need_no_server_of_their_own_pass() {
    for name in HTTP {
        let options = Options { settings: None, ..options(json!({})) };
        passes(name, &run("plugins", name, &options).await, &[]);
    }
    passes("stdout", &run("plugins", "stdout", &options(json!({}))).await, &NO_ADDRESS);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_backend_that_ships_fails_a_case_that_needs_no_own_server() {
    let folder = std::fs::read_dir(root().join("plugins/backends")).unwrap();
    let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // Those are tried above.
    names.retain(|name| !HTTP.contains(&name.as_str()) && name != "stdout");
    assert!(names.len() > 10, "{names:?}");
    let failures = Mutex::new(String::new());
    let names = Mutex::new(names);
    let try_all = async || {
        while let Some(name) = { names.lock().await.pop() } {
            let options = Options { settings: None, ..options(json!({})) };
            let report = run("plugins", &name, &options).await;
            for case in &report.cases {
                if let CaseOutcome::Failed { why, .. } = &case.outcome {
                    failures.lock().await.push_str(&format!("{name}: {}: {why}\n", case.name));
                }
            }
            let tried = report.count(|outcome| !matches!(outcome, CaseOutcome::Skipped(_)));
            assert!(tried > 0, "{name}: nothing could be tried: {report:#?}");
        }
    };
    join_all((0..AT_ONCE).map(|_| try_all())).await;
    assert_eq!(*failures.lock().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_breaks_a_rule_fails_the_case_of_the_rule() {
    for (wrong, case, words) in [
        ("name", "every name and every tag", "control character"),
        ("number", "finite number", "not finite"),
        ("seconds", "times and steps", "more than a day from now"),
        ("twice", "no series stands twice", "wrong.value"),
        ("clock", "the same series come", "every run brought series"),
        ("second", "collects on the first run", "trapped"),
        ("leak", "memory settles", "grew in every round"),
        ("state", "a state that it cannot read", "trapped"),
        ("own-state", "goes on after a close", "trapped"),
        ("vague", "says what is denied", "it says"),
        ("figures", "its own metrics", "not kept"),
        ("many", "within half", "12001 values of 20000"),
    ] {
        if wrong == "vague" || wrong == "figures" {
            let mut options = options(json!({"wrong": wrong}));
            options.grants.read.push("/proc".into());
            let report = run("guests", "wrong-collector", &options).await;
            assert!(
                matches!(outcome(&report, case), CaseOutcome::Failed { why, .. } if why.contains(words)),
                "{report:#?}"
            );
            continue;
        }
        fails("wrong-collector", wrong, case, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_that_breaks_a_rule_fails_the_case_of_the_rule() {
    for (wrong, case, words) in [
        ("fickle", "what it says is stable", "and then"),
        ("place", "its own verdict, in order", "turned round"),
        ("restless", "what it says is stable", "its own answers"),
        ("control", "would be taken", "control character"),
        ("ascii", "awkward names", "trapped"),
        ("leak", "memory settles", "grew in every round"),
        ("slow", "a thousand series", "deadline"),
    ] {
        fails("wrong-processor", wrong, case, words).await;
    }
    let report = run("guests", "missing-verdict", &options(json!({}))).await;
    assert!(
        matches!(outcome(&report, "its own verdict"), CaseOutcome::Failed { why, .. } if why.contains("49 verdicts"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_breaks_a_rule_about_data_fails_the_case_of_the_rule() {
    for (wrong, case, words) in [
        ("count", "a point is written and counted", "0 points were written"),
        ("lie", "a point is written and counted", "nothing came to"),
        ("empty", "an empty batch", "retry"),
        ("forgetful", "can be written ever after", "not defined"),
        ("stale", "defined again", "before"),
        ("used", "forgotten can stand", "was forgotten"),
        ("small", "100,000 points", "too many"),
        ("ascii", "awkward character", "trapped"),
        ("times", "ancient and future", "trapped"),
        ("large", "class of finite number", "broken"),
        ("number", "what is no number", "trapped"),
        ("state", "another instance goes on", "trapped"),
        ("leak", "memory settles", "grew in every round"),
    ] {
        fails("wrong-backend", wrong, case, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_breaks_a_rule_about_failures_fails_the_case_of_the_rule() {
    let broken = [
        ("early", "opens while its destination is away", "Unavailable"),
        ("giving", "that is away is a retry", "reject all"),
        ("waiting", "a silent destination", "killed"),
        ("hasty", "429 with Retry-After", "retry: told to be hasty"),
        ("harsh", "500 and 503", "reject all"),
        ("stubborn", "400 is a reject", "retry: told to be stubborn"),
        ("sulking", "breaks in mid-stream", "says still"),
        ("answer", "breaks off", "trapped"),
    ];
    join_all(broken.map(|(wrong, case, words)| fails("wrong-backend", wrong, case, words))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_says_of_itself_is_held_against_the_contract() {
    let report = run("guests", "unstable-describe", &options(json!({}))).await;
    assert!(
        matches!(outcome(&report, "describe says the same"), CaseOutcome::Failed { why, .. } if why.contains("1.0.2"))
    );
    let report = run("guests", "invalid-schema", &options(json!({"place": "here"}))).await;
    for (case, words) in [
        ("what an operator needs", "no summary"),
        ("sound JSON Schema", "properties.place.type"),
        ("opens with its defaults", "it says \"no\""),
        ("wrong type", "trapped"),
    ] {
        assert!(
            matches!(outcome(&report, case), CaseOutcome::Failed { why, .. } if why.contains(words)),
            "{report:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_never_writes_has_failed() {
    let report = run("guests", "scripted-backend", &options(json!({"answer": "retry", "url": "http://{kit}/"}))).await;
    let CaseOutcome::Failed { why, .. } = outcome(&report, "a point is written") else { panic!("{report:#?}") };
    assert!(why.contains("told to retry"), "{why}");
    assert!(matches!(outcome(&report, "400 is a reject"), CaseOutcome::Skipped(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_without_its_server_is_tried_as_far_as_that_goes() {
    let settings = json!({"wrong": "stranger", "url": "http://{kit}/"});
    let report = run("guests", "wrong-backend", &options(settings)).await;
    for case in ["a point is written", "100,000 points", "400 is a reject"] {
        let CaseOutcome::Skipped(why) = outcome(&report, case) else { panic!("{case} in {report:#?}") };
        assert!(why.contains("does not say HELLO") && why.contains("--server given"), "{why}");
    }
    for case in ["an empty batch", "opens while", "that is away", "a silent destination", "what is denied"] {
        assert!(matches!(outcome(&report, case), CaseOutcome::Ok(_)), "{case} in {report:#?}");
    }
    assert!(report.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn fuel_is_the_same_in_every_run() {
    for (name, options) in [("cpu", on_fixtures("cpu")), ("tag", options(json!({}))), ("stdout", options(json!({})))] {
        let counted = load(counting(), "plugins", name).await;
        let timed = load(sandbox(), "plugins", name).await;
        let measure = || bench((counting(), &counted), (sandbox(), &timed), &options);
        let (first, second) = (measure().await.unwrap(), measure().await.unwrap());
        for (first, second) in first.costs.iter().zip(&second.costs) {
            assert!(first.fuel > 0.0 && first.micros > 0.0, "{name}: {first:?}");
            assert_eq!((first.call, first.fuel), (second.call, second.fuel), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_differs_from_another_in_what_it_requests() {
    let (one, two) = (load(sandbox(), "guests", "steady-1").await, load(sandbox(), "guests", "steady-2").await);
    assert_eq!(diff(&one, &one), []);
    let changes: Vec<_> = diff(&one, &two).into_iter().map(|change| change.what).collect();
    assert!(changes.contains(&"version") && changes.contains(&"hash"), "{changes:?}");
    let (collector, backend) = (load(sandbox(), "plugins", "cpu").await, load(sandbox(), "plugins", "influx").await);
    let changes = diff(&collector, &backend);
    assert!(changes[0].weight == saker_author::Severity::More, "{changes:#?}");
    let words: Vec<_> = changes.iter().map(|change| change.words.as_str()).collect();
    assert!(words.contains(&"collector → backend"), "{words:#?}");
    assert!(words.contains(&"no longer requests grant.read = [\"/proc\"]"), "{words:#?}");
    assert!(words.contains(&"url is new, and has to be given"), "{words:#?}");
}
