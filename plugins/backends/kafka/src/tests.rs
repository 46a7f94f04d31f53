//! The backend against brokers that a test plays.

mod brokers;

use std::net::TcpListener;

use super::*;
use crate::batch::reading::Record;
use brokers::{Brokers, Deed};

fn series(metric: &str) -> Series {
    Series { endpoint: "h".into(), metric: metric.into(), tags: vec![], metric_type: MetricType::Gauge, step_s: 10 }
}

/// Points of fifty series, each with a time of its own.
fn points(number: u32) -> Vec<Point> {
    (0..number).map(|place| Point { series: place % 50, timestamp_ms: i64::from(place), value: 0.5 }).collect()
}

fn retry(error: WriteError) -> String {
    match error {
        WriteError::Retry(retry) => retry.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_point_is_a_record_in_the_partition_of_its_series() {
    for (versions, compression) in
        [((3, 1), "none"), ((5, 2), "gzip"), ((7, 3), "zstd"), ((8, 4), "snappy"), ((13, 13), "none")]
    {
        let brokers = Brokers::start(2, &[0, 1, 1, 0], |_, _| Deed::Take);
        brokers.with(|state| state.versions = versions);
        let mut kafka = brokers.open(&format!(r#", "compression": "{compression}""#));
        assert_eq!(kafka.write(vec![]).unwrap(), 0);
        assert_eq!(kafka.write(points(10_000)).unwrap(), 10_000);
        assert_eq!(kafka.write(points(1)).unwrap(), 1);
        assert_eq!(brokers.times().len(), 10_001);
        brokers.with(|state| {
            assert_eq!((state.asked, state.requests.len()), (1, 3), "both leaders at once, then one of them");
            for (partition, log) in state.logs.iter().enumerate() {
                assert!(log.len() > 1000, "partition {partition} has a share");
                for (_, key, value) in log {
                    let metric =
                        std::str::from_utf8(key).unwrap().strip_prefix("h/").unwrap().strip_suffix('/').unwrap();
                    assert_eq!(partition::partition(partition::murmur2(key), 4), partition);
                    assert!(std::str::from_utf8(value).unwrap().contains(&format!("\"metric\":\"{metric}\"")));
                }
                let mut times: Vec<_> = log.iter().map(|record| record.0).filter(|&time| time > 0).collect();
                times.dedup();
                assert!(times.is_sorted(), "in their order");
            }
        });
    }
}

#[test]
fn a_huge_batch_goes_in_parts_that_a_topic_takes() {
    let brokers = Brokers::start(1, &[0, 0], |_, _| Deed::Take);
    let mut kafka = brokers.open(r#", "max_batch_bytes": 100000"#);
    assert_eq!(kafka.write(points(20_000)).unwrap(), 20_000);
    assert_eq!(brokers.times(), (0..20_000).collect::<Vec<_>>());
    brokers.with(|state| {
        assert!(state.requests.len() > 10);
        let sizes = state.requests.iter().flatten().map(|(_, size)| *size);
        assert!(sizes.max() <= Some(100_000), "{:?}", state.requests);
        for request in &state.requests {
            let mut partitions: Vec<_> = request.iter().map(|(partition, _)| *partition).collect();
            partitions.dedup();
            assert_eq!(partitions.len(), request.len(), "one batch for a partition at a time");
        }
    });
}

#[test]
fn a_leader_that_has_changed_is_asked_for_and_followed() {
    let brokers = Brokers::start(3, &[0, 1, 2], |_, _| Deed::Take);
    let mut kafka = brokers.open("");
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    brokers.with(|state| state.leaders = vec![2, 2, 0]);
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    brokers.with(|state| assert_eq!((state.asked, state.logs.iter().map(Vec::len).sum::<usize>()), (2, 100)));
}

#[test]
fn leaders_that_change_are_waited_for_without_writing_twice() {
    let brokers = Brokers::start(2, &[0, 1], |_, _| Deed::Take);
    let mut kafka = brokers.open("");
    brokers.with(|state| {
        // What is told is no longer true, twice.
        state.next_leaders = Some(vec![0, 0]);
    });
    kafka.cluster.begin(&kafka.settings, Deadline::after_ms(5000)).unwrap();
    brokers.with(|state| state.next_leaders = Some(vec![0, 1]));
    let WriteError::Retry(again) = kafka.write(points(50)).unwrap_err() else { panic!("not a retry") };
    assert_eq!((again.after_ms, again.message.as_str()), (Some(250), "partition 1: NOT_LEADER_OR_FOLLOWER"));
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    assert_eq!(brokers.times(), (0..50).collect::<Vec<_>>());
}

#[test]
fn what_one_leader_has_taken_is_not_sent_again_when_another_could_not() {
    let brokers = Brokers::start(2, &[0, 1], |_, number| if number == 1 { Deed::Fail(19) } else { Deed::Take });
    let mut kafka = brokers.open("");
    let message = retry(kafka.write(points(50)).unwrap_err());
    assert!(message.contains("NOT_ENOUGH_REPLICAS (fewer are in sync"), "{message}");
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    assert_eq!(brokers.times(), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_batch_that_is_too_large_is_cut_until_it_fits() {
    // A topic that takes three records at a time, and none of the time 13.
    let brokers = Brokers::start(1, &[0], |batch, _| match batch {
        _ if batch.len() > 3 => Deed::Fail(10),
        _ if batch.iter().any(|record| record.0 == 13) => Deed::Fail(18),
        _ => Deed::Take,
    });
    let mut kafka = brokers.open("");
    let WriteError::Reject(reject) = kafka.write(points(20)).unwrap_err() else { panic!("not a reject") };
    assert_eq!(
        (reject.points, reject.message.as_str()),
        (vec![13], "partition 0: RECORD_LIST_TOO_LARGE (lower max_batch_bytes)")
    );
    let rest: Vec<_> = points(20).into_iter().filter(|point| point.timestamp_ms != 13).collect();
    assert_eq!(kafka.write(rest).unwrap(), 19);
    assert_eq!(brokers.times(), (0..20).filter(|&time| time != 13).collect::<Vec<_>>());
}

#[test]
fn records_that_a_broker_rejects_are_found_if_it_names_none() {
    let bad = |record: &Record| record.0 % 7 == 3;
    let named = move |batch: &[Record], _: usize| {
        let places: Vec<_> = (0..).zip(batch).filter(|(_, record)| bad(record)).map(|(place, _)| place).collect();
        if places.is_empty() { Deed::Take } else { Deed::Blame(places) }
    };
    let unnamed = move |batch: &[Record], _: usize| if batch.iter().any(bad) { Deed::Fail(32) } else { Deed::Take };
    for brokers in [Brokers::start(1, &[0], named), Brokers::start(1, &[0], unnamed)] {
        let mut kafka = brokers.open("");
        let WriteError::Reject(reject) = kafka.write(points(30)).unwrap_err() else { panic!("not a reject") };
        assert_eq!(reject.points, [3, 10, 17, 24]);
        let rest: Vec<_> = points(30).into_iter().filter(|point| point.timestamp_ms % 7 != 3).collect();
        assert_eq!(kafka.write(rest).unwrap(), 26);
        assert_eq!(brokers.times(), (0..30).filter(|time| time % 7 != 3).collect::<Vec<_>>());
    }
}

#[test]
fn a_broker_that_vanishes_is_sent_what_it_has_not_acknowledged() {
    let brokers = Brokers::start(2, &[0, 1], |_, number| if number == 1 { Deed::Vanish } else { Deed::Take });
    let mut kafka = brokers.open("");
    // The answer is lost, so that batch is there twice: that is all that can be done without a producer's number.
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    let mut times = brokers.times();
    assert!(times.len() > 50 && times.len() < 100, "{}", times.len());
    times.dedup();
    assert_eq!(times, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_topic_that_is_not_there_and_a_cluster_that_is_away_are_waited_for() {
    let brokers = Brokers::start(1, &[0], |_, _| Deed::Take);
    brokers.with(|state| state.topic_error = 3);
    let mut kafka = brokers.open("");
    let message = retry(kafka.write(points(1)).unwrap_err());
    assert!(message.starts_with("topic saker: UNKNOWN_TOPIC_OR_PARTITION (create the topic"), "{message}");
    brokers.with(|state| state.topic_error = 0);
    assert_eq!(kafka.write(points(1)).unwrap(), 1);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    let mut kafka = brokers.open("");
    kafka.cluster = Cluster::new(&KafkaSettings { brokers: vec![silent.clone()], ..kafka.settings.clone() }).unwrap();
    kafka.settings.timeout_ms = 30;
    assert_eq!(retry(kafka.write(points(1)).unwrap_err()), format!("{silent}: no answer in time"));
}

#[test]
fn a_login_says_name_and_password_and_what_is_wrong_with_them() {
    let brokers = Brokers::start(1, &[0], |_, _| Deed::Take);
    let mut kafka = brokers.open(r#", "sasl": "plain", "username": "me", "password": "open sesame""#);
    assert_eq!(kafka.write(points(1)).unwrap(), 1);
    brokers.with(|state| assert_eq!(state.logins[0], "\0me\0open sesame"));
    let mut kafka = brokers.open(r#", "sasl": "plain", "username": "me", "password": "wrong""#);
    let message = retry(kafka.write(points(1)).unwrap_err());
    assert!(message.ends_with(": cannot log in: no"), "{message}");
    let mut kafka = brokers.open(r#", "sasl": "scram-sha-256", "username": "me", "password": "x""#);
    let message = retry(kafka.write(points(1)).unwrap_err());
    assert!(message.ends_with("the broker offers PLAIN, and not SCRAM-SHA-256"), "{message}");
}

#[test]
fn brokers_that_are_too_old_or_none_at_all_are_told_by_what_they_say() {
    let brokers = Brokers::start(1, &[0], |_, _| Deed::Take);
    brokers.with(|state| state.versions = (2, 1));
    let message = retry(brokers.open("").write(points(1)).unwrap_err());
    assert!(message.ends_with("speaks no version 3 to 8 of Produce; Kafka 0.11 and later do"), "{message}");
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    for (settings, what) in [
        (r#"{"brokers": []}"#, "brokers: give at least one"),
        (r#"{"brokers": ["h"]}"#, "brokers: no port"),
        (r#"{"brokers": ["udp://h:1"]}"#, "brokers: Kafka is reached by TCP"),
        (r#"{"brokers": ["h:1"], "topic": "a b"}"#, "topic: must be 1 to 249"),
        (r#"{"brokers": ["h:1"], "topic": ".."}"#, "topic: must be 1 to 249"),
        (r#"{"brokers": ["h:1"], "key": "${x}"}"#, "key: `${x}` refers to nothing"),
        (r#"{"brokers": ["h:1"], "max_batch_bytes": 10}"#, "max_batch_bytes: must be 1100"),
        (r#"{"brokers": ["h:1"], "username": "u"}"#, "sasl: say how to log in"),
        (r#"{"brokers": ["h:1"], "sasl": "plain", "username": "u"}"#, "sasl: give username and password"),
        (r#"{"brokers": ["h:1"], "acks": "none"}"#, "acks: expected one of leader, all"),
    ] {
        let error = saker_sdk::settings::parse(settings).and_then(Kafka::open).err().unwrap();
        let OpenError::Settings(message) = error else { panic!("{error:?}") };
        assert!(message.starts_with(what), "{message}");
    }
}
