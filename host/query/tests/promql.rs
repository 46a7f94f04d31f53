//! Runs the tables of `tests/cases`.

mod script;

fn check(name: &str, text: &str, least: usize) {
    let report = script::run(name, text);
    assert!(report.failures.is_empty(), "{} failed:\n{}", report.failures.len(), report.failures.join("\n"));
    assert_eq!(report.skipped, 0);
    assert!(report.passed >= least, "only {} queries", report.passed);
}

macro_rules! tables {
    ($($test:ident: $file:literal, $least:literal;)*) => {$(
        #[test]
        fn $test() {
            check($file, include_str!(concat!("cases/", $file)), $least);
        }
    )*};
}

tables! {
    selectors_look_back_and_end_at_stale_marks: "selectors.txt", 30;
    ranges_are_open_on_the_left_and_rates_are_extrapolated: "ranges.txt", 50;
    functions_of_instant_vectors: "functions.txt", 80;
    histograms_and_labels: "histograms_labels.txt", 30;
    operators_match_series_of_both_sides: "operators.txt", 60;
    aggregations_group_series: "aggregations.txt", 45;
    subqueries_run_on_a_grid_of_their_own: "subqueries.txt", 14;
}
