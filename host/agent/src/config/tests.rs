//! The examples, held to the code; and a table of mistakes, each with its place and its cure.

use std::collections::BTreeSet;
use std::path::Path;

use saker_config::{ListenAddress, ReadContext};
use saker_plugins::PluginConfig;
use saker_sandbox::{Limits, PluginHash};
use serde_json::Value;
use toml::de::DeTable;

use super::*;

const EVERY_KEY: &str = include_str!("../../../../examples/agent.toml");
const THREE_DESTINATIONS: &str = include_str!("../../../../examples/three-destinations.toml");
const TAG: &str = include_str!("../../../../examples/tag.toml");

/// A file `agent.toml` in the current folder, and nothing else.
fn file(text: &str) -> ConfigSource {
    ConfigSource { file: Some(("agent.toml".into(), text.into())), ..ConfigSource::default() }
}

fn with(mut source: ConfigSource, environment: &[(&str, &str)], arguments: &[(&str, &str)]) -> ConfigSource {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    (source.environment, source.arguments) = (owned(environment), owned(arguments));
    source
}

fn read(text: &str) -> Config {
    Config::read(&file(text)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn mistakes(source: &ConfigSource) -> Vec<String> {
    let problems = Config::read(source).expect_err("a mistake");
    problems.0.iter().map(ToString::to_string).collect()
}

/// Expects exactly one mistake, in these words.
fn check(text: &str, expected: &str) {
    assert_eq!(mistakes(&file(text)), [expected], "{text}");
}

/// The reference with the keys that it shows in comments: those behind a `#` without a space.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// A key without the names that an operator chooses: `plugin.cpu.interval` is `plugin.*.interval`, and the number of a
/// route is left out. A destination's grants and limits are those of a plugin, and shown there.
fn general(key: &str) -> String {
    let mut parts: Vec<_> = key.split('.').map(|part| part.split('[').next().unwrap_or_default()).collect();
    if matches!(parts[0], "plugin" | "destination") && parts.len() > 1 {
        parts[1] = "*";
    }
    if matches!(parts[..], ["destination", _, "grant" | "limits", ..]) {
        parts[0] = "plugin";
    }
    parts.join(".")
}

fn keys_in(path: &str, value: &toml::Value, keys: &mut BTreeSet<String>) {
    keys.insert(general(path));
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(name, value)| keys_in(&below(name), value, keys)),
        toml::Value::Array(items) => items.iter().for_each(|item| keys_in(path, item, keys)),
        _ => {}
    }
}

#[test]
fn the_reference_says_what_the_defaults_are() {
    assert_eq!(read(EVERY_KEY), Config::default());
    assert_eq!(read(""), Config::default());
}

#[test]
fn the_reference_shows_every_key_that_is_read() {
    let source = file(&uncommented(EVERY_KEY));
    let reading = ReadContext::new(&source);
    let text = &source.file.as_ref().unwrap().1;
    let parsed = DeTable::parse(text).unwrap_or_else(|error| panic!("{error}"));
    sections::read(reading.root(Some(&parsed)));
    let asked = reading.asked();
    assert_eq!(reading.finish(true), (Vec::new(), Vec::new()));
    let mut shown = BTreeSet::new();
    keys_in("", &text.parse::<toml::Table>().unwrap().into(), &mut shown);
    let missing: BTreeSet<_> = asked.iter().map(|key| general(key)).filter(|key| !shown.contains(key)).collect();
    assert!(asked.len() > 50, "{asked:?}");
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn what_the_reference_shows_in_comments_is_at_its_default_as_well() {
    let config = read(&uncommented(EVERY_KEY));
    assert_eq!(config.sending["a"], DeliveryConfig::default());
    assert_eq!(config.plugins.backends["a"].limits, Limits::default());
    let route = &config.route[0];
    assert_eq!((route.hash, route.replicas, route.go_on), (saker_forward::HashKind::Rendezvous, 1, false));
    let cpu = &config.plugins.instances["cpu"];
    assert_eq!((cpu.file_of("cpu"), cpu.interval), (cpu.file_of("cpu"), Some(config.plugins.interval)));
}

#[test]
fn the_example_of_three_destinations_sends_everything_to_one_of_three() {
    let config = read(THREE_DESTINATIONS);
    assert_eq!(config.plugins.backends.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    for destination in config.plugins.backends.values() {
        let url = destination.settings.values["url"].as_str().unwrap();
        assert_eq!(destination.backend, "remote-write");
        assert_eq!(
            format!("http://{}", destination.grants.connect[0]),
            url,
            "a destination may connect to where it sends"
        );
    }
    assert_eq!(config.route.len(), 1);
    assert_eq!((config.route[0].destinations.len(), config.route[0].replicas), (3, 1));
    assert!(config.route[0].matcher.metric.is_empty() && config.route[0].matcher.tags.is_empty());
}

#[test]
fn the_example_of_a_processor_runs_one_file_under_two_names() {
    let config = read(TAG);
    assert_eq!(config.plugins.processors, ["place", "noise"]);
    for name in &config.plugins.processors {
        assert_eq!(config.plugins.instances[name].file_of(name), "tag.wasm");
        assert_eq!(config.plugins.instances[name].settings.values["rules"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn the_command_line_wins_over_the_environment_and_the_file() {
    let source = file("interval = \"30s\"\n[listen]\nhttp = \"127.0.0.1:1\"\n[cache]\nmax_points_per_series = 7");
    let environment = [("SAKER_LISTEN_HTTP", "127.0.0.1:2"), ("SAKER_INTERVAL", "20s")];
    let config = Config::read(&with(source, &environment, &[("listen.http", "127.0.0.1:3")])).unwrap();
    assert_eq!(config.listen.http, ListenAddress(Some(([127, 0, 0, 1], 3).into())));
    assert_eq!(config.plugins.interval, Duration::from_secs(20));
    assert_eq!(config.cache.items, 7);
}

#[test]
fn one_rule_names_every_key_in_the_environment() {
    let environment = [
        ("SAKER_DATA_DIR", "/var/lib/saker"),
        ("SAKER_PLUGIN_DISK_USAGE_GRANT_STATFS", "/, /srv"),
        ("SAKER_PLUGIN_CPU_SETTINGS", r#"{"per_core": false}"#),
        ("SAKER_PLUGIN_CPU_LIMITS_DEADLINE_COLLECT", "2s"),
        ("SAKER_DESTINATION_A_1_RETRY_MAX", "1m"),
        ("SAKER_LISTEN_HTTP", "off"),
    ];
    let source = file("[destination.a-1]\nbackend = \"stdout\"\n[[route]]\ndestinations = \"a-1\"");
    let config = Config::read(&with(source, &environment, &[])).unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/saker"));
    assert_eq!(config.plugins.instances["disk-usage"].grants.statfs, [Path::new("/"), Path::new("/srv")]);
    assert_eq!(config.plugins.instances["cpu"].settings.values["per_core"], Value::from(false));
    assert_eq!(config.plugins.instances["cpu"].limits.deadlines.collect, Duration::from_secs(2));
    assert_eq!(config.sending["a-1"].backoff.max, Duration::from_secs(60));
    assert_eq!(config.listen.http, ListenAddress(None));
}

#[test]
fn paths_in_a_file_are_meant_from_its_folder_and_others_from_here() {
    let text = "data_dir = \"data\"\n[plugins]\ndir = \"/opt/plugins\"";
    let source = ConfigSource { file: Some(("/etc/saker/agent.toml".into(), text.into())), ..ConfigSource::default() };
    let config = Config::read(&with(source, &[("SAKER_TLS_CA_FILE", "ca.pem")], &[])).unwrap();
    assert_eq!(config.data_dir, Path::new("/etc/saker/data"));
    assert_eq!(config.plugins.folder.dir, Path::new("/opt/plugins"));
    assert_eq!(config.tls.ca_file.as_deref(), Some(Path::new("ca.pem")));
}

#[test]
fn an_unknown_key_comes_with_the_nearest_known_one() {
    check(
        "[listen]\nhtpp = \"127.0.0.1:1\"",
        "agent.toml:2:1: listen.htpp: there is no such key; did you mean \"http\"?",
    );
    check(
        "[plugin.cpu]\n  intervall = \"1s\"",
        "agent.toml:2:3: plugin.cpu.intervall: there is no such key; did you mean \"interval\"?",
    );
    check("intervall = \"1s\"", "agent.toml:1:1: intervall: there is no such key; did you mean \"interval\"?");
    check("[tls]\ncertificate = 1", "agent.toml:2:1: tls.certificate: there is no such key; there is ca_file");
}

#[test]
fn a_value_of_the_wrong_type_says_what_to_write_and_what_was_found() {
    for (text, expected) in [
        ("endpoint = 5", "1:12: endpoint: expected text in quotes, found 5"),
        ("interval = 10", "1:12: interval: expected a duration such as \"500ms\", \"10s\", \"2m\" or \"1h\", found 10"),
        (
            "interval = \"10 sec\"",
            "1:12: interval: expected a duration such as \"500ms\", \"10s\", \"2m\" or \"1h\", found \"10 sec\"",
        ),
        ("interval = \"1ms\"", "1:12: interval: must be at least 100ms"),
        (
            "[cache]\nmax_points_per_series = \"1000\"",
            "2:25: cache.max_points_per_series: expected a whole number, found \"1000\"",
        ),
        (
            "[cache]\nmax_bytes = \"64M\"",
            "2:13: cache.max_bytes: expected a number of bytes such as \"64KiB\", \"64MiB\" or \"1GiB\", found \"64M\"",
        ),
        ("[log]\nformat = \"xml\"", "2:10: log.format: expected \"text\" or \"json\", found \"xml\""),
        (
            "[listen]\nhttp = \"localhost\"",
            "2:8: listen.http: expected an address such as \"127.0.0.1:1988\" or \"[::1]:1988\", or \"off\", found \"localhost\"",
        ),
        ("[plugin.cpu]\nenabled = \"yes\"", "2:11: plugin.cpu.enabled: expected true or false, found \"yes\""),
        (
            "[plugin.cpu]\nfile = \"a/cpu.wasm\"",
            "2:8: plugin.cpu.file: expected the name of a .wasm file in the plugin folder, found \"a/cpu.wasm\"",
        ),
        ("[plugin.cpu]\ngrant = \"/proc\"", "2:9: plugin.cpu.grant: expected a table, found string"),
        ("[plugin]\ncpu = 5", "2:7: plugin.cpu: expected a table, found integer"),
        ("destination = 3", "1:15: destination: expected a table, found integer"),
        ("[route]\ndestinations = [\"a\"]", "1:1: route: expected a list of tables; write [[route]]"),
        (
            "[pipeline]\non_processor_failure = \"stop\"",
            "2:24: pipeline.on_processor_failure: expected \"pass\" or \"drop\", found \"stop\"",
        ),
    ] {
        check(text, &format!("agent.toml:{expected}"));
    }
}

#[test]
fn one_reading_finds_every_mistake_in_the_order_of_the_file() {
    let text = "interval = 1\nfoo = 2\n[log]\nlevel = \"a=b=c\"\n[plugin.cpu]\nenabled = 1\ngrant.read = [\"proc\"]\n";
    let source = with(file(text), &[("SAKER_CACHE_MAX_POINTS_PER_SERIES", "many")], &[("cache.max_age", "old")]);
    let found = mistakes(&source);
    let begins = [
        "agent.toml:1:12: interval: expected a duration",
        "agent.toml:2:1: foo: there is no such key",
        "agent.toml:4:9: log.level: expected a level such as",
        "agent.toml:6:11: plugin.cpu.enabled: expected true or false, found 1",
        "agent.toml:7:14: plugin.cpu.grant.read: expected absolute paths",
        "command line: cache.max_age: expected a duration",
        "environment SAKER_CACHE_MAX_POINTS_PER_SERIES: cache.max_points_per_series: expected a whole number, found \"many\"",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begin) in found.iter().zip(begins) {
        assert!(found.starts_with(begin), "{found} should begin with {begin}");
    }
    let all = Config::read(&source).unwrap_err().to_string();
    assert!(all.starts_with("7 mistakes in the configuration\n  agent.toml:1:12"), "{all}");
}

#[test]
fn an_unknown_key_is_a_mistake_or_in_the_environment_a_warning() {
    let expected = "command line: listen.htp: there is no such key; did you mean \"listen.http\"?";
    assert_eq!(mistakes(&with(file(""), &[], &[("listen.htp", "x")])), [expected]);
    // What a cluster gives to everyone, for a service of this name.
    let injected = [
        ("SAKER_PORT", "tcp://10.0.0.1:80"),
        ("SAKER_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("SAKER_SERVICE_HOST", "10.0.0.1"),
        ("SAKER_LISTEN_HTPP", "${NOBODY}"),
    ];
    let config = Config::read(&with(file("# defaults"), &injected, &[])).unwrap();
    assert_eq!(config, Config::default());
    let warnings: Vec<_> = config.warnings.0.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 4, "{warnings:#?}");
    assert!(warnings.iter().any(|warning| {
        warning == "environment SAKER_LISTEN_HTPP: no key has this name; did you mean \"SAKER_LISTEN_HTTP\"?"
    }));
    let known = with(file(""), &[("SAKER_PORT", "x"), ("SAKER_INTERVAL", "soon")], &[]);
    assert_eq!(mistakes(&known).len(), 1, "known keys are checked");
}

#[test]
fn an_endpoint_that_no_value_could_have_is_a_mistake_with_its_place() {
    let long = "x".repeat(300);
    let beginning = "x".repeat(40);
    let what = "endpoint must have 1 to 255 bytes and no control character";
    check(
        &format!("interval = \"5s\"\nendpoint = \"{long}\""),
        &format!("agent.toml:2:12: endpoint: {what}; found 300 bytes, \"{beginning}…\""),
    );
    check("endpoint = \"a\\u0007b\"", &format!("agent.toml:1:12: endpoint: {what}; found 3 bytes, \"a b\""));
    let source = with(file(""), &[("SAKER_ENDPOINT", "a\nb")], &[]);
    let found = mistakes(&source);
    assert!(found[0].starts_with("environment SAKER_ENDPOINT: endpoint: endpoint must have"), "{found:?}");
    assert_eq!(read(&format!("endpoint = \"{}\"", "x".repeat(255))).endpoint().len(), 255);
    check(
        "[listen.influx]\nseparator = \"                 \"",
        "agent.toml:2:13: listen.influx.separator: must be at most 16 bytes without control characters",
    );
}

#[test]
fn variables_stand_in_values_and_an_unset_one_is_a_mistake() {
    let mut source = file(
        "endpoint = \"${NAME}\"\ndata_dir = \"/var/${NAME}/$${x}\"\n[listen]\nhttp = \"${ADDRESS}\"\n\
         [plugin.cpu]\ngrant.read = [\"/${NAME}\"]\n[destination.a]\nbackend = \"graphite\"\n\
         settings = { path = \"${endpoint}.${metric}\" }\n[[route]]\ndestinations = \"a\"",
    );
    source.variables = [("NAME", "web-1"), ("ADDRESS", "127.0.0.1:5")].map(|(a, b)| (a.into(), b.into())).into();
    let config = Config::read(&source).unwrap();
    assert_eq!(config.endpoint(), "web-1");
    assert_eq!(config.data_dir, Path::new("/var/web-1/${x}"));
    assert_eq!(config.listen.http, ListenAddress(Some(([127, 0, 0, 1], 5).into())));
    assert_eq!(config.plugins.instances["cpu"].grants.read, [Path::new("/web-1")]);
    assert_eq!(config.plugins.backends["a"].settings.values["path"], "${endpoint}.${metric}", "a plugin's own");

    source.variables.clear();
    let cure = "set it where the agent is started, or write the value itself; to mean ${ itself, write $${";
    let missing = |name: &str| format!("the environment has no variable {name}; {cure}");
    assert_eq!(
        mistakes(&source),
        [
            format!("agent.toml:1:12: endpoint: {}", missing("NAME")),
            format!("agent.toml:2:12: data_dir: {}", missing("NAME")),
            format!("agent.toml:4:8: listen.http: {}", missing("ADDRESS")),
            format!("agent.toml:6:15: plugin.cpu.grant.read[0]: {}", missing("NAME")),
        ]
    );
    let source = with(file(""), &[("SAKER_ENDPOINT", "${HOSTNAME}")], &[]);
    let found = mistakes(&source);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("environment SAKER_ENDPOINT: endpoint: the environment has no variable HOSTNAME"));
}

#[test]
fn beyond_loopback_a_token_is_needed() {
    for address in ["0.0.0.0:1988", "192.0.2.1:1988", "[::]:1988"] {
        check(
            &format!("[listen]\nhttp = \"{address}\""),
            &format!(
                "agent.toml:2:8: listen.http: {address} can be reached from other machines, so it needs a token: \
                 set listen.token_file to a file that holds one, or listen on 127.0.0.1"
            ),
        );
    }
    let source = with(file(""), &[("SAKER_LISTEN_HTTP", "0.0.0.0:0")], &[]);
    assert!(mistakes(&source)[0].starts_with("environment SAKER_LISTEN_HTTP: listen.http: 0.0.0.0:0 can be reached"));
    read("[listen]\nhttp = \"0.0.0.0:1988\"\ntoken_file = \"token\"");
    read("[listen]\nhttp = \"[::1]:1988\"");
}

#[test]
fn routes_and_destinations_must_fit_each_other() {
    let destination = "[destination.alpha]\nbackend = \"stdout\"\n";
    let more = "[destination.beta]\nbackend = \"stdout\"\n";
    for (text, expected) in [
        (
            format!("{destination}[[route]]\ndestinations = [\"alpha\", \"alhpa\"]"),
            "4:16: route[0].destinations: there is no [destination.alhpa]; did you mean \"alpha\"?",
        ),
        (
            format!("{destination}{more}[[route]]\ndestinations = [\"alpha\"]"),
            "3:1: destination.beta: no [[route]] names this destination, so it would get nothing; add it to a route's destinations",
        ),
        (
            format!("{destination}[[route]]\ndestinations = [\"alpha\"]\nreplicas = 2"),
            "5:12: route[0].replicas: must be 1 to 1, the number of destinations",
        ),
        (
            format!("{destination}[[route]]\ndestinations = [\"alpha\"]\nreplicas = 0"),
            "5:12: route[0].replicas: must be 1 to 1, the number of destinations",
        ),
        (
            format!("{destination}[[route]]\ndestinations = [\"alpha\", \"alpha\"]"),
            "4:16: route[0].destinations: a destination stands twice",
        ),
        (
            format!("{destination}[[route]]\ndestinations = [\"alpha\"]\nhash = \"modulo\""),
            "5:8: route[0].hash: expected \"rendezvous\", \"jump\" or \"falcon\", found \"modulo\"",
        ),
        (
            format!("{destination}[[route]]\ndestinations = [\"alpha\"]\n[[route]]\nmetric = \"*\""),
            "5:1: route[1].destinations: missing; write for example: destinations = [\"a\", \"b\"]",
        ),
    ] {
        check(&text, &format!("agent.toml:{expected}"));
    }
    check("[[route]]\ndestinations = []", "agent.toml:2:16: route[0].destinations: must name at least one destination");
    check(
        "[destination.a]\nsettings = {}\n[[route]]\ndestinations = \"a\"",
        "agent.toml:1:1: destination.a.backend: missing; write for example: backend = \"influx\"",
    );
}

#[test]
fn a_point_may_not_outlive_the_name_of_its_series() {
    let text = |age: &str| {
        format!(
            "[pipeline]\nseries_ttl = \"10m\"\n[destination.a]\nbackend = \"stdout\"\nqueue = {{ durability = \"memory\", max_age = \"{age}\" }}\n[[route]]\ndestinations = \"a\""
        )
    };
    let expected = "agent.toml:3:1: destination.a: its queue.max_age must be less than [pipeline] series_ttl, or points could \
                    outlive their series' names";
    check(&text("10m"), expected);
    check(&text("1h"), expected);
    read(&text("9m"));
}

#[test]
fn grants_are_checked_where_they_are_written() {
    check(
        "[plugin.cpu]\ngrant.read = [\"/sys\", \"proc\"]",
        "agent.toml:2:14: plugin.cpu.grant.read: expected absolute paths such as \"/proc\", found \"proc\"",
    );
    check(
        "[plugin.cpu.grant]\nstatfs = \".\"",
        "agent.toml:2:10: plugin.cpu.grant.statfs: expected absolute paths such as \"/proc\", found \".\"",
    );
    check(
        "[plugin.x.grant]\nconnect = [\"127.0.0.1\"]",
        "agent.toml:2:11: plugin.x.grant.connect: \"127.0.0.1\" is no address: it has no port; write host:port, such as \
         \"127.0.0.1:8086\", \"db.example:443\" or \"10.0.0.0/8:*\"",
    );
}

#[test]
fn a_processor_must_be_enabled_and_a_name_must_be_plain() {
    check(
        "[pipeline]\nprocessors = [\"tag\"]\n[plugin.tag]\nenabled = false",
        "agent.toml:3:1: plugin.tag: [pipeline] processors names it, and here it is not enabled",
    );
    let found = mistakes(&file("[plugin.\"a b\"]\nenabled = true"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("plugin.a b: a name is 1 to 64 letters"), "{found:?}");
}

#[test]
fn broken_syntax_is_reported_once_with_its_place() {
    for (text, place) in [
        ("[listen\nhttp = 1", "agent.toml:1:"),
        ("endpoint = \"a", "agent.toml:1:"),
        ("[cache]\nmax_points_per_series = = 1\nbogus = 1", "agent.toml:2:"),
        ("[destination.a]\nbackend = \"stdout\"\n[destination.a]\nbackend = \"influx\"", "agent.toml:3:"),
        ("interval = \"1s\"\ninterval = \"2s\"", "agent.toml:2:"),
    ] {
        let source = with(file(text), &[("SAKER_DESTINATION_A_BACKEND", "stdout")], &[]);
        let found = mistakes(&source);
        assert!(found[0].starts_with(place), "{text}: {found:#?}");
        assert!(
            !found.iter().any(|mistake| mistake.contains("bogus") || mistake.contains("SAKER_")),
            "{text}: {found:#?}"
        );
    }
}

#[test]
fn without_a_file_places_are_named_all_the_same() {
    let source = with(ConfigSource::default(), &[], &[("interval", "soon")]);
    let expected =
        "command line: interval: expected a duration such as \"500ms\", \"10s\", \"2m\" or \"1h\", found \"soon\"";
    assert_eq!(mistakes(&source), [expected]);
}

/// A folder with what an agent has, and its configuration.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["data/folders", "plugins", "out/inner", "other", "secret"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["token", "secret/password", "key.pub", "agent.toml", "out/file"] {
            std::fs::write(root.path().join(file), "0123456789abcdef").unwrap();
        }
        Self(root)
    }

    /// The mistakes of a configuration with these tables; ROOT in it stands for the folder.
    fn mistakes(&self, text: &str) -> Vec<String> {
        let root = self.0.path().to_str().unwrap();
        let head = "data_dir = \"data\"\n[listen]\ntoken_file = \"token\"\n[plugins]\ndir = \"plugins\"\n\
             signature_keys = [\"key.pub\"]\n[secret.password]\nfile = \"secret/password\"\n";
        let text = format!("{head}{text}").replace("ROOT", root);
        let source = ConfigSource { file: Some((self.0.path().join("agent.toml"), text)), ..ConfigSource::default() };
        Config::read(&source).err().map_or_else(Vec::new, |problems| {
            problems.0.iter().map(|problem| problem.to_string().replace(root, "ROOT")).collect()
        })
    }

    fn is_right(&self, text: &str) {
        assert_eq!(self.mistakes(text), Vec::<String>::new(), "{text}");
    }

    /// One mistake, with these words in it.
    fn check(&self, text: &str, words: &str) {
        let mistakes = self.mistakes(text);
        assert!(mistakes.len() == 1 && mistakes[0].contains(words), "{text}: {words:?} in {mistakes:#?}");
    }
}

#[test]
fn no_grant_reaches_the_agents_own_places() {
    let place = Place::new();
    for (path, own) in [
        ("/", "ROOT/data, data_dir"),
        ("ROOT", "ROOT/data, data_dir"),
        ("ROOT/data", "ROOT/data, data_dir"),
        ("ROOT/data/folders", "ROOT/data, data_dir"),
        ("ROOT/token", "ROOT/token, the token of the API"),
        ("ROOT/agent.toml", "ROOT/agent.toml, this configuration"),
        ("ROOT/secret", "ROOT/secret/password, a secret"),
        ("ROOT/other/../secret", "ROOT/secret/password, a secret"),
    ] {
        let text = format!("[plugin.x]\ngrant.read = [\"{path}\"]");
        place.check(&text, &format!("plugin.x.grant.read: \"{path}\" would open {own}"));
        let text = format!(
            "[destination.x]\nbackend = \"stdout\"\ngrant.read = [\"{path}\"]\n[[route]]\ndestinations = \"x\""
        );
        place.check(&text, &format!("destination.x.grant.read: \"{path}\" would open {own}"));
    }
    for (path, own) in [
        ("ROOT/data", "ROOT/data, data_dir"),
        ("ROOT/data/compiled", "ROOT/data, data_dir"),
        ("ROOT/plugins", "ROOT/plugins, the plugin folder"),
        ("ROOT/plugins/below", "ROOT/plugins, the plugin folder"),
        ("ROOT/secret", "ROOT/secret/password, a secret"),
    ] {
        place.check(&format!("[plugin.x]\ngrant.write = [\"{path}\"]"), &format!("would open {own}"));
    }
    place.is_right(
        "[plugin.x]\ngrant = { read = [\"ROOT/plugins\", \"ROOT/key.pub\", \"/proc\"], write = [\"ROOT/out\"] }",
    );
    place.is_right("[plugin.x]\ngrant.statfs = [\"/\"]\n[plugin.y]\nenabled = false\ngrant.read = [\"ROOT\"]");
}

#[test]
fn a_folder_that_may_be_written_to_holds_no_other_grant() {
    let place = Place::new();
    let write = "[plugin.x]\ngrant.write = [\"ROOT/out\"]\n";
    let inner = "\"ROOT/out\" may be written to and holds \"ROOT/out/inner\", which plugin.y is granted as well";
    for key in ["read", "write", "statfs"] {
        let words = format!("plugin.x.grant.write: {inner} ({key}): what is there could be swapped");
        place.check(&format!("{write}[plugin.y]\ngrant.{key} = [\"ROOT/out/inner\"]"), &words);
    }
    place.check(
        &format!("{write}[plugin.y]\ngrant.read = [\"ROOT/out/file\"]"),
        "which plugin.y is granted as well (read)",
    );
    place.check(
        "[plugin.x]\ngrant = { write = [\"ROOT/out\"], read = [\"ROOT/out/inner\"] }",
        "which plugin.x is granted",
    );
    let twice = place.mistakes(&format!("{write}[plugin.y]\ngrant.write = [\"ROOT/out\"]"));
    assert!(twice.len() == 2 && twice.iter().all(|mistake| mistake.contains("(write)")), "{twice:?}");
    place.is_right(&format!(
        "{write}[plugin.y]\ngrant.read = [\"ROOT/out\"]\n[plugin.z]\ngrant.write = [\"ROOT/other\"]"
    ));
    place.is_right("[plugin.x]\ngrant = { write = [\"ROOT/out\"], read = [\"ROOT/out\"], statfs = [\"/\"] }");
}

#[test]
fn folders_of_two_instances_are_two_folders() {
    let place = Place::new();
    let destination = "[destination.a]\nbackend = \"stdout\"\ngrant.data_dir = true\n[[route]]\ndestinations = \"a\"\n";
    let clash = place.mistakes(&format!("{destination}[plugin.\"destination.a\"]\ngrant.data_dir = true"));
    assert!(
        clash.len() == 2 && clash.iter().all(|mistake| mistake.contains("data/folders/destination.a")),
        "{clash:?}"
    );
    let canary = "[plugin.x]\ngrant.data_dir = true\n[plugin.\"x.canary\"]\ngrant.data_dir = true";
    place.check(canary, "plugin.x.grant.data_dir: \"ROOT/data/folders/x\" may be written to and holds");
    place.is_right(&format!("{destination}[plugin.x]\ngrant.data_dir = true"));
}

#[test]
fn a_granted_path_has_no_link_in_it_and_the_mistake_says_where_it_leads() {
    let place = Place::new();
    std::os::unix::fs::symlink("other", place.0.path().join("link")).unwrap();
    let words = "grant.KEY: ROOT/link/x has a link in it, ROOT/link, and leads to ROOT/other/x; grant that path";
    std::fs::create_dir(place.0.path().join("other/x")).unwrap();
    for key in ["read", "write", "statfs"] {
        place.check(&format!("[plugin.x]\ngrant.{key} = [\"ROOT/link/x\"]"), &words.replace("KEY", key));
    }
    place.is_right(
        "[plugin.x]\ngrant.read = [\"/proc/net/dev\", \"/proc/net\", \"/proc/mounts\", \"/sys/class/net/lo/mtu\"]",
    );
    place.is_right("[plugin.x]\ngrant.read = [\"ROOT/other/not-there-yet\"]");
    place.check("[plugin.x]\ngrant.read = [\"/proc/self/environ\"]", "/proc/self/environ is never granted");
    place.check("[plugin.x]\ngrant.write = [\"/proc/sys\"]", "cannot be granted for writing");
}

#[test]
fn a_unix_socket_is_granted_with_its_methods_and_paths() {
    let text = "[plugin.x.grant]\nunix = [{ path = \"/run/d.sock\", paths = [\"/info\", \"/containers/*/stats\"] }]";
    let config = read(text);
    let grants = &config.plugins.instances["x"].grants;
    let entry = "{ path = \"/run/d.sock\", methods = [\"GET\"], paths = [\"/info\", \"/containers/*/stats\"] }";
    assert_eq!(grants.unix.iter().map(|grant| grant.entry()).collect::<Vec<_>>(), [entry]);
    let both = "[destination.a]\nbackend = \"stdout\"\n[[route]]\ndestinations = \"a\"\n[[destination.a.grant.unix]]\npath = \"/run/d.sock\"\n\
                methods = [\"GET\", \"POST\"]\npaths = [\"/\"]\n";
    assert_eq!(read(both).plugins.backends["a"].grants.unix[0].methods.len(), 2);
    for (entry, mistake) in [
        ("paths = [\"/\"]", "path: missing; write for example: path = \"/run/docker.sock\""),
        ("path = \"/run/d.sock\"", "paths: missing; write for example: paths = [\"/containers/json\"]"),
        ("path = \"/run/d.sock\", paths = []", "paths: expected at least one path such as"),
        ("path = \"/run/d.sock\", paths = [\"/\"], methods = []", "methods: expected at least one method such as"),
        ("path = \"run/d.sock\", paths = [\"/\"]", "path: \"run/d.sock\" is no path of a socket"),
        ("path = \"/run/../d.sock\", paths = [\"/\"]", "path: \"/run/../d.sock\" is no path of a socket"),
        ("path = \"/run/d.sock\", paths = [\"info\"]", "paths: \"info\" is no path of requests"),
        ("path = \"/run/d.sock\", paths = [\"/a%2fb\"]", "paths: \"/a%2fb\" is no path of requests"),
        ("path = \"/run/d.sock\", paths = [\"/a/*b\"]", "paths: \"/a/*b\" is no path of requests"),
        ("path = \"/run/d.sock\", paths = [\"/\"], methods = [\"get\"]", "methods: \"get\" is no method"),
        ("path = \"/run/d.sock\", paths = [\"/\"], methods = [\"CONNECT\"]", "methods: \"CONNECT\" is no method"),
        (
            "path = \"/run/d.sock\", paths = [\"/\"], method = \"GET\"",
            "method: there is no such key; did you mean \"methods\"?",
        ),
    ] {
        let found = mistakes(&file(&format!("[plugin.x.grant]\nunix = [{{ {entry} }}]")));
        assert_eq!(found.len(), 1, "{entry}: {found:?}");
        let words = format!("plugin.x.grant.unix[0].{mistake}");
        assert!(found[0].starts_with("agent.toml:2:") && found[0].contains(&words), "{entry}: {words} in {found:?}");
    }
}

#[test]
fn a_granted_socket_has_no_link_in_its_path_and_cannot_be_swapped() {
    let place = Place::new();
    std::os::unix::fs::symlink("other", place.0.path().join("link")).unwrap();
    let unix = |path: &str| format!("[plugin.x]\ngrant.unix = [{{ path = \"{path}\", paths = [\"/\"] }}]\n");
    place.is_right(&unix("ROOT/other/not-there-yet.sock"));
    place.check(&unix("ROOT/link/d.sock"), "ROOT/link/d.sock has a link in it");
    place.check(&unix("/proc/self/root/run/d.sock"), "has a link in it");
    for path in ["ROOT/out/d.sock", "ROOT/out/inner/d.sock"] {
        let words =
            format!("\"ROOT/out\" may be written to and holds \"{path}\", which plugin.x is granted as well (unix)");
        place.check(&format!("{}[plugin.y]\ngrant.write = [\"ROOT/out\"]", unix(path)), &words);
    }
}

#[test]
fn a_name_brings_its_grants_to_the_file_that_shipped() {
    let foreign = PluginHash::of(b"some other file");
    let config = read("");
    for (name, plugin) in &config.plugins.instances {
        assert!(!plugin.grants.is_empty(), "{name}");
        assert!(plugin.is_foreign(name, foreign) && plugin.grants_for(name, foreign).is_empty(), "{name}");
    }
    for text in ["[plugin.cpu]", "[plugin.cpu]\ninterval = \"5s\"", "[plugin.cpu.limits]\nmax_series = 9"] {
        let cpu = read(text).plugins.instances["cpu"].clone();
        assert_eq!(cpu.grants_for("cpu", foreign).read, [Path::new("/proc/stat")], "{text}");
    }
    let set = with(ConfigSource::default(), &[("SAKER_PLUGIN_CPU_INTERVAL", "3s")], &[("plugin.load.interval", "3s")]);
    let config = Config::read(&set).unwrap();
    assert!(
        !config.plugins.instances["cpu"].is_foreign("cpu", foreign)
            && !config.plugins.instances["load"].is_foreign("load", foreign)
    );
    assert!(config.plugins.instances["memory"].is_foreign("memory", foreign));
    assert!(!PluginConfig::default_of("mine").is_foreign("mine", foreign), "it has no grants to lose");
}

#[test]
fn an_empty_file_means_the_defaults_and_says_so() {
    for text in ["", " \n\t\n"] {
        let config = read(text);
        assert!(config.warnings.0.iter().any(|warning| warning.to_string().contains("it is empty")), "{text:?}");
    }
    assert!(read("# defaults\n").warnings.0.is_empty());
}
