//! A collector and a backend that are replaced again and again while values flow.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::agent::{Agent, Home, shipped, variant};
use crate::forwarding::push;
use crate::http::Receiver;

/// How often both are replaced.
const SWAPS: u32 = 100;
/// Versions of each that take turns, so that it is not a test of compiling.
const VERSIONS: u32 = 10;
/// The time between two replacements.
const PAUSE: Duration = Duration::from_millis(150);
/// Values that are pushed in one go meanwhile.
const PUSHED: u32 = 50;

fn swaps(agent: &Agent, instance: &str) -> u64 {
    agent.instance(instance).unwrap()["counts"]["swaps"].as_u64().unwrap()
}

/// A destination with the backend `influx`, which gets everything at once.
pub(crate) fn to_receiver(receiver: &Receiver) -> String {
    format!(
        "[destination.a]\nbackend = \"influx\"\nsettings = {{ url = \"http://{0}/write\" }}\ngrant.connect = [\"{0}\"]\nbatch.max_age = \"20ms\"\n\
         [[route]]\ndestinations = [\"a\"]\n",
        receiver.address
    )
}

#[test]
fn a_hundred_swaps_under_load_lose_no_interval_and_no_point() {
    let receiver = Receiver::start();
    let config = to_receiver(&receiver) + "[cache]\nmax_age = \"1h\"\nmax_points_per_series = 100000\n";
    let agent =
        Home::new(&["cpu", "influx"]).on_fixtures(&["cpu"]).config(&config).keys("interval = \"500ms\"").start();
    let (cpu, influx) = (shipped("cpu"), shipped("influx"));
    let (end, batches) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                let batch = batches.fetch_add(1, Ordering::Relaxed);
                push(&agent, batch * PUSHED..(batch + 1) * PUSHED);
                thread::sleep(Duration::from_millis(20));
            }
        });
        let done = scope.spawn(|| {
            for number in 1..=SWAPS {
                agent.home.put("cpu", &variant(&cpu, number % VERSIONS));
                agent.home.put("influx", &variant(&influx, number % VERSIONS));
                agent.until("both are swapped", |agent| {
                    (swaps(agent, "cpu") >= number.into() && swaps(agent, "destination a") >= number.into())
                        .then_some(())
                });
                // So that runs fall between them, however fast they are.
                thread::sleep(PAUSE);
            }
        });
        let result = done.join();
        end.store(true, Ordering::Relaxed);
        result.unwrap();
    });

    let counts = agent.instance("cpu").unwrap()["counts"].clone();
    assert_eq!(counts["swaps"], SWAPS, "{counts}");
    assert_eq!(counts["rollbacks"], 0, "{counts}");
    assert_eq!(
        (&counts["failed"], &counts["skipped"], &counts["overrun"]),
        (&0.into(), &0.into(), &0.into()),
        "{counts}"
    );
    let recent = agent.json("/saker/v1/recent?metric=cpu.switches");
    let times: Vec<_> =
        recent["series"][0]["points"].as_array().unwrap().iter().map(|point| point[0].as_i64().unwrap()).collect();
    // The first run is at the start, off the grid.
    assert!(times.len() > 30, "{}", times.len());
    assert!(times[1..].windows(2).all(|pair| pair[1] - pair[0] == 500), "an interval is missing: {times:?}");

    let pushed = batches.load(Ordering::Relaxed) * PUSHED;
    let printed = agent.stop();
    let lines = receiver.lines();
    let distinct: BTreeSet<_> = lines.iter().filter(|line| line.starts_with('m')).collect();
    assert_eq!(distinct.len(), pushed as usize, "{printed}");
    let destination: Vec<_> =
        printed.lines().find_map(|line| line.strip_prefix("a ")).unwrap().split_whitespace().collect();
    assert_eq!((destination[1], &destination[3..]), (destination[2], &["0", "0"][..]), "{printed}");
}
