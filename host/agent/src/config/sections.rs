//! The tables of the configuration, one function each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use saker_cache::CacheLimits;
use saker_config::{Bytes, Listen, Places, Settings, Table, Warnings, suggestion};
use saker_forward::{BackoffConfig, Durability, FRESH_AGE, HashKind, NodeConfig, OnUnavailable, QueueConfig, WhenFull};
use saker_intake::influx::Mapping;
use saker_log::LogConfig;
use saker_model::text::clean;
use saker_model::{LIMITS, Reason, SeriesLimits, is_text};
use saker_pipeline::SeriesShares;
use saker_sandbox::{Deadlines, Grants, INTERVAL_MIN, Limits, SecretGrant};

use super::SignatureConfig;
use super::{
    Config, DEFAULT_MEMORY_AGE, DEFAULT_REROUTE_AFTER, DEFAULT_SENDING, DestinationConfig, FolderConfig, InfluxConfig,
    ListenConfig, PipelineConfig, PluginConfig, RouteConfig, SHIPPED, TlsConfig, Written,
    words::{Connect, Hash, SentTo},
};

/// A series lives longer than points of it are in memory.
const SERIES_IDLE_MIN: Duration = Duration::from_secs(2 * FRESH_AGE.as_secs());
const _: () = assert!(SERIES_IDLE_MIN.as_secs() >= saker_intake::influx::SERIES_IDLE_MIN_S);
/// More than any store keeps in memory only.
const RESEND_MAX: Duration = Duration::from_secs(3600);
/// No queue on disk is smaller: a segment of it is an eighth.
const QUEUE_BYTES_MIN: u64 = 1 << 20;
/// Each is a thread at work.
const PARSERS_MAX: usize = 256;
/// A head with a token and what a proxy adds finds room.
const HEAD_BYTES_MIN: usize = 4 << 10;
/// Nobody's request is over sooner.
const LISTEN_TIME_MIN: Duration = Duration::from_millis(100);
/// So much of a name that is wrong is shown.
const SHOWN_BYTES: usize = 40;
/// Part of every metric's name, which has room for 255 bytes.
const SEPARATOR_BYTES_MAX: usize = 16;
/// No folder is looked through more often.
const POLL_MIN: Duration = Duration::from_secs(1);

pub(super) fn read(mut root: Table<'_>) -> Config {
    let default = Config::default();
    let data_dir = root.path("data_dir").unwrap_or(default.data_dir);
    let mut listen_table = root.table("listen");
    let (folders, secrets) = (data_dir.join("folders"), secrets(&mut root));
    let config = Config {
        endpoint: endpoint(&mut root),
        data_dir: data_dir.clone(),
        interval: interval(&mut root).unwrap_or(default.interval),
        shutdown_timeout: root.get("shutdown_timeout", default.shutdown_timeout),
        log: LogConfig::read(root.table("log")),
        influx: influx(listen_table.table("influx"), default.influx),
        listen: listen(listen_table, default.listen),
        tls: tls(root.table("tls")),
        plugins: plugins(root.table("plugins"), default.plugins),
        pipeline: pipeline(root.table("pipeline"), default.pipeline),
        cache: cache(root.table("cache"), default.cache),
        plugin: {
            let shipped: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
            let named = root.named("plugin", &shipped);
            let own = |name: &str| Owned { folder: folders.join(name), secrets: &secrets };
            named.into_iter().map(|(name, table)| (name.clone(), plugin(&name, table, &own(&name)))).collect()
        },
        node: {
            let named = root.named("node", &[]);
            let own = |name: &str| Owned { folder: folders.join(format!("node.{name}")), secrets: &secrets };
            named.into_iter().filter_map(|(name, table)| Some((name.clone(), node(table, &own(&name))?))).collect()
        },
        route: Vec::new(),
        secret: BTreeMap::new(),
        places: Places::of(&root),
        warnings: Warnings::default(),
    };
    let names: BTreeSet<_> = root.table("node").names().into_iter().collect();
    let routes = root.list("route").into_iter().filter_map(|table| route(table, &names)).collect();
    let config = Config { route: routes, secret: secrets, ..config };
    check_together(&root, &config, &names);
    super::reach::check(&root, &config);
    root.finish();
    config
}

/// What an instance's grants refer to: the folder of its own, and the files of secrets by name.
struct Owned<'a> {
    folder: PathBuf,
    secrets: &'a BTreeMap<String, PathBuf>,
}

/// Whose values these are: what every value is refused without, when it is validated.
fn endpoint(root: &mut Table<'_>) -> Option<String> {
    let name = root.optional::<String>("endpoint").filter(|name| !name.is_empty())?;
    if is_text(&name) {
        return Some(name);
    }
    let shown = clean(&name, SHOWN_BYTES);
    root.wrong("endpoint", format!("{}; found {} bytes, {shown:?}", Reason::BadEndpoint, name.len()));
    None
}

/// What only shows when tables are looked at together.
fn check_together(root: &Table<'_>, config: &Config, names: &BTreeSet<String>) {
    let routed: BTreeSet<_> = config.route.iter().flat_map(|route| &route.nodes).collect();
    if config.route.len() == root.count("route") {
        for name in names.iter().filter(|name| !routed.contains(name)) {
            root.wrong_in(
                "node",
                name,
                "no [[route]] names this node, so it would get nothing; add it to a route's nodes",
            );
        }
    }
    for (name, node) in &config.node {
        let queue = &node.sending.queue;
        if queue.durability == Durability::Memory && queue.age >= config.pipeline.series_idle {
            root.wrong_in(
                "node",
                name,
                "its queue.age must be less than [pipeline] series_idle, or points could outlive their series' names",
            );
        }
    }
    for name in &config.pipeline.processors {
        if config.plugin.get(name).is_some_and(|plugin| !plugin.enabled) {
            root.wrong_in("plugin", name, "[pipeline] processors names it, and here it is not enabled");
        }
    }
}

fn interval(table: &mut Table<'_>) -> Option<Duration> {
    let interval = table.optional::<Duration>("interval")?;
    if interval < INTERVAL_MIN {
        table.wrong("interval", format!("must be at least {INTERVAL_MIN:?}"));
        return None;
    }
    Some(interval)
}

fn listen(mut table: Table<'_>, default: ListenConfig) -> ListenConfig {
    let config = ListenConfig {
        http: table.get("http", default.http),
        token_file: table.path("token_file"),
        names: names(&mut table),
        trusted_proxies: table.get("trusted_proxies", default.trusted_proxies),
        parsers: table.at_least("parsers", default.parsers, 1),
        limits: listen_limits(&mut table, default.limits),
    };
    if config.parsers > PARSERS_MAX {
        table.wrong("parsers", format!("must be at most {PARSERS_MAX}"));
    }
    if let Listen(Some(address)) = config.http
        && !address.ip().is_loopback()
        && config.token_file.is_none()
    {
        table.wrong(
            "http",
            format!("{address} can be reached from other machines, so it needs a token: set listen.token_file to a file that holds one, or listen on 127.0.0.1"),
        );
    }
    table.finish();
    config
}

/// Names of hosts, as they stand in a request.
fn names(table: &mut Table<'_>) -> Vec<String> {
    let names: Vec<String> = table.get("names", Vec::new());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    for name in names.iter().filter(|name| name.is_empty() || !name.chars().all(plain)) {
        table.wrong(
            "names",
            format!("expected names of hosts such as \"saker.example.com\", without a port, found {name:?}"),
        );
    }
    names
}

fn listen_limits(table: &mut Table<'_>, default: saker_http::Limits) -> saker_http::Limits {
    let mut time = |key: &'static str, default: Duration| {
        let time = table.get(key, default);
        if time < LISTEN_TIME_MIN {
            table.wrong(key, format!("must be at least {LISTEN_TIME_MIN:?}"));
        }
        time
    };
    let limits = saker_http::Limits {
        head_timeout: time("head_timeout", default.head_timeout),
        body_stall: time("body_stall", default.body_stall),
        body_timeout: time("body_timeout", default.body_timeout),
        answer_stall: time("answer_stall", default.answer_stall),
        idle_timeout: time("idle_timeout", default.idle_timeout),
        connections: table.at_least("connections", default.connections, 1),
        address_connections: table.at_least("address_connections", default.address_connections, 1),
        loopback_connections: table.at_least("loopback_connections", default.loopback_connections, 1),
        head_bytes: table.get("head_bytes", Bytes(default.head_bytes)).0,
        body_bytes: table.get("body_bytes", Bytes(default.body_bytes)).0,
    };
    if limits.head_bytes < HEAD_BYTES_MIN {
        table.wrong("head_bytes", "must be at least 4KiB");
    }
    limits
}

fn influx(mut table: Table<'_>, default: InfluxConfig) -> InfluxConfig {
    let mapping = default.mapping;
    let step = table.get("step", Duration::from_secs(mapping.step_s.into()));
    let step_s = u32::try_from(step.as_secs()).unwrap_or(u32::MAX);
    if step.subsec_nanos() != 0 || !(1..=LIMITS.step_s).contains(&step_s) {
        table.wrong("step", "must be whole seconds, from 1s to 7d");
    }
    let refuse_texts = match table.optional::<String>("texts").as_deref() {
        None => mapping.refuse_texts,
        Some("refuse") => true,
        Some("skip") => false,
        Some(other) => {
            table.wrong("texts", format!("expected \"refuse\" or \"skip\", found {other:?}"));
            mapping.refuse_texts
        }
    };
    let config = InfluxConfig {
        mapping: Mapping {
            separator: table.get("separator", mapping.separator),
            value_field: table.get("value_field", mapping.value_field),
            endpoint_tag: table.get("endpoint_tag", mapping.endpoint_tag),
            step_s,
            refuse_texts,
        },
        known_bytes: table.get("known_bytes", Bytes(default.known_bytes)).0,
    };
    let separator = &config.mapping.separator;
    if separator.len() > SEPARATOR_BYTES_MAX || separator.chars().any(char::is_control) {
        table.wrong("separator", format!("must be at most {SEPARATOR_BYTES_MAX} bytes without control characters"));
    }
    table.finish();
    config
}

fn tls(mut table: Table<'_>) -> TlsConfig {
    let ca_file = table.path("ca_file");
    table.finish();
    TlsConfig { ca_file }
}

fn plugins(mut table: Table<'_>, default: FolderConfig) -> FolderConfig {
    let config = FolderConfig {
        dir: table.path("dir").unwrap_or(default.dir),
        poll: table.get("poll", default.poll),
        file_bytes: table.get("file_bytes", Bytes(default.file_bytes)).0,
        signatures: SignatureConfig {
            keys: table.paths("signature_keys"),
            required: table.get("require_signature", default.signatures.required),
        },
    };
    if config.signatures.required && config.signatures.keys.is_empty() {
        table.wrong("require_signature", "no signature can count without a key; name one in plugins.signature_keys");
    }
    if config.poll < POLL_MIN {
        table.wrong("poll", format!("must be at least {POLL_MIN:?}"));
    }
    table.finish();
    config
}

fn pipeline(mut table: Table<'_>, default: PipelineConfig) -> PipelineConfig {
    let pass_on_failure =
        table.choice("on_processor_failure", default.pass_on_failure, &[("pass", true), ("drop", false)]);
    let config = PipelineConfig {
        processors: table.get("processors", default.processors),
        pass_on_failure,
        max_series: table.get("max_series", default.max_series),
        shares: SeriesShares {
            collectors: share(&mut table, "collector_share", default.shares.collectors),
            listener: share(&mut table, "listener_share", default.shares.listener),
        },
        series: SeriesLimits { tags: table.get("max_tags", default.series.tags) },
        series_idle: table.get("series_idle", default.series_idle),
        memory_bytes: table.get("memory_bytes", Bytes(default.memory_bytes)).0,
    };
    if !(1..=LIMITS.tags_most).contains(&config.series.tags) {
        table.wrong("max_tags", format!("must be 1 to {}, as many as a queue can hold", LIMITS.tags_most));
    }
    if config.series_idle < SERIES_IDLE_MIN {
        table.wrong(
            "series_idle",
            format!("must be at least {SERIES_IDLE_MIN:?}, for points can be in memory that long"),
        );
    }
    table.finish();
    config
}

/// A part of a whole.
fn share(table: &mut Table<'_>, key: &'static str, default: f64) -> f64 {
    let share = table.get(key, default);
    if !(0.0..=1.0).contains(&share) {
        table.wrong(key, "must be 0 to 1: a share of max_series");
    }
    share
}

fn cache(mut table: Table<'_>, default: CacheLimits) -> CacheLimits {
    let age = table.get("age", Duration::from_millis(default.age_ms.unsigned_abs()));
    let limits = CacheLimits {
        age_ms: i64::try_from(age.as_millis()).unwrap_or(i64::MAX),
        items: table.get("items", default.items),
        bytes: table.get("bytes", Bytes(default.bytes)).0,
    };
    table.finish();
    limits
}

fn plugin(name: &str, mut table: Table<'_>, owned: &Owned<'_>) -> PluginConfig {
    let default = PluginConfig::default_of(name);
    let file = table.optional::<String>("file");
    if let Some(file) = &file
        && (file.contains('/') || !file.ends_with(".wasm"))
    {
        table.wrong("file", format!("expected the name of a .wasm file in the plugin folder, found {file:?}"));
    }
    let in_file = table.is_there();
    let config = PluginConfig {
        written: Written(in_file),
        file,
        enabled: table.get("enabled", default.enabled),
        interval: interval(&mut table),
        settings: Settings::read(&mut table),
        grants: grants(&mut table, default.grants.clone(), owned),
        limits: limits(table.table("limits")),
    };
    table.finish();
    // What came from the environment or the command line shows in what it has changed.
    PluginConfig { written: Written(in_file || config != default), ..config }
}

fn grants(table: &mut Table<'_>, default: Grants, owned: &Owned<'_>) -> Grants {
    let mut grant = table.table("grant");
    let grants = Grants {
        read: directories(&mut grant, "read", default.read),
        write: directories(&mut grant, "write", default.write),
        process_arguments: grant.get("process_arguments", default.process_arguments),
        folder: grant.get("folder", false).then(|| owned.folder.clone()),
        usage: directories(&mut grant, "usage", default.usage),
        connect: grant
            .optional::<Vec<Connect>>("connect")
            .map_or(default.connect, |all| all.into_iter().map(|one| one.0).collect()),
        secret: secret_grants(&mut grant, owned.secrets),
        env: grant.get("env", default.env),
        stdout: grant.get("stdout", default.stdout),
    };
    grant.finish();
    grants
}

/// Secrets are named here and kept in files, so that no configuration, environment or command line holds one.
fn secrets(root: &mut Table<'_>) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    for (name, mut table) in root.named("secret", &[]) {
        match table.path("file") {
            Some(file) => drop(files.insert(name, file)),
            None => table.wrong("file", "missing; write for example: file = \"/etc/saker/token\""),
        }
        table.finish();
    }
    files
}

fn secret_grants(grant: &mut Table<'_>, secrets: &BTreeMap<String, PathBuf>) -> Vec<SecretGrant> {
    grant.list("secret").into_iter().filter_map(|table| secret_grant(table, secrets)).collect()
}

fn secret_grant(mut table: Table<'_>, secrets: &BTreeMap<String, PathBuf>) -> Option<SecretGrant> {
    let name = table.required::<String>("name", "\"token\"");
    let to = table.required::<SentTo>("to", "\"https://db.example:443\"").map(|to| to.0);
    let header = table.get("header", "authorization".to_owned());
    let prefix = table.get("prefix", if header == "authorization" { "Bearer " } else { "" }.to_owned());
    let parsed = HeaderName::from_bytes(header.as_bytes());
    if parsed.is_err() {
        table.wrong("header", format!("expected the name of a header such as \"authorization\", found {header:?}"));
    }
    let file = name.as_ref().and_then(|name| secrets.get(name));
    if let (Some(name), None) = (&name, file) {
        let near = suggestion(name, secrets.keys().map(String::as_str));
        table.wrong("name", format!("there is no [secret.{name}]{near}"));
    }
    table.finish();
    Some(SecretGrant { name: name?, file: file?.clone(), to: to?, header: parsed.ok()?, prefix })
}

fn directories(table: &mut Table<'_>, key: &'static str, default: Vec<PathBuf>) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = table.get(key, default);
    for path in paths.iter().filter(|path| !path.is_absolute()) {
        table.wrong(key, format!("expected absolute paths such as \"/proc\", found {path:?}"));
    }
    paths
}

fn limits(mut table: Table<'_>) -> Limits {
    let default = Limits::default();
    let mut deadline = table.table("deadline");
    let deadlines = Deadlines {
        open: deadline.get("open", default.deadlines.open),
        collect: deadline.get("collect", default.deadlines.collect),
        map: deadline.get("map", default.deadlines.map),
        write: deadline.get("write", default.deadlines.write),
        close: deadline.get("close", default.deadlines.close),
    };
    deadline.finish();
    let limits = Limits {
        memory_bytes: table.get("memory_bytes", Bytes(default.memory_bytes)).0,
        table_elements: table.get("table_elements", default.table_elements),
        core_instances: table.get("core_instances", default.core_instances),
        answer_bytes: table.get("answer_bytes", Bytes(default.answer_bytes)).0,
        answer_records: table.get("answer_records", default.answer_records),
        new_series: table.get("new_series", default.new_series),
        series: table.get("series", default.series),
        cpu_percent: table.get("cpu_percent", default.cpu_percent),
        deadlines,
        log_lines_per_s: table.get("log_lines_per_s", default.log_lines_per_s),
        log_line_bytes: table.get("log_line_bytes", Bytes(default.log_line_bytes)).0,
        state_bytes: table.get("state_bytes", Bytes(default.state_bytes)).0,
        folder_bytes: table.get("folder_bytes", Bytes(default.folder_bytes)).0,
        compress_bytes: table.get("compress_bytes", Bytes(default.compress_bytes)).0,
        open_files: table.get("open_files", default.open_files),
        connections: table.get("connections", default.connections),
        response_bytes: table.get("response_bytes", Bytes(default.response_bytes)).0,
        figures: table.get("figures", default.figures),
    };
    table.finish();
    limits
}

fn node(mut table: Table<'_>, owned: &Owned<'_>) -> Option<DestinationConfig> {
    let backend = table.required::<String>("backend", "\"influx\"");
    let settings = Settings::read(&mut table);
    let grants = grants(&mut table, Grants::default(), owned);
    let limits = limits(table.table("limits"));
    let sending = sending(&mut table);
    table.finish();
    Some(DestinationConfig { backend: backend?, settings, grants, limits, sending })
}

fn sending(table: &mut Table<'_>) -> NodeConfig {
    let default = DEFAULT_SENDING;
    let queue = table.table("queue");
    let mut batch = table.table("batch");
    let batch_points = batch.get("points", default.queue.batch_points);
    let batch_age = batch.get("age", default.queue.batch_age);
    if batch_points == 0 {
        batch.wrong("points", "must be at least 1");
    }
    batch.finish();
    let mut retry = table.table("retry");
    let backoff =
        BackoffConfig { min: retry.get("min", default.backoff.min), max: retry.get("max", default.backoff.max) };
    retry.finish();
    let stale_markers = table.get("stale_markers", default.stale_markers);
    let queue = QueueConfig { batch_points, batch_age, ..self::queue(queue, default.queue) };
    NodeConfig { queue, backoff, stale_markers }
}

fn queue(mut table: Table<'_>, default: QueueConfig) -> QueueConfig {
    let durability = table.choice(
        "durability",
        default.durability,
        &[("memory", Durability::Memory), ("process", Durability::Process), ("disk", Durability::Disk)],
    );
    let when_full = table.choice(
        "when_full",
        default.when_full,
        &[("drop-oldest", WhenFull::DropOldest), ("drop-newest", WhenFull::DropNewest), ("block", WhenFull::Block)],
    );
    let age = if durability == Durability::Memory { DEFAULT_MEMORY_AGE } else { default.age };
    let config = QueueConfig {
        durability,
        when_full,
        bytes: table.get("bytes", Bytes(default.bytes as usize)).0 as u64,
        points: table.get("points", default.points),
        age: table.get("age", age),
        backlog_share: table.get("backlog_share", default.backlog_share),
        resend: table.get("resend", default.resend),
        dead_letter_bytes: table.get("dead_letter_bytes", Bytes(default.dead_letter_bytes as usize)).0 as u64,
        ..default
    };
    if !(0.0..=1.0).contains(&config.backlog_share) {
        table.wrong("backlog_share", "must be 0 to 1: the share of batches that are taken from the backlog");
    }
    if config.resend > RESEND_MAX {
        table.wrong("resend", format!("must be at most {RESEND_MAX:?}"));
    }
    if config.bytes < QUEUE_BYTES_MIN {
        table.wrong("bytes", "must be at least 1MiB");
    }
    table.finish();
    config
}

fn route(mut table: Table<'_>, names: &BTreeSet<String>) -> Option<RouteConfig> {
    let nodes = table.required::<Vec<String>>("nodes", "[\"a\", \"b\"]");
    let mut tags = BTreeMap::new();
    let patterns = table.table("tags");
    for key in patterns.names() {
        if let Some(globs) = patterns.free(&key) {
            tags.insert(key, globs);
        }
    }
    let route = RouteConfig {
        metric: table.get("metric", Vec::new()),
        endpoint: table.get("endpoint", Vec::new()),
        tags,
        nodes: nodes.unwrap_or_default(),
        hash: table.get("hash", Hash(HashKind::Rendezvous)).0,
        replicas: table.get("replicas", 1),
        go_on: table.get("continue", false),
        on_unavailable: on_unavailable(&mut table),
    };
    for name in route.nodes.iter().filter(|name| !names.contains(*name)) {
        let near = suggestion(name, names.iter().map(String::as_str));
        table.wrong("nodes", format!("there is no [node.{name}]{near}"));
    }
    let mut distinct = route.nodes.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < route.nodes.len() {
        table.wrong("nodes", "a node stands twice");
    }
    if table.has("nodes") && route.nodes.is_empty() {
        table.wrong("nodes", "must name at least one node");
    } else if table.has("nodes") && !(1..=route.nodes.len()).contains(&route.replicas) {
        table.wrong("replicas", format!("must be 1 to {}, the number of nodes", route.nodes.len()));
    }
    table.finish();
    Some(route)
}

fn on_unavailable(table: &mut Table<'_>) -> OnUnavailable {
    let after = table.get("reroute_after", DEFAULT_REROUTE_AFTER);
    let reroute = table.choice("on_unavailable", false, &[("spool", false), ("reroute", true)]);
    if reroute { OnUnavailable::Reroute(after) } else { OnUnavailable::Spool }
}
