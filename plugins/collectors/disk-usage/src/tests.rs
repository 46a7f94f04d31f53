//! The collector as a whole, over `tests/fixtures/proc/mounts`.

use saker_sdk::testing;

use super::*;

const RUN: Run = Run { timestamp_ms: 0, interval_ms: 10_000 };
const GIB: u64 = 1 << 30;
const FULL: Usage =
    Usage { total_bytes: 10 * GIB, free_bytes: 5 * GIB, available_bytes: 5 * GIB, total_inodes: 100, free_inodes: 75 };

fn open(json: &str) -> DiskUsage {
    DiskUsage::open(saker_sdk::settings::parse(json).unwrap()).unwrap()
}

fn over_the_fixture() -> DiskUsage {
    open(r#"{"proc": "../../../tests/fixtures/proc"}"#)
}

fn mounts(values: &[Sample]) -> Vec<(&str, &str)> {
    let totals = values.iter().filter(|value| value.metric == "df.bytes.total");
    totals.map(|value| (value.tags[0].1.as_str(), value.tags[1].1.as_str())).collect()
}

#[test]
fn the_defaults_choose_what_stores_data_once() {
    for path in ["/", "/boot", "/boot/efi", "/srv/data", "/media/usb stick,2", "/mnt/archive"] {
        testing::set_usage(path, FULL);
    }
    let values = over_the_fixture().collect(RUN).unwrap();
    assert_eq!(
        mounts(&values),
        [
            ("/", "ext4"),
            ("/boot", "ext4"),
            ("/boot/efi", "vfat"),
            ("/srv/data", "xfs"),
            ("/media/usb stick,2", "fuseblk"),
            ("/mnt/archive", "nfs4"),
        ],
    );
    assert_eq!(values.len(), 6 * 10 + 3);
    assert_eq!(values[62].metric, "df.statistics.used.percent");
    assert_eq!(values[62].value, 50.0);
    assert!(testing::logged().is_empty());
}

#[test]
fn a_mount_that_does_not_answer_is_counted_every_time_and_logged_once() {
    testing::set_usage("/", FULL);
    let mut collector = open(r#"{"proc": "../../../tests/fixtures/proc", "mounts": ["/", "/boot"]}"#);
    for ticks in 1..=3 {
        assert_eq!(mounts(&collector.collect(RUN).unwrap()), [("/", "ext4")]);
        assert_eq!(testing::custom_metric("mounts_unavailable"), Some(f64::from(ticks)));
    }
    let logged = testing::logged();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(logged[0].1, "/boot is left out: /boot: no such file or directory");

    testing::set_usage("/boot", FULL);
    assert_eq!(mounts(&collector.collect(RUN).unwrap()).len(), 2);
    assert!(collector.failing.is_empty(), "the next outage is news again");
    assert_eq!(testing::logged()[1].1, "/boot is back");
}

#[test]
fn what_is_not_denied_is_collected() {
    let mut collector = over_the_fixture();
    collector.look(b"/dev/a / ext4\n/dev/b /b ext4\n".to_vec());
    let values = collector.measure(|path| match path {
        "/b" => Ok(FULL),
        _ => Err(UsageError::Denied(statfs("/"))),
    });
    assert_eq!(mounts(&values.unwrap()), [("/b", "ext4")]);
    assert_eq!(testing::custom_metric("mounts_denied"), Some(1.0));
    assert_eq!(testing::logged()[0].1, "/ is left out: no permission to ask for its usage");
}

#[test]
fn nothing_but_denials_is_a_denial() {
    let mut collector = over_the_fixture();
    collector.look(b"/dev/a / ext4\n/dev/b /b ext4\n".to_vec());
    let error = collector.measure(|_| Err(UsageError::Denied(statfs("/")))).unwrap_err();
    assert!(matches!(error, CollectError::Denied(Permission::Statfs(path)) if path == "/"));

    let error = collector.measure(|path| match path {
        "/b" => Err(UsageError::Denied(statfs("/b"))),
        _ => Err(UsageError::Unavailable("stale".into())),
    });
    assert!(matches!(error.unwrap_err(), CollectError::Denied(Permission::Statfs(path)) if path == "/b"));
}

#[test]
fn if_no_mount_answers_the_reason_is_given() {
    let mut collector = over_the_fixture();
    collector.look(b"/dev/a / ext4\n".to_vec());
    let error = collector.measure(|_| Err(UsageError::Unavailable("stale".into()))).unwrap_err();
    assert!(matches!(error, CollectError::Unavailable(message) if message == "/: stale"));
}

#[test]
fn nothing_to_report_is_no_error() {
    let mut collector = over_the_fixture();
    collector.look(b"tmpfs /tmp tmpfs\n".to_vec());
    assert!(collector.measure(|_| Ok(FULL)).unwrap().is_empty());
}

#[test]
fn a_root_goes_before_the_paths_and_not_into_the_tags() {
    let mut collector = open(r#"{"proc": "/host/proc", "root": "/host/"}"#);
    assert_eq!(collector.table_path, "/host/proc/1/mounts");
    collector.look(b"/dev/a / ext4\n/dev/b /b ext4\n".to_vec());
    let values = collector.measure(|path| match path {
        "/host" | "/host/b" => Ok(FULL),
        _ => Err(UsageError::Unavailable("elsewhere".into())),
    });
    assert_eq!(mounts(&values.unwrap()), [("/", "ext4"), ("/b", "ext4")]);
}

#[test]
fn a_root_that_is_not_absolute_is_rejected() {
    let settings = saker_sdk::settings::parse(r#"{"root": "host"}"#).unwrap();
    let error = DiskUsage::open(settings).err();
    assert!(
        matches!(error, Some(OpenError::Settings(text)) if text == "root: expected an absolute path, found \"host\"")
    );
}

#[test]
fn what_vanishes_from_the_table_is_forgotten() {
    let mut collector = over_the_fixture();
    collector.look(b"/dev/a / ext4\n/dev/b /b ext4\n".to_vec());
    collector.measure(|_| Err(UsageError::Unavailable("stale".into()))).unwrap_err();
    assert_eq!(collector.failing.len(), 2);
    collector.look(b"/dev/a / ext4\n".to_vec());
    assert_eq!(collector.failing.len(), 1);
}

#[test]
fn a_path_that_is_not_utf8_spoils_its_own_mount_only() {
    let mut collector = over_the_fixture();
    collector.look(b"/dev/a / ext4\n/dev/b /b\xff ext4\n".to_vec());
    testing::set_usage("/", FULL);
    assert_eq!(mounts(&collector.measure(host::filesystem_usage).unwrap()), [("/", "ext4")]);
}

#[test]
fn a_missing_or_malformed_table_is_named() {
    let error = open(r#"{"proc": "/nowhere"}"#).collect(RUN).unwrap_err();
    assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/mounts: ")));

    let mut collector = open(r#"{"proc": "/p"}"#);
    collector.look(b"junk\n".to_vec());
    let error = collector.measure(|_| Ok(FULL)).unwrap_err();
    assert!(matches!(error, CollectError::Malformed(text)
        if text == "/p/mounts: expected a source, an absolute path and a type, found \"junk\""));
    assert!(collector.table.is_empty(), "the next run looks again");
}

#[test]
fn a_source_with_a_blank_costs_its_own_mount_and_is_named_once() {
    let mut collector = over_the_fixture();
    // As a container with bound namespaces has it.
    let table = "rootfs / rootfs rw 0 0\n/dev/root / ext4 rw 0 0\nproc net:[4026532152] proc rw,nosuid 0 0\n";
    collector.look(table.as_bytes().to_vec());
    collector.look(format!("{table}/dev/b /b ext4 rw 0 0\n").into_bytes());
    assert_eq!(mounts(&collector.measure(|_| Ok(FULL)).unwrap()), [("/", "ext4"), ("/b", "ext4")]);
    assert_eq!(testing::custom_metric("left_out"), Some(2.0));
    assert_eq!(testing::logged().len(), 1, "{:?}", testing::logged());
}

#[test]
fn a_line_that_is_changed_costs_at_most_its_own_mount() {
    let table = std::fs::read_to_string("../../../tests/fixtures/proc/mounts").unwrap();
    let of = |text: &str| {
        // What one mount hides of another is a matter of the whole table.
        let mut collector = open(r#"{"proc": "/p", "mounts": ["*"]}"#);
        collector.look(text.as_bytes().to_vec());
        let mut values = collector.measure(|_| Ok(FULL)).unwrap();
        values.retain(|value| !value.metric.starts_with("df.statistics."));
        values
    };
    let sound = of(&table);
    testing::each_line_changed(&table, |changed, line| {
        let path = line.split(' ').nth(1).unwrap();
        testing::same_but(&sound, &of(changed), |value| value.tags[0].1 == path || line.contains(r"\0"));
    });
}
