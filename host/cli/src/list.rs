//! `saker plugin list`, `saker plugin status` and `saker plugin resume`.

use serde_json::Value;

use crate::args::{ClientArgs, StatusArgs};
use crate::printing::print;
use crate::say;
use crate::{client, table};

pub fn list(args: &ClientArgs) -> anyhow::Result<()> {
    let plugins = crate::runtime()?.block_on(client::get(args, "/saker/v1/plugins"))?;
    if args.json {
        say!("{}", table::json(&plugins))?;
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
        for (key, what) in [("rejected_update", "not put in place"), ("last_fault", "last fault")] {
            let fault = &instance[key];
            if let Some(message) = fault["message"].as_str() {
                rows.push(vec![String::new(), format!("{what} ({}{}): {message}", text(fault, "blame"), age(fault))]);
            }
        }
    }
    print(format_args!("{}", table::render(&rows)))?;
    if let Some(error) = plugins["folder_error"].as_str() {
        say!("NO PLUGIN IS LOADED from the plugin folder: {error}")?;
    }
    for file in plugins["files"].as_array().into_iter().flatten() {
        let name = text(file, "file");
        let unused = file["used_by"].as_array().is_some_and(Vec::is_empty);
        if let Some(error) = file["error"].as_str() {
            let kept = if unused { "" } else { ", the version before runs on" };
            say!("{name}: cannot be used{kept}: {error}")?;
        } else if file["busy"] == true {
            say!("{name}: being compiled")?;
        } else if unused {
            say!("{name}: a {} that nothing names", text(file, "kind"))?;
        }
    }
    Ok(())
}

pub fn resume(args: &StatusArgs) -> anyhow::Result<()> {
    let path = format!("/saker/v1/plugins/{}/resume", args.name.replace(' ', "%20"));
    crate::runtime()?.block_on(client::post(&args.client, &path))?;
    let when =
        if args.name.starts_with("destination ") { "is tried again at once" } else { "is called at its next run" };
    say!("{} {when}", args.name)?;
    Ok(())
}

pub fn status(args: &StatusArgs) -> anyhow::Result<()> {
    // A destination's instance has a space in its name.
    let path = format!("/saker/v1/plugins/{}", client::encoded(&args.name));
    let instance = crate::runtime()?.block_on(client::get(&args.client, &path))?;
    if args.client.json {
        say!("{}", table::json(&instance))?;
        return Ok(());
    }
    let mut rows = Vec::new();
    flatten("", &instance, &mut rows);
    print(format_args!("{}", table::render(&rows)))?;
    Ok(())
}

/// How long ago a fault was, and whether it is over: ", 3 m ago, over".
pub(crate) fn age(fault: &Value) -> String {
    let Some(seconds) = fault["ago_s"].as_u64() else { return String::new() };
    let ago = match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} m", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    };
    let over = if fault["over"] == true { ", over" } else { "" };
    format!(", {ago} ago{over}")
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_has_an_age_and_may_be_over() {
        let ago = |seconds: u64| age(&json!({"ago_s": seconds, "over": false}));
        let shown = [", 0 s ago", ", 61 s ago", ", 3 m ago", ", 2 h ago", ", 3 d ago"];
        assert_eq!([0, 61, 185, 7_200, 260_000].map(ago), shown);
        assert_eq!(age(&json!({"ago_s": 5, "over": true})), ", 5 s ago, over");
        assert_eq!(age(&Value::Null), "");
    }
}
