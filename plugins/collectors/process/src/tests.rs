use super::*;

const PROC: &str = "../../../tests/fixtures/proc";

fn open(proc: &str, groups: &str) -> Processes {
    saker_sdk::testing::clear_state();
    reopen(proc, groups)
}

fn reopen(proc: &str, groups: &str) -> Processes {
    let settings = format!(r#"{{"proc": "{proc}", "groups": [{groups}]}}"#);
    Processes::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap()
}

fn collect(processes: &mut Processes, at_ms: i64) -> Vec<Sample> {
    processes.collect(Run { timestamp_ms: at_ms, interval_ms: 10_000 }).unwrap()
}

/// The value of a metric with these tags, written as Open-Falcon writes them.
fn find(values: &[Sample], metric: &str, tags: &str) -> Option<f64> {
    let line =
        |value: &Sample| value.tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let found: Vec<_> = values.iter().filter(|value| value.metric == metric && line(value) == tags).collect();
    assert!(found.len() < 2, "{metric}/{tags} comes twice");
    found.first().map(|value| value.value)
}

#[test]
fn without_groups_all_processes_are_counted_by_state() {
    let values = collect(&mut open(PROC, ""), 0);
    let found: Vec<_> = values.iter().map(|value| (value.metric.as_str(), value.value)).collect();
    let expected = [
        ("proc.total", 10.0),
        ("proc.running", 1.0),
        ("proc.sleeping", 6.0),
        ("proc.blocked", 1.0),
        ("proc.zombie", 1.0),
        ("proc.stopped", 1.0),
        ("proc.threads.total", 77.0),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_group_is_chosen_by_name_by_command_line_or_by_both() {
    let groups = r#"{"name": "nginx"}, {"name": "nginx", "cmdline": "worker process"}, {"cmdline": "billing"},
        {"label": "bash", "name": "bash"}, {"name": "kthreadd"}, {"cmdline": "kthreadd"}, {"name": "Web Content (x)"},
        {"cmdline": "-jar /srv/app/billing.jar --port 8080"}"#;
    let values = collect(&mut open(PROC, groups), 0);
    for (tags, expected) in [
        ("name=nginx", 3.0),
        ("cmdline=worker process,name=nginx", 2.0),
        ("cmdline=billing", 1.0),
        ("group=bash", 1.0),
        ("name=kthreadd", 1.0),
        ("cmdline=kthreadd", 0.0),
        ("name=Web Content (x)", 1.0),
        ("cmdline=-jar /srv/app/billing.jar --port 8080", 1.0),
    ] {
        assert_eq!(find(&values, "proc.num", tags), Some(expected), "{tags}");
    }
    assert_eq!(find(&values, "proc.threads", "cmdline=billing"), Some(64.0));
    assert_eq!(find(&values, "proc.mem.rss", "name=nginx"), Some((1_402.0 + 1_911.0 + 1_876.0) * 4096.0));
    assert_eq!(find(&values, "proc.uptime", "name=nginx"), Some(1_462_898.17 - 21.44));
    assert_eq!(find(&values, "proc.uptime", "cmdline=kthreadd"), None);
}

#[test]
fn a_zombie_counts_as_no_process_of_a_group() {
    let values = collect(&mut open(PROC, r#"{"name": "cron-job"}"#), 0);
    assert_eq!(find(&values, "proc.num", "name=cron-job"), Some(0.0));
    assert_eq!(find(&values, "proc.zombie", ""), Some(1.0));
}

#[test]
fn processor_time_is_the_mean_over_the_time_between_two_ticks() {
    let mut processes = open(PROC, r#"{"name": "nginx"}"#);
    let first = collect(&mut processes, 1_000);
    assert_eq!(find(&first, "proc.cpu.percent", "name=nginx"), None);

    let mut before = ProcReading::new(1_000);
    before.add(812, 2_144, 410 - 100);
    before.add(813, 2_150, 90_210 - 500);
    before.add(814, 777, 0);
    processes.before = Some(before);
    let second = collect(&mut processes, 21_000);
    assert_eq!(find(&second, "proc.cpu.percent", "name=nginx"), Some(30.0), "814 is another process now");

    let third = collect(&mut processes, 21_000);
    assert_eq!(find(&third, "proc.cpu.percent", "name=nginx"), None, "no time has passed");
    let fourth = collect(&mut processes, 31_000);
    assert_eq!(find(&fourth, "proc.cpu.percent", "name=nginx"), Some(0.0));
}

#[test]
fn a_successor_goes_on_from_the_saved_reading() {
    collect(&mut open(PROC, r#"{"name": "nginx"}"#), 1_000);
    let values = collect(&mut reopen(PROC, r#"{"name": "nginx"}"#), 11_000);
    assert_eq!(find(&values, "proc.cpu.percent", "name=nginx"), Some(0.0));
    assert_eq!(reopen(PROC, "").before, None, "without groups there is nothing to compare");
}

#[test]
fn a_process_that_cannot_be_read_is_passed_over() {
    let directory = std::env::temp_dir().join(format!("saker-process-{}", std::process::id()));
    for (pid, stat) in [("1", Some("1 (x) S 1 2\n")), ("2", None), ("3", Some(""))] {
        std::fs::create_dir_all(directory.join(pid)).unwrap();
        if let Some(stat) = stat {
            std::fs::write(directory.join(pid).join("stat"), stat).unwrap();
        }
    }
    let proc = directory.to_str().unwrap();
    let mut processes = open(proc, "");
    let mut collect = || processes.collect(Run { timestamp_ms: 0, interval_ms: 1000 });
    let named = collect().unwrap_err();
    let expected = format!("{proc}: expected columns, found \"1 (x) S 1 2\\n\"");
    assert!(matches!(&named, CollectError::Malformed(text) if *text == expected), "{named:?}");

    std::fs::copy(format!("{PROC}/812/stat"), directory.join("3/stat")).unwrap();
    let values = collect().unwrap();
    assert_eq!(find(&values, "proc.total", ""), Some(1.0), "the others are counted");
    assert_eq!(saker_sdk::testing::custom_metric("left_out"), Some(2.0));
    assert_eq!(saker_sdk::testing::logged().len(), 1);

    std::fs::remove_dir_all(directory.join("1")).unwrap();
    std::fs::remove_dir_all(directory.join("3")).unwrap();
    let empty = collect().unwrap_err();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(matches!(&empty, CollectError::Unavailable(text) if text.ends_with("no process can be read there")));
}

#[test]
fn a_stat_that_is_changed_costs_at_most_its_own_process() {
    let text = std::fs::read_to_string(format!("{PROC}/812/stat")).unwrap();
    let directory = std::env::temp_dir().join(format!("saker-process-changed-{}", std::process::id()));
    for pid in ["7", "812"] {
        std::fs::create_dir_all(directory.join(pid)).unwrap();
        std::fs::write(directory.join(pid).join("stat"), &text).unwrap();
    }
    let groups = r#"{"name": "nginx"}"#;
    let sound = collect(&mut open(directory.to_str().unwrap(), groups), 0);
    saker_sdk::testing::each_line_changed(&text, |changed, _| {
        std::fs::write(directory.join("812/stat"), changed).unwrap();
        let values = collect(&mut open(directory.to_str().unwrap(), groups), 0);
        saker_sdk::testing::same_but(&sound, &values, |_| true);
        for metric in ["proc.total", "proc.threads.total"] {
            let (before, now) = (find(&sound, metric, "").unwrap(), find(&values, metric, "").unwrap());
            assert!(now >= before / 2.0 && now <= before + 4_194_304.0, "{metric} {now} of {before}: {changed}");
        }
    });
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_missing_directory_is_named() {
    let error = open("/nowhere", "").collect(Run { timestamp_ms: 0, interval_ms: 1000 }).unwrap_err();
    assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere: ")));
}

#[test]
fn unusable_settings_are_rejected_when_opening() {
    for (settings, start) in
        [(r#"{"groups": [{"label": "x"}]}"#, "groups: group 1: "), (r#"{"page_bytes": 0}"#, "page_bytes: ")]
    {
        let error = Processes::open(saker_sdk::settings::parse(settings).unwrap()).err().unwrap();
        assert!(matches!(error, OpenError::Settings(text) if text.starts_with(start)));
    }
}
