use super::*;

/// A series, with its tags as Open-Falcon writes them.
pub(crate) fn series(endpoint: &str, metric: &str, tags: &str) -> Series {
    let tags = tags.split(',').filter_map(|tag| tag.split_once('=')).map(|(key, value)| (key.into(), value.into()));
    Series {
        endpoint: endpoint.into(),
        metric: metric.into(),
        tags: tags.collect(),
        metric_type: MetricType::Gauge,
        step_s: 10,
    }
}

fn open(rules: &str) -> Result<Tagger, String> {
    let settings = saker_sdk::settings::parse(&format!(r#"{{"rules": [{rules}]}}"#));
    match settings.and_then(Tagger::open) {
        Ok(tagger) => Ok(tagger),
        Err(OpenError::Settings(error)) => Err(error),
        Err(other) => panic!("{other:?}"),
    }
}

/// What becomes of a series of `web1`: `keep`, `drop`, the new one as `endpoint/metric/tags`, or the error.
fn verdict(rules: &str, metric: &str, tags: &str) -> String {
    match open(rules).unwrap().map_series(series("web1", metric, tags)) {
        Ok(Verdict::Keep) => "keep".into(),
        Ok(Verdict::Drop) => "drop".into(),
        Ok(Verdict::Change(series)) => {
            let tags: Vec<_> = series.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{}/{}/{}", series.endpoint, series.metric, tags.join(","))
        }
        Ok(Verdict::Fail(ProcessError::Other(error))) | Err(ProcessError::Other(error)) => error,
    }
}

fn check(cases: &[(&str, &str, &str, &str)]) {
    for (rules, metric, tags, expected) in cases {
        assert_eq!(verdict(rules, metric, tags), *expected, "{rules} on {metric}/{tags}");
    }
}

#[test]
fn tags_are_set_renamed_and_removed_and_stay_sorted() {
    check(&[
        ("", "m", "a=1", "keep"),
        (r#"{"add": {"dc": "eu1"}}"#, "m", "", "web1/m/dc=eu1"),
        (r#"{"add": {"dc": "eu1"}}"#, "m", "a=1,z=2", "web1/m/a=1,dc=eu1,z=2"),
        (r#"{"add": {"dc": "eu1"}}"#, "m", "dc=us", "web1/m/dc=eu1"),
        (r#"{"default": {"dc": "eu1"}}"#, "m", "dc=us", "keep"),
        (r#"{"default": {"dc": "eu1"}}"#, "m", "e=1", "web1/m/dc=eu1,e=1"),
        (r#"{"default": {"dc": "eu1"}}"#, "m", "dc=", "keep"),
        (r#"{"rename": {"iface": "a"}}"#, "m", "b=1,iface=eth0", "web1/m/a=eth0,b=1"),
        (r#"{"rename": {"iface": "a"}}"#, "m", "b=1", "keep"),
        (r#"{"rename": {"iface": "b"}}"#, "m", "b=1,iface=eth0", "web1/m/b=eth0"),
        (r#"{"remove": ["b", "x*"]}"#, "m", "a=1,b=2,x=3,xy=4,y=5", "web1/m/a=1,y=5"),
        (r#"{"remove": ["b"]}"#, "m", "a=1", "keep"),
        (r#"{"remove": ["/[^a]/"], "add": {"a": "2"}}"#, "m", "a=1,b=2", "web1/m/a=2"),
    ]);
}

#[test]
fn a_series_is_changed_only_if_it_comes_out_different() {
    check(&[
        (r#"{"add": {"dc": "eu1"}}"#, "m", "dc=eu1", "keep"),
        (r#"{"rename_metric": "m"}"#, "m", "", "keep"),
        (r#"{"endpoint": "web1"}"#, "m", "", "keep"),
        (r#"{"rename": {"a": "b"}}, {"rename": {"b": "a"}}"#, "m", "a=1", "keep"),
        (r#"{"endpoint": "web2"}"#, "m", "", "web2/m/"),
    ]);
}

#[test]
fn metrics_and_endpoints_are_made_of_what_the_patterns_found() {
    check(&[
        (r#"{"when": {"metric": "cpu.*"}, "rename_metric": "host.$1"}"#, "cpu.idle", "", "web1/host.idle/"),
        (r#"{"when": {"metric": "cpu.*"}, "rename_metric": "host.$1"}"#, "mem.free", "", "keep"),
        (
            r#"{"when": {"metric": "/net\\.if\\.(in|out)\\.(.*)/"}, "rename_metric": "net.$2", "add": {"way": "$1"}}"#,
            "net.if.in.bytes",
            "iface=eth0",
            "web1/net.bytes/iface=eth0,way=in",
        ),
        (
            r#"{"when": {"tags": {"device": "/(?<disk>sd.)(?<part>\\d+)?/"}},
                "add": {"device": "${disk}", "part": "${part}"}}"#,
            "disk.io.util",
            "device=sda2",
            "web1/disk.io.util/device=sda,part=2",
        ),
        (
            r#"{"when": {"tags": {"container": "*"}},
                "endpoint": "${endpoint}-${tags.container}", "remove": ["container"]}"#,
            "cpu.idle",
            "container=db",
            "web1-db/cpu.idle/",
        ),
    ]);
}

#[test]
fn a_text_that_comes_out_empty_sets_no_tag() {
    check(&[
        (r#"{"add": {"zone": "${tags.az}"}}"#, "m", "zone=a", "keep"),
        (r#"{"default": {"zone": "${tags.az}"}}"#, "m", "", "keep"),
        (r#"{"default": {"zone": "${tags.az}"}}"#, "m", "az=b", "web1/m/az=b,zone=b"),
    ]);
}

#[test]
fn series_are_dropped_by_what_fits_or_by_what_does_not() {
    check(&[
        (r#"{"when": {"metric": "df.*"}, "drop": true}"#, "df.bytes.free", "", "drop"),
        (r#"{"when": {"metric": "df.*"}, "drop": true}"#, "cpu.idle", "", "keep"),
        (r#"{"when": {"metric": "/cpu\\..*|mem\\..*/"}, "keep": true}"#, "mem.free", "", "keep"),
        (r#"{"when": {"metric": "/cpu\\..*|mem\\..*/"}, "keep": true}"#, "df.bytes.free", "", "drop"),
        (
            r#"{"when": {"metric": "net.*"}, "unless": {"tags": {"iface": "eth*"}}, "drop": true}"#,
            "net.if.in.bytes",
            "iface=eth0",
            "keep",
        ),
        (
            r#"{"when": {"metric": "net.*"}, "unless": {"tags": {"iface": "eth*"}}, "drop": true}"#,
            "net.if.in.bytes",
            "iface=veth1",
            "drop",
        ),
        (r#"{"unless": {"tags": {"test": "*"}}, "keep": true}"#, "m", "test=1", "drop"),
        (r#"{"unless": {"tags": {"test": "*"}}, "keep": true}"#, "m", "", "keep"),
    ]);
}

#[test]
fn each_rule_sees_what_the_one_before_has_made() {
    check(&[
        (
            r#"{"rename_metric": "a.${metric}"}, {"when": {"metric": "a.*"}, "rename_metric": "b.$1"}"#,
            "m",
            "",
            "web1/b.m/",
        ),
        (r#"{"rename": {"a": "b"}}, {"rename": {"b": "c"}}"#, "m", "a=1,b=2", "web1/m/c=1"),
        (r#"{"when": {"metric": "m"}, "drop": true}, {"rename_metric": "n"}"#, "m", "", "drop"),
        (r#"{"rename_metric": "n"}, {"when": {"metric": "m"}, "drop": true}"#, "m", "", "web1/n/"),
    ]);
}

#[test]
fn within_a_rule_texts_are_made_of_the_series_as_it_came() {
    check(&[(
        r#"{"remove": ["a"], "add": {"b": "${tags.a}", "c": "${tags.b}"}, "rename_metric": "${tags.a}.${tags.b}"}"#,
        "m",
        "a=1,b=2",
        "web1/1.2/b=1,c=2",
    )]);
}

#[test]
fn a_change_that_cannot_be_is_an_error_that_names_rule_field_and_series() {
    check(&[
        (
            r#"{"add": {"x": "1"}}, {"when": {"metric": "cpu*"}, "rename_metric": "$1"}"#,
            "cpu",
            "",
            "rule 2: rename_metric: comes out empty (cpu of web1)",
        ),
        (r#"{"endpoint": "${tags.container}"}"#, "m", "", "rule 1: endpoint: comes out empty (m of web1)"),
        (
            r#"{"add": {"from": "${metric}"}}"#,
            "a=b",
            "",
            "rule 1: add.from: \"a=b\" holds `,`, `=` or a control character (a=b of web1)",
        ),
        (
            r#"{"default": {"from": "${metric}"}}"#,
            "a,b",
            "",
            "rule 1: default.from: \"a,b\" holds `,`, `=` or a control character (a,b of web1)",
        ),
    ]);
}

#[test]
fn the_examples_of_the_readme_do_what_it_says() {
    let place = r#"{"add": {"dc": "eu1"}, "default": {"team": "platform"}}"#;
    let ignore = r#"{"when": {"metric": "df.*", "tags": {"mount": "/boot*"}}, "drop": true},
        {"when": {"metric": "*"}, "unless": {"metric": "/cpu\\..*\\.guest|TcpExt\\..*/"}, "keep": true}"#;
    let names = r#"{"when": {"metric": "net.if.*"}, "rename": {"iface": "interface"}, "rename_metric": "host.net.$1"}"#;
    let disk = r#"{"when": {"metric": "disk.io.*", "tags": {"device": "/(?<disk>nvme\\d+n\\d+)p(?<part>\\d+)/"}},
        "add": {"device": "${disk}", "partition": "${part}"}}"#;
    let container = r#"{"when": {"tags": {"container": "*"}}, "endpoint": "${endpoint}/${tags.container}",
        "remove": ["container", "container_*"]}"#;
    check(&[
        (place, "load.1min", "", "web1/load.1min/dc=eu1,team=platform"),
        (place, "proc.num", "dc=old,team=billing", "web1/proc.num/dc=eu1,team=billing"),
        (ignore, "df.bytes.free", "mount=/boot/efi", "drop"),
        (ignore, "df.bytes.free", "mount=/", "keep"),
        (ignore, "cpu.core.guest", "core=1", "drop"),
        (ignore, "cpu.core.idle", "core=1", "keep"),
        (names, "net.if.in.bytes", "iface=eth0", "web1/host.net.in.bytes/interface=eth0"),
        (disk, "disk.io.util", "device=nvme0n1p2", "web1/disk.io.util/device=nvme0n1,partition=2"),
        (disk, "disk.io.util", "device=nvme0n1", "keep"),
        (container, "cpu.idle", "container=db,container_id=81f2", "web1/db/cpu.idle/"),
    ]);
}

#[test]
fn a_mistake_in_the_rules_is_named_by_rule_and_field() {
    for (rules, expected) in [
        ("{}", "rule 1: does nothing; give it an action, such as `add` or `drop`"),
        (r#"{"add": {"a": "b"}}, {"drop": false}"#, "rule 2: does nothing; give it an action, such as `add` or `drop`"),
        (r#"{"drop": true}"#, "rule 1: drop: needs a condition in `when` or `unless`"),
        (r#"{"keep": true}"#, "rule 1: keep: needs a condition in `when` or `unless`"),
        (
            r#"{"when": {"metric": "m"}, "drop": true, "keep": true}"#,
            "rule 1: keep: contradicts `drop`; make two rules of it",
        ),
        (
            r#"{"when": {"metric": "m"}, "drop": true, "add": {"a": "b"}, "endpoint": "e"}"#,
            "rule 1: drop: contradicts `add`, `endpoint`; make two rules of it",
        ),
        (
            r#"{"when": {"metric": "m"}, "keep": true, "remove": ["a"]}"#,
            "rule 1: keep: contradicts `remove`; make two rules of it",
        ),
        (
            r#"{"add": {"a": "1"}, "default": {"a": "2"}}"#,
            "rule 1: default: the tag `a` stands in `add` too; make two rules of it",
        ),
        (
            r#"{"add": {"a": "1"}, "remove": ["*"]}"#,
            "rule 1: add: the tag `a` stands in `remove` too; make two rules of it",
        ),
        (
            r#"{"add": {"a": "1"}, "rename": {"a": "b"}}"#,
            "rule 1: rename: the tag `a` stands in `add` too; make two rules of it",
        ),
        (r#"{"rename": {"a": "c", "b": "c"}}"#, "rule 1: rename: the tag `c` stands there twice; make two rules of it"),
        (r#"{"rename": {"a": "a"}}"#, "rule 1: rename: the tag `a` stands there twice; make two rules of it"),
        (r#"{"add": {"": "1"}}"#, "rule 1: add: a tag's key must not be empty"),
        (r#"{"add": {"a=": "1"}}"#, "rule 1: add: the key \"a=\" holds `,`, `=` or a control character"),
        (r#"{"add": {"a": ""}}"#, "rule 1: add.a: is empty; to take a tag away write `remove = [\"a\"]`"),
        (r#"{"default": {"a": "x,y"}}"#, "rule 1: default.a: \"x,y\" holds `,`, `=` or a control character"),
        (r#"{"rename": {"a": ""}}"#, "rule 1: rename.a: a tag's key must not be empty"),
        (r#"{"remove": [""]}"#, "rule 1: remove: a tag's key must not be empty"),
        (r#"{"rename_metric": ""}"#, "rule 1: rename_metric: is empty"),
        (r#"{"endpoint": "a\u0007"}"#, "rule 1: endpoint: \"a\\u{7}\" holds a control character"),
        (
            r#"{"rename_metric": "$1"}"#,
            "rule 1: rename_metric: `$1` refers to nothing: `when.metric` has 0 `*` or groups",
        ),
        (
            r#"{"when": {"metric": "/(?<x>.)(.*)/", "tags": {"a": "/(?<x>.)/"}}, "endpoint": "${x}"}"#,
            "rule 1: when: two groups have the name `x`",
        ),
        (
            r#"{"when": {"metric": "/(?<endpoint>.*)/"}, "endpoint": "${endpoint}"}"#,
            "rule 1: when: a group must not have the name `endpoint`, which stands for the series' own",
        ),
        (
            r#"{"ad": {"a": "b"}}"#,
            "rules: item 0: ad: no such setting; \
             there is when, unless, add, default, rename, remove, rename_metric, endpoint, drop, keep",
        ),
    ] {
        assert_eq!(open(rules).err().as_deref(), Some(expected), "{rules}");
    }
    for (rules, start) in [
        (r#"{"when": {"metric": "/(/"}, "drop": true}"#, "rule 1: when.metric: \"/(/\" is no regular expression: "),
        (r#"{"unless": {"tags": {"a": "/[/"}}, "drop": true}"#, "rule 1: unless.tags.a: \"/[/\" is no regular"),
        (r#"{"remove": ["/(/"]}"#, "rule 1: remove: \"/(/\" is no regular expression: "),
    ] {
        let error = open(rules).err().unwrap();
        assert!(error.starts_with(start), "{error}");
    }
}
