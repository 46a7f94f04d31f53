//! `saker store`: what is stored, by a running agent or in the files of one that does not run.

mod access;
mod moving;

use serde_json::Value;

use crate::args::{ClientArgs, StoreArgs, StoreCommand, StoreDeleteArgs, StoreSelection};
use crate::printing::print;
use crate::{client, say, table};
use access::Access;

pub fn store(command: &StoreCommand) -> anyhow::Result<()> {
    let runtime = crate::runtime()?;
    match command {
        StoreCommand::Status(args) => runtime.block_on(status(args)),
        StoreCommand::Policies(args) => runtime.block_on(policies(args)),
        StoreCommand::Delete(args) => runtime.block_on(delete(args)),
        StoreCommand::Compact(args) => runtime.block_on(compact(args)),
        StoreCommand::Verify(args) => runtime.block_on(verify(args)),
        StoreCommand::Dump(args) => runtime.block_on(moving::dump(args)),
        StoreCommand::Export(args) => runtime.block_on(moving::export(args)),
        StoreCommand::Import(args) => runtime.block_on(moving::import(args)),
        StoreCommand::Copy(args) => runtime.block_on(moving::copy(args)),
    }
}

/// What a selection is as a query.
fn query(selection: &StoreSelection) -> String {
    let mut query = format!("metric={}", client::encoded(&selection.metric));
    for (name, value) in [("endpoint", &selection.endpoint), ("tags", &selection.tags)] {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", client::encoded(value)));
        }
    }
    query
}

/// Prints an answer as it is, if that is wanted.
fn as_json(args: &ClientArgs, answer: &Value) -> anyhow::Result<bool> {
    if args.json {
        say!("{}", table::json(answer))?;
    }
    Ok(args.json)
}

async fn status(args: &StoreArgs) -> anyhow::Result<()> {
    let answer = Access::new(args)?.get("/saker/v1/store").await?;
    if as_json(&args.client, &answer)? {
        return Ok(());
    }
    let headings = ["granularity", "kept", "files", "to merge", "size", "points", "B a point", "since"];
    let mut rows = vec![headings.map(String::from).to_vec()];
    for tier in answer["tiers"].as_array().into_iter().flatten() {
        let number = |key: &str| tier[key].as_f64().unwrap_or_default();
        let each = number("bytes") / number("points").max(1.0);
        rows.push(vec![
            granularity(&tier["granularity_ms"]),
            time(&tier["kept_ms"]),
            tier["files"].to_string(),
            tier["unmerged"].to_string(),
            size(&tier["bytes"]),
            tier["points"].to_string(),
            format!("{each:.2}"),
            tier["oldest_ms"].to_string(),
        ]);
    }
    print(format_args!("{}", table::render(&rows)))?;
    say!(
        "{} live series, {} of memory; journal {}, heads {}, indexes {}",
        answer["live_series"],
        size(&answer["series_bytes"]),
        size(&answer["journal_bytes"]),
        size(&answer["max_head_bytes"]),
        size(&answer["index_bytes"])
    )?;
    let aside = answer["set_aside"].as_array().into_iter().flatten();
    for file in aside {
        say!("damaged and set aside: {} ({})", file["file"].as_str().unwrap_or_default(), size(&file["bytes"]))?;
    }
    Ok(())
}

async fn policies(args: &ClientArgs) -> anyhow::Result<()> {
    let answer = client::get(args, "/saker/v1/store/policies").await?;
    if as_json(args, &answer)? {
        return Ok(());
    }
    let mut rows = vec![["policy", "points", "rolled up", "late", "clock"].map(String::from).to_vec()];
    for policy in answer["policies"].as_array().into_iter().flatten() {
        let rolled = policy["definition"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|each| format!("{} for {}", time(&each["granularity_ms"]), time(&each["timespan_ms"])));
        rows.push(vec![
            policy["name"].as_str().unwrap_or_default().to_owned(),
            time(&policy["raw_ms"]),
            rolled.collect::<Vec<_>>().join(", "),
            time(&policy["back_window_ms"]),
            policy["clock"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    print(format_args!("{}", table::render(&rows)))?;
    for rule in answer["rules"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tags = rule["tags"].as_object().into_iter().flatten();
        let tags: Vec<_> = tags.map(|(name, value)| format!("{name}={}", text(value))).collect();
        say!("{} {} goes by {}", text(&rule["metric"]), tags.join(","), text(&rule["policy"]))?;
    }
    Ok(())
}

async fn delete(args: &StoreDeleteArgs) -> anyhow::Result<()> {
    let before = args.before.map_or_else(String::new, |before| format!("&before={before}"));
    let query = format!("{}{before}&dry_run={}", query(&args.selection), args.dry_run);
    let answer = Access::new(&args.store)?.post(&format!("/saker/v1/store/delete?{query}")).await?;
    if as_json(&args.store.client, &answer)? {
        return Ok(());
    }
    let mut rows = vec![["endpoint", "metric", "tags"].map(String::from).to_vec()];
    for name in answer["names"].as_array().into_iter().flatten() {
        let tags = name["tags"].as_object().into_iter().flatten();
        let tags: Vec<_> = tags.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let text = |key: &str| name[key].as_str().unwrap_or_default().to_owned();
        rows.push(vec![text("endpoint"), text("metric"), tags.join(",")]);
    }
    print(format_args!("{}", table::render(&rows)))?;
    let done = if args.dry_run { "would be deleted" } else { "deleted" };
    say!("{} series {done}", answer["series"])?;
    if !args.dry_run {
        say!(
            "their room comes back when files are merged, or with saker store compact; points that wait in the queue of a destination are still sent, saker queue list shows which have any"
        )?;
    }
    Ok(())
}

async fn compact(args: &StoreArgs) -> anyhow::Result<()> {
    let answer = Access::new(args)?.post("/saker/v1/store/compact").await?;
    if !as_json(&args.client, &answer)? {
        say!(
            "{} files written anew; of {} deleted series something is still there",
            answer["written_anew"],
            answer["deleted_series"]
        )?;
    }
    Ok(())
}

async fn verify(args: &StoreArgs) -> anyhow::Result<()> {
    let answer = Access::new(args)?.post("/saker/v1/store/verify").await?;
    let files: Vec<&Value> = answer["files"].as_array().into_iter().flatten().collect();
    let is_damaged = |file: &&&Value| file["damaged_frames"] != 0 || file["damaged_bytes"] != 0;
    let damaged: Vec<&&Value> = files.iter().filter(is_damaged).collect();
    if !as_json(&args.client, &answer)? {
        for file in &damaged {
            say!(
                "{}: {} damaged parts, {} bytes that belong to none",
                file["file"].as_str().unwrap_or_default(),
                file["damaged_frames"],
                file["damaged_bytes"]
            )?;
        }
        let bytes: u64 = files.iter().filter_map(|file| file["bytes"].as_u64()).sum();
        say!("{} files, {}, {} damaged", files.len(), size(&bytes.into()), damaged.len())?;
    }
    match damaged.len() {
        0 => Ok(()),
        count => anyhow::bail!("{count} files are damaged; what is lost is one part of each, the rest is read on"),
    }
}

fn granularity(granularity_ms: &Value) -> String {
    if granularity_ms == 0 { "points".into() } else { time(granularity_ms) }
}

/// A time as configuration says it; for ever if there is none.
fn time(time_ms: &Value) -> String {
    let Some(time_ms) = time_ms.as_u64() else { return "for ever".into() };
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let unit = units.iter().find(|(unit, _)| time_ms >= *unit && time_ms % unit == 0);
    unit.map_or_else(|| format!("{time_ms}ms"), |(unit, name)| format!("{}{name}", time_ms / unit))
}

fn size(bytes: &Value) -> String {
    match bytes.as_f64() {
        Some(bytes) if bytes >= f64::from(1 << 20) => format!("{:.1} MiB", bytes / f64::from(1 << 20)),
        Some(bytes) => format!("{:.1} KiB", bytes / 1024.0),
        None => String::new(),
    }
}
