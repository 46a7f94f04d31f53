//! `saker queue`: the queues of a running agent.

use serde_json::Value;

use crate::args::{ClientArgs, QueueDropArgs, QueueInspectArgs, QueueReplayArgs, QueueSubcommand};
use crate::printing::print;
use crate::say;
use crate::{client, table};

pub fn queue(command: &QueueSubcommand) -> anyhow::Result<()> {
    let runtime = crate::runtime()?;
    match command {
        QueueSubcommand::List(args) => runtime.block_on(list(args)),
        QueueSubcommand::Inspect(args) => runtime.block_on(inspect(args)),
        QueueSubcommand::Replay(args) => runtime.block_on(replay(args)),
        QueueSubcommand::Drop(args) => runtime.block_on(discard(args)),
    }
}

async fn list(args: &ClientArgs) -> anyhow::Result<()> {
    let answer = client::get(args, "/saker/v1/queues").await?;
    if args.json {
        say!("{}", table::json(&answer))?;
        return Ok(());
    }
    let headings = ["destination", "state", "points", "in memory", "on disk", "segments", "rejected", "error"];
    let mut rows = vec![headings.map(String::from).to_vec()];
    for queue in answer["queues"].as_array().into_iter().flatten() {
        let number = |key: &str| queue[key].as_u64().map_or_else(String::new, |number| number.to_string());
        let configured = queue["configured"] == true;
        rows.push(vec![
            queue["destination"].as_str().unwrap_or_default().to_owned(),
            queue["state"].as_str().unwrap_or("not configured").to_owned(),
            number("points"),
            number("in_memory"),
            size(&queue["bytes"]),
            number("segments"),
            number("dead_letter_points"),
            match queue["error"].as_str() {
                Some(error) => error.to_owned(),
                None if configured => String::new(),
                None => "kept; saker queue inspect, replay --to DESTINATION or drop".to_owned(),
            },
        ]);
    }
    print(format_args!("{}", table::render(&rows)))?;
    Ok(())
}

async fn inspect(args: &QueueInspectArgs) -> anyhow::Result<()> {
    let what = if args.dead_letters { "dead-letters" } else { "queue" };
    let path = format!("/saker/v1/queues/{}?what={what}&limit={}", client::encoded(&args.destination), args.limit);
    let answer = client::get(&args.client, &path).await?;
    if args.client.json {
        say!("{}", table::json(&answer))?;
        return Ok(());
    }
    let mut rows = vec![
        ["endpoint", "metric", "tags", "type", "time (ms)", "value", "rejected because"].map(String::from).to_vec(),
    ];
    for point in answer["shown"].as_array().into_iter().flatten() {
        let text = |key: &str| point[key].as_str().unwrap_or_default().to_owned();
        let tags = point["tags"].as_object().into_iter().flatten();
        let tags: Vec<_> = tags.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        rows.push(vec![
            text("endpoint"),
            text("metric"),
            tags.join(","),
            text("type"),
            point["timestamp_ms"].to_string(),
            point["value"].to_string(),
            text("reason"),
        ]);
    }
    print(format_args!("{}", table::render(&rows)))?;
    say!("{} of {} points", rows.len() - 1, answer["points"])?;
    Ok(())
}

async fn replay(args: &QueueReplayArgs) -> anyhow::Result<()> {
    let to = args.to.as_deref().map_or_else(String::new, |to| format!("?to={}", client::encoded(to)));
    let path = format!("/saker/v1/queues/{}/replay{to}", client::encoded(&args.destination));
    said(&args.client, &client::post(&args.client, &path).await?, "will be sent again")
}

async fn discard(args: &QueueDropArgs) -> anyhow::Result<()> {
    let what = if args.dead_letters { "dead-letters" } else { "queue" };
    let path = format!("/saker/v1/queues/{}/drop?what={what}", client::encoded(&args.destination));
    said(&args.client, &client::post(&args.client, &path).await?, "were thrown away")
}

fn said(args: &ClientArgs, answer: &Value, what: &str) -> anyhow::Result<()> {
    if args.json {
        say!("{}", table::json(answer))?;
    } else {
        say!("{} points {what}", answer["points"])?;
    }
    Ok(())
}

fn size(bytes: &Value) -> String {
    match bytes.as_f64() {
        Some(bytes) if bytes >= f64::from(1 << 20) => format!("{:.1} MiB", bytes / f64::from(1 << 20)),
        Some(bytes) => format!("{:.1} KiB", bytes / 1024.0),
        None => String::new(),
    }
}
