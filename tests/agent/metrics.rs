//! The names of the agent's own metrics, which dashboards and alerts are built on.

use crate::agent::Home;
use crate::http;

/// All of them and their types, sorted. A name that changes here changes for everybody who asks for it.
const NAMES: &str = include_str!("metrics.txt");

#[test]
fn every_metric_has_the_name_that_is_written_down_and_is_registered_once() {
    let agent = Home::new(&[]).start();
    let (status, text) = http::get(&agent.address, "/metrics");
    assert_eq!(status, 200);
    let mut names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    names.sort_unstable();
    assert_eq!(names, NAMES.lines().collect::<Vec<_>>());
}
