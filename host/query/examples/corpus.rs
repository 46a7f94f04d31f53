//! Runs Prometheus' own tests, wherever somebody has put them: `corpus DIR`, with the files `*.test` of
//! `promql/promqltest/testdata`. Nothing of theirs is kept here.

#[path = "../tests/script/mod.rs"]
mod script;

/// Files that are about what is not built: native histograms, and what Prometheus has behind switches.
const EXPERIMENTS: [&str; 7] = [
    "native_histograms.test",
    "extended_vectors.test",
    "duration_expression.test",
    "type_and_unit.test",
    "info.test",
    "fill-modifier.test",
    "start_timestamps.test",
];

fn main() {
    let folder = std::env::args().nth(1).expect("say where the files are: corpus DIR");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".test") || EXPERIMENTS.contains(&name.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable text");
        let report = script::run(&name, &text);
        println!("{name}: {} passed, {} failed, {} skipped", report.passed, report.failures.len(), report.skipped);
        for failure in &report.failures {
            println!("  {failure}");
        }
        passed += report.passed;
        failed += report.failures.len();
        skipped += report.skipped;
    }
    println!("all: {passed} passed, {failed} failed, {skipped} skipped (native histograms)");
}
