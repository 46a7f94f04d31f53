//! The tables of the configuration, one function each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use saker_cache::CacheLimits;
use saker_config::{Bytes, Listen, Places, Settings, Table, Warnings, suggestion};
use saker_forward::{Durability, FRESH_AGE, NodeConfig, Route};
use saker_log::LogConfig;
use saker_model::text::clean;
use saker_model::{Reason, is_text};
use saker_pipeline::PipelineConfig;
use saker_sandbox::{Deadlines, Grants, INTERVAL_MIN, Limits, SecretGrant};

use super::SignatureConfig;
use super::{
    Config, DestinationConfig, FolderConfig, ListenConfig, Listeners, PluginConfig, SHIPPED, TlsConfig, Written,
    words::{Connect, SentTo},
};

/// A series lives longer than points of it are in memory.
const SERIES_IDLE_MIN: Duration = Duration::from_secs(2 * FRESH_AGE.as_secs());
const _: () = assert!(SERIES_IDLE_MIN.as_secs() >= saker_ingest::SERIES_IDLE_MIN_S);
/// Each is a thread at work.
const PARSERS_MAX: usize = 256;
/// A head with a token and what a proxy adds finds room.
const HEAD_BYTES_MIN: usize = 4 << 10;
/// Nobody's request is over sooner.
const LISTEN_TIME_MIN: Duration = Duration::from_millis(100);
/// So much of a name that is wrong is shown.
const SHOWN_BYTES: usize = 40;
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
        listeners: Listeners::read(&mut listen_table),
        listen: listen(listen_table, default.listen),
        tls: tls(root.table("tls")),
        plugins: plugins(root.table("plugins"), default.plugins),
        pipeline: PipelineConfig::read(root.table("pipeline"), SERIES_IDLE_MIN),
        cache: CacheLimits::read(root.table("cache")),
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
    let routes = root.list("route").into_iter().map(|table| Route::read(table, &names)).collect();
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
    let sending = NodeConfig::read(&mut table);
    table.finish();
    Some(DestinationConfig { backend: backend?, settings, grants, limits, sending })
}
