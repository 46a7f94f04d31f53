//! The collector as a whole, over `tests/fixtures/proc/diskstats`.

use saker_sdk::testing;

use super::*;

fn open(json: &str) -> DiskIo {
    DiskIo::open(saker_sdk::settings::parse(json).unwrap()).unwrap()
}

fn over_the_fixture() -> DiskIo {
    open(r#"{"proc": "../../../tests/fixtures/proc"}"#)
}

fn collect(collector: &mut DiskIo, timestamp_ms: i64) -> Vec<Sample> {
    collector.collect(Run { timestamp_ms, interval_ms: 10_000 }).unwrap()
}

fn find<'a>(values: &'a [Sample], metric: &str, device: &str) -> Option<&'a Sample> {
    let tags = [("device".to_owned(), device.to_owned())];
    let mut found = values.iter().filter(|value| value.metric == metric && value.tags == tags);
    let first = found.next();
    assert!(found.next().is_none(), "{metric} {device} stands twice");
    first
}

#[test]
fn the_defaults_choose_whole_devices_that_were_used() {
    let values = collect(&mut over_the_fixture(), 0);
    let requests = values.iter().filter(|value| value.metric == "disk.io.read_requests");
    let devices: Vec<_> = requests.map(|value| value.tags[0].1.as_str()).collect();
    assert_eq!(devices, ["nvme0n1", "sda", "sdb", "dm-0", "md127", "mmcblk0", "xvda1"]);
}

#[test]
fn partitions_are_reported_on_demand() {
    let mut collector = open(
        r#"{"proc": "../../../tests/fixtures/proc", "partitions": true, "include": ["nvme*"], "exclude": ["*p1"]}"#,
    );
    let values = collect(&mut collector, 0);
    assert!(find(&values, "disk.io.msec_total", "nvme0n1p3").is_some());
    assert!(find(&values, "disk.io.msec_total", "nvme0n1p1").is_none());
    assert!(find(&values, "disk.io.msec_total", "sda").is_none());
}

#[test]
fn the_first_run_brings_counters_and_the_second_gauges() {
    let mut collector = over_the_fixture();
    let first = collect(&mut collector, 50_000);
    assert_eq!(first.len(), 6 * 15 + 11, "fifteen columns, and eleven of an old kernel");
    let written = find(&first, "disk.io.write_sectors", "nvme0n1").unwrap();
    assert_eq!((written.value, written.metric_type), (613_209_864.0, MetricType::Counter));
    let in_progress = find(&first, "disk.io.ios_in_progress", "nvme0n1").unwrap();
    assert_eq!((in_progress.value, in_progress.metric_type), (2.0, MetricType::Gauge));
    assert!(find(&first, "disk.io.discard_requests", "sdb").is_none());

    // As if less had been read one run before.
    collector.rates.begin(&Run { timestamp_ms: 50_000, interval_ms: 10_000 });
    let text = text::read(collector.file.path()).unwrap();
    for device in diskstats::parse(&text, &collector.choice, &mut Gaps::default().of("diskstats")) {
        let mut columns = device.always().unwrap();
        if device.name == "sda" {
            columns[2] -= 4000;
            columns[9] -= 2500;
        }
        collector.rates.change(&device.name, columns);
    }
    let second = collect(&mut collector, 60_000);
    assert_eq!(second.len(), first.len() + 7 * 7);
    let gauge = |metric, device| find(&second, metric, device).unwrap().value;
    assert_eq!(gauge("disk.io.read_bytes", "sda"), 204_800.0);
    assert_eq!(gauge("disk.io.util", "sda"), 25.0);
    assert_eq!(gauge("disk.io.util", "nvme0n1"), 0.0);
}

#[test]
fn a_clock_that_was_set_back_brings_no_gauges() {
    let mut collector = over_the_fixture();
    let first = collect(&mut collector, 50_000);
    assert_eq!(collect(&mut collector, 40_000).len(), first.len());
    assert!(collect(&mut collector, 50_000).len() > first.len());
}

#[test]
fn a_successor_goes_on_from_the_saved_reading() {
    let first = collect(&mut over_the_fixture(), 50_000);
    assert!(testing::saved_state().is_some());
    let second = collect(&mut over_the_fixture(), 60_000);
    assert_eq!(second.len(), first.len() + 7 * 7);
}

#[test]
fn a_line_that_is_changed_costs_at_most_its_own_device() {
    let text = std::fs::read_to_string("../../../tests/fixtures/proc/diskstats").unwrap();
    let directory = std::env::temp_dir().join(format!("saker-disk-io-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let of = |text: &str| {
        std::fs::write(directory.join("diskstats"), text).unwrap();
        let settings = format!(r#"{{"proc": {directory:?}, "partitions": true, "exclude": []}}"#);
        collect(&mut open(&settings), 0)
    };
    let sound = of(&text);
    testing::each_line_changed(&text, |changed, line| {
        let name = line.split_ascii_whitespace().nth(2).unwrap();
        testing::same_but(&sound, &of(changed), |value| value.tags[0].1 == name);
    });
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let mut collector = open(r#"{"proc": "/nowhere"}"#);
    let error = collector.collect(Run { timestamp_ms: 0, interval_ms: 1000 }).unwrap_err();
    assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/diskstats: ")));
}
