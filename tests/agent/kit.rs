//! The author's commands as a user runs them: what they print, and how they exit.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::agent::{command, guest as bytes_of, repository, saker};

fn plugin(name: &str) -> String {
    repository().join(format!("target/plugins/{name}.wasm")).display().to_string()
}

fn guest(name: &str) -> String {
    repository().join(format!("target/guests/{name}.wasm")).display().to_string()
}

/// Runs the program; answers its exit status, what it printed, and its words on standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = saker(arguments, Path::new("/"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(arguments: &[&str], expected: i32) -> Value {
    let (status, printed, said) = run(arguments);
    assert_eq!(status, expected, "{printed}{said}");
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

fn case<'a>(report: &'a Value, words: &str) -> &'a Value {
    let mut cases = report["cases"].as_array().unwrap().iter();
    cases.find(|case| case["name"].as_str().unwrap().contains(words)).unwrap_or_else(|| panic!("{words}: {report:#}"))
}

/// The `cpu` collector on the fixtures.
fn cpu_on_fixtures(command: &str, more: &[&str]) -> Vec<String> {
    let proc = repository().join("tests/fixtures/proc").display().to_string();
    let words = ["plugin", command, &plugin("cpu"), "--settings", &format!("{{\"proc\": \"{proc}\"}}"), "--grant"];
    let mut words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    words.push(format!("read={proc}"));
    words.extend(more.iter().map(|word| (*word).to_owned()));
    words
}

#[test]
fn a_plugin_that_keeps_to_its_contract_passes_with_every_case_named() {
    let words = cpu_on_fixtures("test", &["--interval", "10ms"]);
    let (status, printed, said) = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(status, 0, "{printed}{said}");
    assert!(printed.starts_with("cpu 0.1.0, a collector for contract 0.1.0\n"), "{printed}");
    assert!(printed.contains("ok       the same series come on every run: "), "{printed}");
    assert!(printed.ends_with("18 ok, 0 failed, 0 skipped\n"), "{printed}");
}

#[test]
fn without_a_grant_the_cases_that_need_it_are_skipped() {
    let report = json(&["plugin", "test", &plugin("cpu"), "--json"], 0);
    let skipped = case(&report, "it collects on the first run");
    assert_eq!(skipped["outcome"], "skipped");
    assert!(skipped["detail"].as_str().unwrap().contains("--grant requested"), "{skipped}");
    assert_eq!(case(&report, "says what is denied")["outcome"], "ok");
}

#[test]
fn a_plugin_that_breaks_its_contract_fails_with_the_case_and_the_cure() {
    let words = ["plugin", "test", &guest("invalid-schema"), "--settings", "{\"place\": \"here\"}"];
    let (status, printed, said) = run(&words);
    assert_eq!(status, 1, "{printed}");
    for line in [
        "FAILED   the settings schema is sound JSON Schema\n         properties.place.type: expected one of JSON's types",
        "         depth: must be at least 1, found 0\n         to do: give defaults that the schema allows",
        "skipped  without its grants it says what is denied\n         it requests nothing",
    ] {
        assert!(printed.contains(line), "{line:?} in {printed}");
    }
    assert!(said.contains("invalid-schema does not keep to the contract: 5 of"), "{said}");
}

#[test]
fn one_case_can_be_tried_alone() {
    let report = json(&["plugin", "test", &plugin("influx"), "--case", "400 is a reject", "--json"], 0);
    assert_eq!(report["cases"].as_array().unwrap().len(), 1);
    assert_eq!(case(&report, "400")["outcome"], "ok", "{report:#}");
}

#[test]
fn fuel_is_the_same_in_two_processes() {
    let words = cpu_on_fixtures("bench", &["--json"]);
    let measure = || {
        let bench = json(&words.iter().map(String::as_str).collect::<Vec<_>>(), 0);
        let costs = bench["costs"].as_array().unwrap().clone();
        costs.iter().map(|cost| (cost["call"].clone(), cost["fuel"].as_f64().unwrap())).collect::<Vec<_>>()
    };
    let first = measure();
    assert!(first.len() == 4 && first.iter().all(|(_, fuel)| *fuel > 0.0), "{first:?}");
    assert_eq!(first, measure());
}

#[test]
fn a_version_that_asks_for_more_is_told_by_the_exit_status() {
    let (status, printed, _) = run(&["plugin", "diff", &plugin("cpu"), &plugin("cpu")]);
    assert_eq!((status, printed.as_str()), (0, ""));
    let (status, printed, said) = run(&["plugin", "diff", &plugin("load"), &plugin("network")]);
    assert_eq!(status, 1, "{printed}");
    assert!(printed.contains("more   permission  requests grant.read = [\"/sys\"]  # "), "{printed}");
    assert!(said.contains("asks for more than"), "{said}");
    assert_eq!(json(&["plugin", "diff", &plugin("load"), &plugin("network"), "--json"], 1)["asks_more"], true);
}

#[test]
fn inspect_tells_the_version_of_the_contract() {
    let (status, printed, said) = run(&["plugin", "inspect", &plugin("cpu")]);
    assert_eq!(status, 0, "{said}");
    assert!(printed.contains("contract  saker:plugin@0.1.0\n"), "{printed}");
    assert_eq!(json(&["plugin", "inspect", &plugin("cpu"), "--json"], 0)["contract"], "0.1.0");
}

#[test]
fn a_watched_collector_is_replaced_with_its_file() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("steady.wasm");
    let put = |bytes: &[u8]| {
        let unfinished = dir.path().join("steady.new");
        std::fs::write(&unfinished, bytes).unwrap();
        std::fs::rename(&unfinished, &file).unwrap();
    };
    put(&bytes_of("steady-1"));
    std::fs::create_dir(dir.path().join("src")).unwrap();
    // What the build makes is a version that was there before it.
    std::fs::write(dir.path().join("built"), bytes_of("steady-1")).unwrap();
    let build = "cp built steady.new && mv steady.new steady.wasm";
    let mut child = command()
        .env("PATH", "/usr/bin:/bin")
        .args(["plugin", "run", "steady.wasm", "--watch", "--interval", "20ms", "--build", build])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |words: &str| {
        let mut seen = String::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            if line.contains(words) {
                return;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("never {words:?}:\n{seen}");
    };
    until("+ steady.value{version=1} = ");
    put(b"no plugin");
    until("not taken, the version before goes on: ");
    put(&bytes_of("steady-2"));
    until("+ steady.value{version=2} = ");
    until("- steady.value{version=1}");
    std::fs::write(dir.path().join("src/lib.rs"), "// changed").unwrap();
    until("$ cp built");
    until("+ steady.value{version=1} = ");
    child.kill().unwrap();
    child.wait().unwrap();
}
