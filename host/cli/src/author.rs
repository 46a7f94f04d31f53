//! What authors of plugins do with them, before any agent does: `saker plugin test`, `bench` and `diff`.

use std::time::Duration;

use anyhow::{Context, bail};
use saker_author::{CaseOutcome, Options, Severity, TargetServer};
use saker_plugins::settings_schema;
use saker_sandbox::Plugin;
use serde_json::{Map, Value, json};

use crate::args::{AuthorCommand, BenchArgs, DiffArgs, PluginArgs, ServerChoice, TestArgs};
use crate::collect::{grants, load, load_counting};
use crate::printing::print;
use crate::say;
use crate::table;

/// Does what authors of plugins do with them before any agent does.
///
/// # Errors
/// If the plugin fails, or cannot be tried.
pub fn author(command: &AuthorCommand) -> anyhow::Result<()> {
    match command {
        AuthorCommand::New(args) => crate::new::new(args),
        AuthorCommand::Test(args) => test(args),
        AuthorCommand::Bench(args) => bench(args),
        AuthorCommand::Diff(args) => diff(args),
        AuthorCommand::Run(args) => crate::watching::run(args),
    }
}

fn test(args: &TestArgs) -> anyhow::Result<()> {
    let (plugin, report) = crate::runtime()?.block_on(async {
        let (sandbox, plugin) = load(&args.plugin.file).await?;
        let options = Options { pause: args.interval, only: args.case.clone(), ..options(&args.plugin, &plugin)? };
        let report = saker_author::conform(&sandbox, &plugin, &options).await;
        anyhow::Ok((plugin, report))
    })?;
    let description = plugin.description();
    let failed = report.count(|outcome| matches!(outcome, CaseOutcome::Failed { .. }));
    let skipped = report.count(|outcome| matches!(outcome, CaseOutcome::Skipped(_)));
    let ok = report.cases.len() - failed - skipped;
    if args.plugin.json {
        let about = json!({
            "name": description.name,
            "kind": plugin.kind().as_str(),
            "version": description.version,
            "contract": plugin.contract(),
            "hash": plugin.hash().to_string(),
            "passed": report.passed(),
            "cases": report.to_json(),
        });
        say!("{}", table::json(&about))?;
    } else {
        say!(
            "{} {}, a {} for contract {}",
            description.name,
            description.version,
            plugin.kind().as_str(),
            plugin.contract()
        )?;
        for case in &report.cases {
            match &case.outcome {
                CaseOutcome::Ok(detail) => say!("ok       {}: {detail}", case.name)?,
                CaseOutcome::Skipped(why) => say!("skipped  {}\n         {why}", case.name)?,
                CaseOutcome::Failed { why, cure } => {
                    say!("FAILED   {}\n         {why}\n         to do: {cure}", case.name)?;
                }
            }
        }
        say!("{ok} ok, {failed} failed, {skipped} skipped")?;
    }
    if report.cases.is_empty() {
        bail!("no case's name holds {:?}", args.case.as_deref().unwrap_or_default());
    }
    if ok + failed == 0 {
        bail!("none of {skipped} cases could be tried: see above what is missing");
    }
    if !report.passed() {
        let name = &description.name;
        bail!("{name} does not keep to the contract: {failed} of {} cases failed", report.cases.len());
    }
    Ok(())
}

fn bench(args: &BenchArgs) -> anyhow::Result<()> {
    let bench = crate::runtime()?.block_on(async {
        let (counting, counted) = load_counting(&args.plugin.file).await?;
        let (timing, timed) = load(&args.plugin.file).await?;
        let options = options(&args.plugin, &timed)?;
        saker_author::bench((&counting, &counted), (&timing, &timed), &options).await.map_err(anyhow::Error::msg)
    })?;
    if args.plugin.json {
        say!("{:#}", bench.to_json())?;
        return Ok(());
    }
    let mut rows = vec![["call", "for each", "of", "fuel", "µs here", "bytes sent"].map(String::from).to_vec()];
    rows.extend(bench.costs.iter().map(|cost| {
        vec![
            cost.call.to_owned(),
            cost.per.to_owned(),
            cost.units.to_string(),
            format!("{:.1}", cost.fuel),
            format!("{:.3}", cost.micros),
            cost.sent_bytes.map_or(String::new(), |bytes| format!("{bytes:.1}")),
        ]
    }));
    print(format_args!("{}", table::render(&rows)))?;
    say!("memory: {} KiB", bench.memory_bytes >> 10)?;
    Ok(())
}

fn diff(args: &DiffArgs) -> anyhow::Result<()> {
    let changes = crate::runtime()?.block_on(async {
        let (_sandbox, old) = load(&args.old).await?;
        let (_sandbox, new) = load(&args.new).await?;
        anyhow::Ok(saker_author::diff(&old, &new))
    })?;
    let more = changes.iter().filter(|change| change.weight == Severity::More).count();
    if args.json {
        let changes: Vec<_> = changes.iter().map(saker_author::Difference::to_json).collect();
        say!("{}", table::json(&json!({"asks_more": more > 0, "changes": changes})))?;
    } else {
        let rows: Vec<_> = changes
            .iter()
            .map(|change| vec![change.weight.as_str().to_owned(), change.what.to_owned(), change.words.clone()])
            .collect();
        print(format_args!("{}", table::render(&rows)))?;
    }
    if more > 0 {
        bail!("{} asks for more than {}: see above", args.new.display(), args.old.display());
    }
    Ok(())
}

fn options(args: &PluginArgs, plugin: &Plugin) -> anyhow::Result<Options> {
    let settings = args.settings.as_deref().map(serde_json::from_str::<Map<String, Value>>);
    let settings = settings.transpose().context("--settings: expected a JSON object")?;
    Ok(Options {
        settings,
        grants: grants(&args.grant, plugin)?,
        server: match args.server {
            ServerChoice::Kit => TargetServer::Kit,
            ServerChoice::Given => TargetServer::Given,
        },
        pause: Duration::ZERO,
        only: None,
        misfits: |schema, settings| {
            let misfits = settings_schema::check(schema, settings);
            misfits.into_iter().map(|misfit| format!("{}: {}", misfit.path, misfit.what)).collect()
        },
    })
}
