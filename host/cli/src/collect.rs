//! `saker collect`: one collector, outside the agent.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use saker_model::{RejectReason, Sample, flat};
use saker_pipeline::now_ms;
use saker_plugins::PluginConfig;
use saker_sandbox::{
    Collector, Compiler, Grants, InstanceSpec, Permission, Plugin, PluginKind, Recording, Run, Sandbox, SandboxConfig,
    SandboxError, check_grant_path,
};
use serde_json::{Value, json};

use crate::args::{CollectArgs, OutputFormat};
use crate::printing::print;
use crate::table;
use crate::{complain, say};

/// Compiling that takes longer is told.
const SILENT_MAX: Duration = Duration::from_millis(500);

/// Runs one collector and prints what it measures.
///
/// # Errors
/// If it cannot be run, or its values cannot be printed.
pub fn collect(args: &CollectArgs) -> anyhow::Result<()> {
    let values = crate::runtime()?.block_on(async {
        let (sandbox, plugin) = load(&args.file).await?;
        collects(&args.file, &plugin)?;
        let session = CollectSession::new(args, &plugin)?;
        // Before the first run: what was measured is not lost for a path that cannot be.
        let file = args.record.as_ref().map(|path| {
            let file = std::fs::File::create(path);
            file.with_context(|| format!("--record: cannot write {}", path.display()))
        });
        let file = file.transpose()?;
        let values = run(&sandbox, &plugin, &session).await;
        if let (Some(mut file), Some(tape)) = (file, &session.spec.tape)
            && let Err(error) = file.write_all(tape.lines().as_bytes())
        {
            complain!("--record: the recording is not whole: {error}");
        }
        values
    })?;
    match args.format {
        OutputFormat::Table => print(format_args!("{}", as_table(&values)))?,
        OutputFormat::Json => {
            for value in &values {
                say!("{}", as_json(value))?;
            }
        }
        OutputFormat::Falcon => say!("{}", Value::Array(values.iter().map(as_falcon).collect()))?,
    }
    Ok(())
}

/// Rejects what is no collector.
pub(crate) fn collects(file: &Path, plugin: &Plugin) -> anyhow::Result<()> {
    if plugin.kind() != PluginKind::Collector {
        let (file, kind) = (file.display(), plugin.kind().as_str());
        bail!("{file} is a {kind}, and only collectors collect; try: saker plugin test {file}");
    }
    Ok(())
}

/// A plugin from a file, in a sandbox of its own. Its machine code is kept in the user's cache folder, for a plugin in
/// Python takes ten seconds to compile.
pub(crate) async fn load(file: &Path) -> anyhow::Result<(Sandbox, Plugin)> {
    load_into(file, Sandbox::new, &["compile"]).await
}

/// The same in a sandbox that counts instructions.
#[cfg(feature = "author")]
pub(crate) async fn load_counting(file: &Path) -> anyhow::Result<(Sandbox, Plugin)> {
    load_into(file, Sandbox::counting, &["compile", "--counting"]).await
}

async fn load_into(
    file: &Path,
    sandbox: impl Fn(SandboxConfig) -> Result<Sandbox, SandboxError>,
    compile: &[&str],
) -> anyhow::Result<(Sandbox, Plugin)> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let loading = load_bytes(&bytes, sandbox, compile, cache_dir());
    tokio::pin!(loading);
    let loaded = tokio::select! {
        loaded = &mut loading => loaded,
        () = tokio::time::sleep(SILENT_MAX) => {
            complain!("compiling {}, which can take some seconds", file.display());
            loading.await
        }
    };
    loaded.with_context(|| format!("cannot use {}", file.display()))
}

/// The same from bytes that are not in a file yet, and may never be: nothing of them is kept.
#[cfg(feature = "author")]
pub(crate) async fn load_unseen(bytes: &[u8]) -> anyhow::Result<(Sandbox, Plugin)> {
    load_bytes(bytes, Sandbox::new, &["compile"], None).await
}

async fn load_bytes(
    bytes: &[u8],
    sandbox: impl Fn(SandboxConfig) -> Result<Sandbox, SandboxError>,
    compile: &[&str],
    cache_dir: Option<PathBuf>,
) -> anyhow::Result<(Sandbox, Plugin)> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let arguments: Vec<_> = compile.iter().map(|word| (*word).to_owned()).collect();
    let sandbox = |cache_dir| {
        let compiler = Compiler::Child { program: program.clone(), arguments: arguments.clone() };
        sandbox(SandboxConfig { cache_dir, compiler, ca_file: None })
    };
    let sandbox = match sandbox(cache_dir) {
        // A cache that cannot be used costs time, and no more.
        Err(error @ SandboxError::Cache(_)) => {
            complain!("machine code is not kept: {error}");
            sandbox(None)?
        }
        made => made?,
    };
    let plugin = sandbox.load(bytes).await?;
    Ok((sandbox, plugin))
}

/// Where this user's caches are, as the XDG Base Directory Specification says; none where there is no home.
fn cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("saker/compiled"))
}

/// What an instance is to be, and the runs that it gets.
struct CollectSession {
    spec: InstanceSpec,
    endpoint: Arc<str>,
    /// None where the clock makes them.
    replayed: Option<Vec<Run>>,
    runs: u32,
    interval: Duration,
}

impl CollectSession {
    fn new(args: &CollectArgs, plugin: &Plugin) -> anyhow::Result<Self> {
        let name = plugin.description().name.clone();
        // What ships is tried with the limits that it has in the agent.
        let limits = PluginConfig::default_of(&name).limits;
        let mut session = Self {
            spec: InstanceSpec { section: section(&args.file), name, limits, ..InstanceSpec::default() },
            endpoint: saker_config::host_name().into(),
            replayed: None,
            runs: args.runs,
            interval: args.interval,
        };
        let spec = &mut session.spec;
        if let Some(path) = &args.replay {
            let file = path.display();
            let text = std::fs::read_to_string(path).with_context(|| format!("--replay: cannot read {file}"))?;
            let (tape, recorded) = Recording::replay(&text).map_err(|error| anyhow!("--replay: {file}: {error}"))?;
            let words = recorded.head["grants"].as_array().into_iter().flatten();
            let words: Vec<_> = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
            spec.grants = parse_grants(&words).with_context(|| format!("{file}: line 1"))?;
            spec.settings = recorded.head["settings"].to_string();
            session.endpoint = recorded.head["endpoint"].as_str().unwrap_or_default().into();
            (spec.tape, session.replayed) = (Some(tape), Some(recorded.runs));
            return Ok(session);
        }
        spec.settings = args.settings.clone();
        spec.grants = grants(&args.grant, plugin)?;
        if args.record.is_some() {
            let mut head = serde_json::Map::new();
            let settings = serde_json::from_str(&args.settings).context("--settings: expected a JSON object")?;
            head.insert("plugin".into(), spec.name.clone().into());
            head.insert("endpoint".into(), session.endpoint.as_ref().into());
            head.insert("settings".into(), settings);
            head.insert("grants".into(), as_words(&spec.grants).into());
            spec.tape = Some(Recording::record(head, &spec.grants).map_err(|error| anyhow!("--record: {error}"))?);
        }
        Ok(session)
    }

    /// The run of this number, when it is due; none after the last.
    async fn run(&self, number: u32) -> Option<Run> {
        if let Some(runs) = &self.replayed {
            return runs.get(number as usize).copied();
        }
        if number == self.runs {
            return None;
        }
        if number > 0 {
            tokio::time::sleep(self.interval).await;
        }
        Some(run_now(self.interval))
    }
}

pub(crate) fn run_now(interval: Duration) -> Run {
    let interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
    Run { timestamp_ms: now_ms(), interval_ms, step_s: interval_ms.div_ceil(1000) }
}

/// The table of the configuration that a plugin's grants are written in: an instance is called as its file is.
pub(crate) fn section(file: &Path) -> String {
    saker_plugins::plugin_section(
        &file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
    )
}

/// What can be recorded of grants, in the words of `--grant`.
fn as_words(grants: &Grants) -> Vec<String> {
    let paths = |key: &'static str, paths: &[PathBuf]| {
        paths.iter().map(|path| format!("{key}={}", path.display())).collect::<Vec<_>>()
    };
    let mut words = [paths("read", &grants.read), paths("statfs", &grants.statfs)].concat();
    words.extend(grants.env.iter().map(|name| format!("env={name}")));
    words.extend(grants.process_arguments.then(|| "process_arguments".to_owned()));
    words.extend(grants.stdout.then(|| "stdout".to_owned()));
    words
}

async fn run(sandbox: &Sandbox, plugin: &Plugin, session: &CollectSession) -> anyhow::Result<Vec<Sample>> {
    let spec = &session.spec;
    let mut collector = Collector::open(sandbox, plugin, spec).await.map_err(|error| explain(&error, spec))?;
    let mut values = Vec::new();
    let mut number = 0;
    while let Some(run) = session.run(number).await {
        if let Some(tape) = &spec.tape {
            tape.run(run);
        }
        let collected = collector.collect(&session.endpoint, run).await;
        // Whatever the plugin makes of it, this is what is wrong.
        if let Some(gap) = spec.tape.as_ref().and_then(Recording::gap) {
            bail!("{}: {gap}", spec.name);
        }
        values = collected.map_err(|error| explain(&error, spec))?;
        number += 1;
    }
    collector.close().await?;
    report_rejected(&mut values);
    Ok(values)
}

/// An error of a call, with what the plugin has logged before.
pub(crate) fn explain(error: &saker_sandbox::CallError, spec: &InstanceSpec) -> anyhow::Error {
    let hint = match error {
        saker_sandbox::CallError::Denied(denied) => {
            let line = denied.permission.grant_line().replace("grant.", "").replace(" = [\"", "=").replace("\"]", "");
            format!(" (here: --grant {})", line.replace(" = true", ""))
        }
        _ => String::new(),
    };
    let log: String = spec.log_tail.lines().iter().map(|line| format!("\n  it logged: {line}")).collect();
    anyhow::anyhow!("{}: {error}{hint}{log}", spec.name)
}

/// Leaves out what the agent would reject, and says why on standard error.
fn report_rejected(values: &mut Vec<Sample>) {
    let mut rejected: BTreeMap<&str, (usize, String, RejectReason)> = BTreeMap::new();
    values.retain_mut(|value| match value.validate(now_ms()) {
        Ok(()) => true,
        Err(reason) => {
            let first = (0, value.metric.clone(), reason);
            rejected.entry(reason.as_str()).or_insert(first).0 += 1;
            false
        }
    });
    for (count, metric, reason) in rejected.into_values() {
        complain!("{count} values would be rejected, such as {metric:?}: {reason}");
    }
}

/// What is granted: the words, and for `wanted` all that the plugin wants and that can be granted as it stands.
pub(crate) fn grants(words: &[String], plugin: &Plugin) -> anyhow::Result<Grants> {
    let (wanted, words): (Vec<_>, Vec<_>) = words.iter().cloned().partition(|word| word == "requested");
    let mut grants = parse_grants(&words)?;
    for path in [&grants.read, &grants.write, &grants.statfs].into_iter().flatten() {
        if !path.is_absolute() {
            bail!("--grant: {}: expected an absolute path", path.display());
        }
        if !path.exists() {
            bail!("--grant: {}: there is no such file or directory", path.display());
        }
    }
    for path in &grants.read {
        check_grant_path(path, false).context("--grant")?;
    }
    for path in &grants.write {
        check_grant_path(path, true).context("--grant")?;
    }
    if wanted.is_empty() {
        return Ok(grants);
    }
    for want in &plugin.description().requests {
        match &want.permission {
            Permission::Read(path) => grants.read.push(path.into()),
            Permission::Write(path) => grants.write.push(path.into()),
            Permission::Statfs(path) => grants.statfs.push(path.into()),
            // `<host:port of url>` and the like stand for what the settings say.
            Permission::Connect(address) => grants.connect.extend(address.parse().ok()),
            Permission::Env(name) => grants.env.push(name.clone()),
            Permission::Stdout => grants.stdout = true,
            Permission::Unix(request) => grants.unix.extend(request.parse().ok()),
            Permission::ProcessArguments => grants.process_arguments = true,
            // They need a place of the operator's choice.
            Permission::DataDir | Permission::ConnectBehind { .. } | Permission::Secret(_) | Permission::Never(_) => {}
        }
    }
    Ok(grants)
}

fn parse_grants(words: &[String]) -> anyhow::Result<Grants> {
    let mut grants = Grants::default();
    for word in words {
        match word.split_once('=') {
            Some(("read", path)) => grants.read.push(path.into()),
            Some(("write", path)) => grants.write.push(path.into()),
            Some(("data_dir", path)) => grants.data_dir = Some(path.into()),
            Some(("statfs", path)) => grants.statfs.push(path.into()),
            Some(("connect", address)) => grants.connect.push(address.parse()?),
            Some(("env", name)) => grants.env.push(name.into()),
            Some(("unix", request)) => grants.unix.push(request.parse()?),
            None if word == "stdout" => grants.stdout = true,
            None if word == "process_arguments" => grants.process_arguments = true,
            _ => bail!(
                "--grant {word}: expected read=DIR, write=DIR, data_dir=DIR, statfs=DIR, connect=HOST:PORT, env=NAME, \"unix=METHOD SOCKET PATH\", process_arguments, stdout or requested"
            ),
        }
    }
    Ok(grants)
}

fn tags_of(value: &Sample) -> String {
    flat::tags(value.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn as_table(values: &[Sample]) -> String {
    let mut rows = vec![["metric", "tags", "type", "value"].map(String::from).to_vec()];
    rows.extend(values.iter().map(|value| {
        vec![value.metric.clone(), tags_of(value), value.metric_type.as_str().into(), value.value.to_string()]
    }));
    table::render(&rows)
}

fn as_json(value: &Sample) -> Value {
    let tags: serde_json::Map<_, _> = value.tags.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({
        "endpoint": &*value.endpoint,
        "metric": value.metric,
        "tags": tags,
        "type": value.metric_type.as_str(),
        "step_s": value.step_s,
        "timestamp_ms": value.timestamp_ms,
        "value": value.value,
    })
}

fn as_falcon(value: &Sample) -> Value {
    json!({
        "endpoint": &*value.endpoint,
        "metric": value.metric,
        "value": value.value,
        "step": value.step_s,
        "counterType": value.metric_type.as_str(),
        "tags": tags_of(value),
        "timestamp": value.timestamp_ms / 1000,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_written_as_words() {
        let words =
            ["read=/proc", "statfs=/", "connect=127.0.0.1:80", "env=HOME", "unix=GET /run/d.sock /info", "stdout"]
                .map(String::from);
        let grants = parse_grants(&words).unwrap();
        assert_eq!(
            grants.to_words(),
            ["read /proc", "statfs /", "connect 127.0.0.1:80", "env HOME", "stdout", "unix /run/d.sock: GET of /info"]
        );
        assert!(parse_grants(&["/proc".into()]).unwrap_err().to_string().contains("expected read=DIR"));
    }
}
