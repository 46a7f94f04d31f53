//! Where grants reach that they must not: the agent's own places, each other, and whatever a link leads to tomorrow.
//!
//! Called when everything is read, so that `check`, a start and a reload reject the same. Files are looked at, for two
//! paths may name one place.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use saker_config::ConfigTable;
use saker_sandbox::{GrantPathError, Grants, check_grant_path, check_socket_path, check_statfs_path};

use super::PluginsConfig;

/// A place of the agent's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPlace {
    /// Where it is.
    pub path: PathBuf,
    /// What it is, for the message.
    pub what: &'static str,
    /// Whether reading it gives away what nobody is to know.
    pub secret: bool,
}

/// A grant of a path.
struct GrantReach<'a> {
    /// `plugin` or `destination`, and the name.
    owner: (&'static str, &'a str),
    key: &'static str,
    path: PathBuf,
}

/// Notes every grant that reaches too far.
pub(super) fn check(root: &ConfigTable<'_>, config: &PluginsConfig, mut own: Vec<OwnPlace>) {
    let reaches = reaches(config);
    add_own_places(root, config, &mut own);
    for reach in &reaches {
        let what = as_written(reach).or_else(|| own.iter().find_map(|own| into_own_place(reach, own)));
        let what = what.or_else(|| reaches.iter().find_map(|other| around_another(reach, other)));
        if let Some(what) = what {
            reach.note(root, &what);
        }
    }
}

/// All grants of paths, of what runs.
fn reaches(config: &PluginsConfig) -> Vec<GrantReach<'_>> {
    let mut all = Vec::new();
    let plugins = config.instances.iter().filter(|(_, plugin)| plugin.enabled);
    for (name, plugin) in plugins {
        add(&mut all, ("plugin", name), &plugin.grants);
    }
    for (name, destination) in &config.backends {
        add(&mut all, ("destination", name), &destination.grants);
    }
    all
}

fn add<'a>(all: &mut Vec<GrantReach<'a>>, owner: (&'static str, &'a str), grants: &Grants) {
    for (key, paths) in [("read", &grants.read), ("write", &grants.write), ("statfs", &grants.statfs)] {
        // What is no absolute path was found before.
        let absolute = paths.iter().filter(|path| path.is_absolute());
        all.extend(absolute.map(|path| GrantReach { owner, key, path: path.clone() }));
    }
    all.extend(grants.unix.iter().map(|grant| GrantReach { owner, key: "unix", path: grant.socket.clone() }));
    all.extend(grants.data_dir.iter().map(|path| GrantReach { owner, key: "data_dir", path: path.clone() }));
}

fn add_own_places(root: &ConfigTable<'_>, config: &PluginsConfig, own: &mut Vec<OwnPlace>) {
    let mut add =
        |path: Option<&Path>, what, secret| own.extend(path.map(|path| OwnPlace { path: path.into(), what, secret }));
    add(Some(&config.folder.dir), "the plugin folder", false);
    add(root.file(), "this configuration", true);
    add(std::env::current_exe().ok().as_deref(), "the agent's program", false);
    config.folder.signatures.keys.iter().for_each(|key| add(Some(key), "a key of signatures", false));
    config.secrets.values().for_each(|file| add(Some(file), "a secret", true));
}

/// What is wrong with a path by itself: a link in it, or that it leads where no grant does.
fn as_written(reach: &GrantReach<'_>) -> Option<String> {
    let checked = match reach.key {
        "statfs" => check_statfs_path(&reach.path),
        "unix" => check_socket_path(&reach.path),
        "data_dir" => Ok(()),
        key => check_grant_path(&reach.path, key == "write"),
    };
    match checked {
        // What cannot be opened now may be there when it is used.
        Ok(()) | Err(GrantPathError::Os { .. }) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn into_own_place(reach: &GrantReach<'_>, own: &OwnPlace) -> Option<String> {
    let reads = reach.key == "read" && own.secret;
    if !(reads || reach.key == "write") || !(lies_in(&own.path, &reach.path) || lies_in(&reach.path, &own.path)) {
        return None;
    }
    let (path, place) = (reach.path.display(), own.path.display());
    Some(format!("{path:?} would open {place}, {}; grant only what it needs beside that", own.what))
}

/// What could be swapped from within a folder that is granted for writing.
fn around_another(reach: &GrantReach<'_>, other: &GrantReach<'_>) -> Option<String> {
    if !(reach.key == "write" || reach.key == "data_dir") || std::ptr::eq(reach, other) {
        return None;
    }
    let same = lies_in(&reach.path, &other.path);
    let clash = match other.key {
        // The folder of a canary stands beside its own for a while.
        "data_dir" if reach.key == "data_dir" => {
            other.path == reach.path || other.path == reach.path.with_added_extension("canary")
        }
        "write" | "data_dir" if reach.owner != other.owner => lies_in(&other.path, &reach.path),
        _ => lies_in(&other.path, &reach.path) && !same,
    };
    let (path, inner) = (reach.path.display(), other.path.display());
    let (group, name) = other.owner;
    clash.then(|| {
        format!(
            "{path:?} may be written to and holds {inner:?}, which {group}.{name} is granted as well ({}): what is there \
             could be swapped for something else; grant folders that lie beside each other",
            other.key
        )
    })
}

impl GrantReach<'_> {
    fn note(&self, root: &ConfigTable<'_>, what: &str) {
        let (group, name) = self.owner;
        root.wrong_below(&[group, name, "grant"], self.key, what);
    }
}

/// Whether a path is another or lies below it, whatever links and mounts lead there.
fn lies_in(inner: &Path, outer: &Path) -> bool {
    let (inner, outer) = (real(inner), real(outer));
    if inner.starts_with(&outer) {
        return true;
    }
    let id = |path: &Path| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let Some(outer) = id(&outer) else { return false };
    inner.ancestors().any(|ancestor| id(ancestor) == Some(outer))
}

/// Where a path leads, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = absolute.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match there {
        Some((ancestor, real)) => match absolute.strip_prefix(ancestor) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            _ => real,
        },
        None => absolute,
    }
}
