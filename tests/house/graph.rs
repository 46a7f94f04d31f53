//! The packages of the workspace and all that they need, for the host and for plugins.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

/// What the agent runs on, and what plugins are built for. Packages of other systems are not looked at.
const PLATFORMS: &[&str] = &["x86_64-unknown-linux-gnu", "wasm32-wasip2"];

/// One package.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// As its manifest says it; none for a file of its own.
    pub(crate) licence: Option<String>,
    /// Where it comes from; none for the workspace's own.
    pub(crate) source: Option<String>,
    /// Names of what its manifest asks for, for whatever use.
    pub(crate) asks_for: Vec<String>,
    /// Of these, what it is linked with when it runs: neither for its tests nor for its build.
    pub(crate) runs_with: Vec<String>,
}

impl Package {
    pub(crate) fn is_ours(&self) -> bool {
        self.source.is_none()
    }
}

/// All packages, read once.
pub(crate) fn packages() -> &'static [Package] {
    static PACKAGES: OnceLock<Vec<Package>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let metadata = metadata();
        let all: Vec<_> = metadata["packages"].as_array().unwrap().iter().map(package).collect();
        assert!(all.len() > 100, "there is more than {}", all.len());
        all
    })
}

/// The packages of this workspace.
pub(crate) fn ours() -> impl Iterator<Item = &'static Package> {
    packages().iter().filter(|package| package.is_ours())
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let dependencies = package["dependencies"].as_array().unwrap();
    let names = |only_normal: bool| {
        let asked = dependencies.iter().filter(|it| !only_normal || it["kind"].is_null());
        asked.map(|it| text(&it["name"]).unwrap()).collect()
    };
    Package {
        name: text(&package["name"]).unwrap(),
        version: text(&package["version"]).unwrap(),
        licence: text(&package["license"]),
        source: text(&package["source"]),
        asks_for: names(false),
        runs_with: names(true),
    }
}

#[expect(clippy::disallowed_methods, reason = "cargo alone knows; the agent is not concerned")]
fn metadata() -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["metadata", "--format-version", "1", "--locked"]);
    PLATFORMS.iter().for_each(|platform| _ = cargo.args(["--filter-platform", platform]));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
