//! `saker plugin inspect`: what a file is, without granting it anything.

use std::time::Duration;

use saker_sandbox::CodeOrigin;
use serde_json::{Value, json};

use crate::args::InspectArgs;
use crate::collect::load;
use crate::printing::print;
use crate::say;
use crate::table;

/// Tells what a plugin file is.
///
/// # Errors
/// If it is none, or cannot be read.
pub fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    let (_sandbox, plugin) = crate::runtime()?.block_on(load(&args.file))?;
    let description = plugin.description();
    if args.json {
        let wants: Vec<_> = description
            .requests
            .iter()
            .map(|want| json!({"what": want.permission.to_string(), "grant": want.permission.grant_line(), "reason": want.reason}))
            .collect();
        let about = json!({
            "name": description.name,
            "kind": plugin.kind().as_str(),
            "version": description.version,
            "contract": plugin.contract(),
            "summary": description.summary,
            "hash": plugin.hash().to_string(),
            "bytes": plugin.size(),
            "default_interval_ms": description.default_interval_ms,
            "machine_code": match plugin.origin() {
                CodeOrigin::Cache => "cached",
                CodeOrigin::Compiled => "compiled",
            },
            "requests": wants,
            "imports": plugin.imports(),
            "settings_schema": description.settings_schema,
        });
        say!("{}", table::json(&about))?;
        return Ok(());
    }
    let mut rows = vec![
        vec!["name".into(), description.name.clone()],
        vec!["kind".into(), plugin.kind().as_str().to_owned()],
        vec!["version".into(), description.version.clone()],
        vec!["contract".into(), format!("saker:plugin@{}", plugin.contract())],
        vec!["summary".into(), description.summary.clone()],
        vec!["file".into(), format!("{} bytes, BLAKE3 {}", plugin.size(), plugin.hash())],
    ];
    if let Some(ms) = description.default_interval_ms {
        rows.push(vec!["every".into(), format!("{:?}", Duration::from_millis(ms.into()))]);
    }
    for want in &description.requests {
        rows.push(vec!["requests".into(), format!("{}  # {}", want.permission.grant_line(), want.reason)]);
    }
    for (name, property) in description.settings_schema["properties"].as_object().into_iter().flatten() {
        rows.push(vec!["setting".into(), setting(name, property)]);
    }
    for import in plugin.imports() {
        rows.push(vec!["imports".into(), import.clone()]);
    }
    print(format_args!("{}", table::render(&rows)))?;
    Ok(())
}

fn setting(name: &str, property: &Value) -> String {
    let kind = property["type"].as_str().unwrap_or("anything");
    let default = match &property["default"] {
        Value::Null => String::new(),
        default => format!(" = {default}"),
    };
    let about = property["description"].as_str().map_or(String::new(), |text| format!("  # {text}"));
    format!("{name}: {kind}{default}{about}")
}
