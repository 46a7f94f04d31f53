//! A collector that never brings the same series twice is stopped at the door.

use crate::agent::{Home, guest};

#[test]
fn a_plugin_that_brings_new_series_for_ever_is_held_to_its_number() {
    let agent = Home::new(&[])
        .keys("interval = \"100ms\"")
        .config("[plugin.series-bomb]\nsettings.values = 50\nlimits.max_new_series = 20\nlimits.max_series = 100")
        .start();
    agent.home.put("series-bomb", &guest("series-bomb"));
    agent.until("both limits were met", |agent| {
        let rejected = |reason| {
            agent
                .metric(&format!("saker_rejected_points_total{{source=\"collector:series-bomb\",reason=\"{reason}\"}}"))
        };
        (rejected("new_series")? > 0.0 && rejected("source_series")? > 100.0).then_some(())
    });
    assert_eq!(agent.metric("saker_source_series{source=\"collector:series-bomb\"}"), Some(100.0));
    assert_eq!(agent.metric("saker_series"), Some(100.0));
    // What is known goes on: the plugin is not punished for what it brings beside it.
    let counts = agent.instance("series-bomb").unwrap()["counts"].clone();
    assert_eq!((&counts["failed"], &counts["skipped"]), (&0.into(), &0.into()), "{counts}");
    let recent = agent.json("/saker/v1/recent?metric=series-bomb.always");
    assert!(recent.to_string().contains("series-bomb.always"), "{recent}");
    let limit = "saker_plugin_limit{plugin=\"series-bomb\",limit=\"max_new_series\"}";
    assert_eq!(agent.metric(limit), Some(20.0), "its limits are shown");
    agent.stop();
}
