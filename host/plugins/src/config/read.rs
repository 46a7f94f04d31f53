//! How the configuration of plugins is read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::HeaderName;
use saker_config::{ByteSize, ConfigTable, PluginSettings, suggestion};
use saker_sandbox::{
    Deadlines, Grants, INTERVAL_MIN, Limits, SecretGrant, UnixGrant, UnixGrantError, socket_path, unix_method,
};

use super::words::{ConnectTo, SecretTarget};
use super::{
    BackendConfig, FolderConfig, IsWritten, OwnPlace, PluginConfig, PluginsConfig, SHIPPED, SignatureConfig, reach,
};

/// No folder is looked through more often.
const POLL_MIN: Duration = Duration::from_secs(1);

impl PluginsConfig {
    /// Reads what there is to read of plugins: `interval`, `[plugins]`, `[plugin.NAME]`, `[secret.NAME]`, and its part
    /// of `[pipeline]` and of `[destination.NAME]`, whose other keys are for others to read, and to finish. Below
    /// `data_dir` are the folders of instances.
    #[must_use]
    pub fn read(root: &mut ConfigTable<'_>, data_dir: &Path) -> Self {
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
                let own = |name: &str| OwnedResources { folder: folders.join(name), secrets: &secrets };
                named.into_iter().map(|(name, table)| (name.clone(), plugin(&name, table, &own(&name)))).collect()
            },
            backends: {
                let named = root.named("destination", &[]);
                let own = |name: &str| OwnedResources {
                    folder: folders.join(format!("destination.{name}")),
                    secrets: &secrets,
                };
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
    pub fn check_reach(&self, root: &ConfigTable<'_>, own: Vec<OwnPlace>) {
        reach::check(root, self, own);
    }
}

/// What an instance's grants refer to: the folder of its own, and the files of secrets by name.
struct OwnedResources<'a> {
    folder: PathBuf,
    secrets: &'a BTreeMap<String, PathBuf>,
}

fn interval(table: &mut ConfigTable<'_>) -> Option<Duration> {
    let interval = table.optional::<Duration>("interval")?;
    if interval < INTERVAL_MIN {
        table.wrong("interval", format!("must be at least {INTERVAL_MIN:?}"));
        return None;
    }
    Some(interval)
}

fn folder(mut table: ConfigTable<'_>, default: FolderConfig) -> FolderConfig {
    let config = FolderConfig {
        dir: table.path("dir").unwrap_or(default.dir),
        poll_interval: table.get("poll_interval", default.poll_interval),
        max_file_bytes: table.get("max_file_bytes", ByteSize(default.max_file_bytes)).0,
        signatures: SignatureConfig {
            keys: table.paths("signature_keys"),
            required: table.get("require_signature", default.signatures.required),
        },
    };
    if config.signatures.required && config.signatures.keys.is_empty() {
        table.wrong("require_signature", "no signature can count without a key; name one in plugins.signature_keys");
    }
    if config.poll_interval < POLL_MIN {
        table.wrong("poll_interval", format!("must be at least {POLL_MIN:?}"));
    }
    table.finish();
    config
}

fn plugin(name: &str, mut table: ConfigTable<'_>, owned: &OwnedResources<'_>) -> PluginConfig {
    let default = PluginConfig::default_of(name);
    let file = table.optional::<String>("file");
    if let Some(file) = &file
        && (file.contains('/') || !file.ends_with(".wasm"))
    {
        table.wrong("file", format!("expected the name of a .wasm file in the plugin folder, found {file:?}"));
    }
    let in_file = table.is_there();
    let config = PluginConfig {
        written: IsWritten(in_file),
        file,
        enabled: table.get("enabled", default.enabled),
        interval: interval(&mut table),
        settings: PluginSettings::read(&mut table),
        grants: grants(&mut table, default.grants.clone(), owned),
        limits: limits(table.table("limits"), default.limits.clone()),
    };
    table.finish();
    // What came from the environment or the command line shows in what it has changed.
    PluginConfig { written: IsWritten(in_file || config != default), ..config }
}

fn grants(table: &mut ConfigTable<'_>, default: Grants, owned: &OwnedResources<'_>) -> Grants {
    let mut grant = table.table("grant");
    let grants = Grants {
        read: directories(&mut grant, "read", default.read),
        write: directories(&mut grant, "write", default.write),
        process_arguments: grant.get("process_arguments", default.process_arguments),
        data_dir: grant.get("data_dir", false).then(|| owned.folder.clone()),
        statfs: directories(&mut grant, "statfs", default.statfs),
        connect: grant
            .optional::<Vec<ConnectTo>>("connect")
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
fn secrets(root: &mut ConfigTable<'_>) -> BTreeMap<String, PathBuf> {
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

fn secret_grants(grant: &mut ConfigTable<'_>, secrets: &BTreeMap<String, PathBuf>) -> Vec<SecretGrant> {
    grant.list("secret").into_iter().filter_map(|table| secret_grant(table, secrets)).collect()
}

fn secret_grant(mut table: ConfigTable<'_>, secrets: &BTreeMap<String, PathBuf>) -> Option<SecretGrant> {
    let name = table.required::<String>("name", "\"token\"");
    let to = table.required::<SecretTarget>("to", "\"https://db.example:443\"").map(|to| to.0);
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
fn unix_grant(mut table: ConfigTable<'_>) -> Option<UnixGrant> {
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

fn directories(table: &mut ConfigTable<'_>, key: &'static str, default: Vec<PathBuf>) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = table.get(key, default);
    for path in paths.iter().filter(|path| !path.is_absolute()) {
        table.wrong(key, format!("expected absolute paths such as \"/proc\", found {path:?}"));
    }
    paths
}

fn limits(mut table: ConfigTable<'_>, default: Limits) -> Limits {
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
        max_memory_bytes: table.get("max_memory_bytes", ByteSize(default.max_memory_bytes)).0,
        max_table_elements: table.get("max_table_elements", default.max_table_elements),
        max_core_instances: table.get("max_core_instances", default.max_core_instances),
        max_result_bytes: table.get("max_result_bytes", ByteSize(default.max_result_bytes)).0,
        max_result_samples: table.get("max_result_samples", default.max_result_samples),
        max_new_series: table.get("max_new_series", default.max_new_series),
        max_series: table.get("max_series", default.max_series),
        max_cpu_percent: table.get("max_cpu_percent", default.max_cpu_percent),
        deadlines,
        max_log_lines_per_s: table.get("max_log_lines_per_s", default.max_log_lines_per_s),
        max_log_line_bytes: table.get("max_log_line_bytes", ByteSize(default.max_log_line_bytes)).0,
        max_state_bytes: table.get("max_state_bytes", ByteSize(default.max_state_bytes)).0,
        max_data_dir_bytes: table.get("max_data_dir_bytes", ByteSize(default.max_data_dir_bytes)).0,
        max_compress_bytes: table.get("max_compress_bytes", ByteSize(default.max_compress_bytes)).0,
        max_open_files: table.get("max_open_files", default.max_open_files),
        max_connections: table.get("max_connections", default.max_connections),
        max_response_bytes: table.get("max_response_bytes", ByteSize(default.max_response_bytes)).0,
        max_custom_metrics: table.get("max_custom_metrics", default.max_custom_metrics),
    };
    table.finish();
    limits
}

fn backend(mut table: ConfigTable<'_>, owned: &OwnedResources<'_>) -> Option<BackendConfig> {
    let backend = table.required::<String>("backend", "\"influx\"");
    let settings = PluginSettings::read(&mut table);
    let grants = grants(&mut table, Grants::default(), owned);
    let limits = limits(table.table("limits"), Limits::default());
    Some(BackendConfig { backend: backend?, settings, grants, limits })
}
