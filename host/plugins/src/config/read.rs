//! How the configuration of plugins is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::HeaderName;
use saker_config::{Bytes, Settings, Table, suggestion};
use saker_sandbox::{
    Deadlines, Grants, INTERVAL_MIN, Limits, SecretGrant, UnixGrant, UnixGrantError, socket_path, unix_method,
};

use super::words::{Connect, SentTo};
use super::{
    BackendConfig, FolderConfig, OwnPlace, PluginConfig, PluginsConfig, SHIPPED, SignatureConfig, Written, reach,
};

/// No folder is looked through more often.
const POLL_MIN: Duration = Duration::from_secs(1);

impl PluginsConfig {
    /// Reads what there is to read of plugins: `interval`, `[plugins]`, `[plugin.NAME]`, `[secret.NAME]`, and its part of
    /// `[pipeline]` and of `[node.NAME]`, whose other keys are for others to read, and to finish. Below `data_dir` are the
    /// folders of instances.
    #[must_use]
    pub fn read(root: &mut Table<'_>, data_dir: &Path) -> Self {
        let default = Self::default();
        let (folders, secrets) = (data_dir.join("folders"), secrets(root));
        let mut pipeline = root.table("pipeline");
        let pass_on_failure =
            pipeline.choice("on_processor_failure", default.pass_on_failure, &[("pass", true), ("drop", false)]);
        let config = Self {
            interval: interval(root).unwrap_or(default.interval),
            folder: folder(root.table("plugins"), default.folder),
            processors: pipeline.get("processors", default.processors),
            pass_on_failure,
            instances: {
                let shipped: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
                let named = root.named("plugin", &shipped);
                let own = |name: &str| Owned { folder: folders.join(name), secrets: &secrets };
                named.into_iter().map(|(name, table)| (name.clone(), plugin(&name, table, &own(&name)))).collect()
            },
            backends: {
                let named = root.named("node", &[]);
                let own = |name: &str| Owned { folder: folders.join(format!("node.{name}")), secrets: &secrets };
                named
                    .into_iter()
                    .filter_map(|(name, table)| Some((name.clone(), backend(table, &own(&name))?)))
                    .collect()
            },
            secrets: BTreeMap::new(),
        };
        for name in &config.processors {
            if config.instances.get(name).is_some_and(|plugin| !plugin.enabled) {
                root.wrong_in("plugin", name, "[pipeline] processors names it, and here it is not enabled");
            }
        }
        Self { secrets, ..config }
    }

    /// Notes every grant that reaches where none must: into the agent's own places, and through each other.
    pub fn check_reach(&self, root: &Table<'_>, own: Vec<OwnPlace>) {
        reach::check(root, self, own);
    }
}

/// What an instance's grants refer to: the folder of its own, and the files of secrets by name.
struct Owned<'a> {
    folder: PathBuf,
    secrets: &'a BTreeMap<String, PathBuf>,
}

fn interval(table: &mut Table<'_>) -> Option<Duration> {
    let interval = table.optional::<Duration>("interval")?;
    if interval < INTERVAL_MIN {
        table.wrong("interval", format!("must be at least {INTERVAL_MIN:?}"));
        return None;
    }
    Some(interval)
}

fn folder(mut table: Table<'_>, default: FolderConfig) -> FolderConfig {
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
        unix: grant.list("unix").into_iter().filter_map(unix_grant).collect(),
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

/// A Unix socket, and which requests may be sent over it.
fn unix_grant(mut table: Table<'_>) -> Option<UnixGrant> {
    let socket = table.required::<String>("path", "\"/run/docker.sock\"");
    let methods: Vec<String> = table.get("methods", vec!["GET".into()]);
    let paths = table.required::<Vec<String>>("paths", "[\"/containers/json\"]");
    let sound = |key, parsed: Result<(), UnixGrantError>| parsed.map_err(|error| table.wrong(key, error.to_string()));
    let mut grant = UnixGrant { socket: PathBuf::new(), methods: Vec::new(), paths: Vec::new() };
    let text = socket.as_deref().unwrap_or("/missing");
    sound("path", socket_path(text).map(|path| grant.socket = path)).ok();
    for method in &methods {
        sound("methods", unix_method(method).map(|method| grant.methods.push(method))).ok();
    }
    for path in paths.iter().flatten() {
        sound("paths", path.parse().map(|path| grant.paths.push(path))).ok();
    }
    if methods.is_empty() {
        table.wrong("methods", "expected at least one method such as \"GET\"");
    }
    if paths.as_ref().is_some_and(Vec::is_empty) {
        table.wrong("paths", "expected at least one path such as \"/containers/json\"");
    }
    table.finish();
    (socket.is_some() && paths.is_some()).then_some(grant)
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

fn backend(mut table: Table<'_>, owned: &Owned<'_>) -> Option<BackendConfig> {
    let backend = table.required::<String>("backend", "\"influx\"");
    let settings = Settings::read(&mut table);
    let grants = grants(&mut table, Grants::default(), owned);
    let limits = limits(table.table("limits"));
    Some(BackendConfig { backend: backend?, settings, grants, limits })
}
