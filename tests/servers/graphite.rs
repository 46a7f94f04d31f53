//! The `graphite` backend to Carbon and to VictoriaMetrics.

use serde_json::json;

use crate::one_destination::{agent, now_s, push, until_delivered};
use crate::servers::{Carbon, Server};

#[test]
fn carbon_keeps_every_point_under_its_name_and_goes_on_after_a_restart() {
    let mut carbon = Carbon::start();
    let address = carbon.address.clone();
    let agent = agent("graphite", &format!("address = \"{address}\""), &address);
    let now = now_s();
    push(
        &agent,
        &[
            ("cpu.idle", "core=0", "GAUGE", now - 2, 99.25),
            ("cpu.idle", "core=0", "GAUGE", now - 1, -1e-7),
            ("größe;a b", "mount=/var/~lib;x", "COUNTER", now, 1e20),
            ("name", "name=other", "DERIVE", now, 9_007_199_254_740_993.0),
        ],
    );
    until_delivered(&agent, 4);
    let expected = [
        ("cpu_DOT_idle;core=0;endpoint=web-1_DOT_eu", vec![(now - 2, 99.25), (now - 1, -1e-7)]),
        // Carbon makes a folder at the slash.
        ("größe_a_b;endpoint=web-1_DOT_eu;mount=/var/~lib_x", vec![(now, 1e20)]),
        ("name;endpoint=web-1_DOT_eu;exported_name=other", vec![(now, 9_007_199_254_740_992.0)]),
    ];
    check(&carbon, 4, &expected);

    carbon.restart();
    push(&agent, &[("after", "", "GAUGE", now, 7.0)]);
    until_delivered(&agent, 5);
    let mut expected = expected.to_vec();
    expected.push(("after;endpoint=web-1_DOT_eu", vec![(now, 7.0)]));
    check(&carbon, 5, &expected);
}

#[test]
fn carbon_takes_paths_by_datagram() {
    let carbon = Carbon::start();
    let address = &carbon.address;
    let settings = format!("address = \"udp://{address}\", path = \"saker.${{endpoint}}.${{metric}}.${{tags}}\"");
    let agent = agent("graphite", &settings, address);
    let now = now_s();
    push(&agent, &[("df.used", "mount=/a.b", "GAUGE", now, 1.5), ("up", "", "GAUGE", now, 1.0)]);
    until_delivered(&agent, 2);
    let expected = [("saker/web-1_eu/df/used/mount/_a_b", vec![(now, 1.5)]), ("saker/web-1_eu/up", vec![(now, 1.0)])];
    check(&carbon, 2, &expected);
}

/// The files hold exactly these points; for names with tags, only the name of the file counts.
fn check(carbon: &Carbon, points: usize, expected: &[(&str, Vec<(u64, f64)>)]) {
    let found = carbon.settled(points);
    let mut missing: Vec<_> = expected.iter().collect();
    for (path, points) in &found {
        let name = match path.strip_prefix("_tagged/") {
            // Two folders by a hash of the name.
            Some(rest) => rest.splitn(3, '/').nth(2).unwrap(),
            None => path,
        };
        let points: Vec<_> = points.iter().map(|(time, value)| (u64::from(*time), *value)).collect();
        let place = missing.iter().position(|(expected, kept)| *expected == name && *kept == points);
        missing.remove(place.unwrap_or_else(|| panic!("{name} {points:?} is not among {missing:?}")));
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn victoria_metrics_reads_back_what_was_sent() {
    let (server, address) = Server::victoria_metrics_listening("-graphiteListenAddr");
    let agent = agent("graphite", &format!("address = \"tcp://{address}\""), &address);
    let now = now_s();
    let values: Vec<_> = (0..200).map(|number| (now - number, number as f64 / 8.0 - 5.0)).collect();
    let pushed: Vec<_> = values.iter().map(|(time, value)| ("a.b", "k=v;w,z=é", "GAUGE", *time, *value)).collect();
    push(&agent, &pushed);
    until_delivered(&agent, 200);
    let labels = "{endpoint=\"web-1.eu\",k=\"v_w\",z=\"é\"}";
    assert_eq!(server.settled(&format!("sum(count_over_time({{__name__=\"a.b\",{}[1h]))", &labels[1..]), 200.0), 200.0);
    let exported = server.exported(&format!("{{__name__=\"a.b\",{}", &labels[1..]));
    let [series] = &exported[..] else { panic!("{exported:?}") };
    assert_eq!(series["metric"], json!({"__name__": "a.b", "endpoint": "web-1.eu", "k": "v_w", "z": "é"}));
    for (time, value) in values {
        let place = series["timestamps"].as_array().unwrap().iter().position(|kept| *kept == time * 1000).unwrap();
        assert_eq!(series["values"][place].as_f64(), Some(value));
    }
}
