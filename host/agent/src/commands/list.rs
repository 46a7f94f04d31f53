//! `saker plugin list`, `saker plugin status` and `saker plugin revive`.

use serde_json::Value;

use super::{client, table};
use crate::cli::{ClientArgs, StatusArgs};

pub(crate) fn list(args: &ClientArgs) -> anyhow::Result<()> {
    let plugins = super::runtime()?.block_on(client::get(args, "/api/v1/plugins"))?;
    if args.json {
        println!("{plugins:#}");
        return Ok(());
    }
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut rows =
        vec![["plugin", "kind", "version", "hash", "state", "calls", "failed", "granted"].map(String::from).to_vec()];
    for instance in plugins["instances"].as_array().into_iter().flatten() {
        let grants: Vec<_> = instance["grants"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        rows.push(vec![
            text(instance, "name"),
            text(instance, "kind"),
            text(instance, "version"),
            text(instance, "hash").chars().take(12).collect(),
            text(instance, "state"),
            instance["calls"].to_string(),
            instance["counts"]["failed"].to_string(),
            if grants.is_empty() { "nothing".into() } else { grants.join(", ") },
        ]);
        for (key, what) in [("refused_update", "not put in place"), ("last_fault", "last fault")] {
            let fault = &instance[key];
            if let Some(message) = fault["message"].as_str() {
                rows.push(vec![String::new(), format!("{what} ({}): {message}", text(fault, "blame"))]);
            }
        }
    }
    print!("{}", table::render(&rows));
    for file in plugins["files"].as_array().into_iter().flatten() {
        let name = text(file, "file");
        let unused = file["used_by"].as_array().is_some_and(Vec::is_empty);
        if let Some(error) = file["error"].as_str() {
            let kept = if unused { "" } else { ", the version before runs on" };
            println!("{name}: cannot be used{kept}: {error}");
        } else if file["busy"] == true {
            println!("{name}: being compiled");
        } else if unused {
            println!("{name}: a {} that nothing names", text(file, "kind"));
        }
    }
    Ok(())
}

pub(crate) fn revive(args: &StatusArgs) -> anyhow::Result<()> {
    let path = format!("/api/v1/plugins/{}/revive", args.name.replace(' ', "%20"));
    super::runtime()?.block_on(client::post(&args.client, &path))?;
    println!("{} is called at its next tick", args.name);
    Ok(())
}

pub(crate) fn status(args: &StatusArgs) -> anyhow::Result<()> {
    // A node's instance has a space in its name.
    let path = format!("/api/v1/plugins/{}", args.name.replace(' ', "%20"));
    let instance = super::runtime()?.block_on(client::get(&args.client, &path))?;
    if args.client.json {
        println!("{instance:#}");
        return Ok(());
    }
    let mut rows = Vec::new();
    flatten("", &instance, &mut rows);
    print!("{}", table::render(&rows));
    Ok(())
}

/// Every value in a line of its own.
fn flatten(path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| flatten(&below(key), value, rows)),
        Value::Array(items) => {
            for item in items {
                flatten(path, item, rows);
            }
        }
        Value::Null => {}
        Value::String(text) => rows.push(vec![path.to_owned(), text.clone()]),
        other => rows.push(vec![path.to_owned(), other.to_string()]),
    }
}
