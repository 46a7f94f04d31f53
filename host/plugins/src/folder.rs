//! The plugin folder: which files are in it, and when that changes.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use notify::{RecursiveMode, Watcher};
use parking_lot::Mutex;
use saker_model::text::is_clean;
use saker_sandbox::{PluginHash, PluginKind};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::SignatureConfig;
use crate::{ExposedPath, Signature, TrustedKeys};

/// How long nothing must have happened before a change is looked at, if a file is being written: some tools write in
/// pieces and say at no time that they are done.
const QUIET: Duration = Duration::from_millis(150);
/// The same where all files that were written have been closed, or were put in place whole: others of the same
/// deployment follow at once.
const QUIET_WHOLE: Duration = Duration::from_millis(5);
/// However much happens, a change is looked at after this time.
const QUIET_MAX: Duration = Duration::from_secs(2);

/// What tells that a file is another, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its size.
    pub bytes: u64,
    modified: Option<SystemTime>,
    inode: u64,
    /// Who may write to it: one that was rejected for that is looked at again when it is mended.
    owner: u32,
    mode: u32,
    /// When the signature beside it was written.
    signed: Option<SystemTime>,
}

impl Fingerprint {
    /// When the file was written last, or touched.
    #[must_use]
    pub fn changed(&self) -> Option<SystemTime> {
        self.modified
    }
}

/// What a look at a file tells, without running or compiling it.
#[derive(Clone, Copy, Debug)]
pub struct FileSummary {
    /// Its hash.
    pub hash: PluginHash,
    /// None, if its exports do not tell.
    pub kind: Option<PluginKind>,
}

/// The plugin files in a folder, by name. A folder that is not there has none.
///
/// # Errors
/// Those of the system, and [`ExposedPath`]: where others can write, nothing is a plugin.
pub fn scan(path: &Path) -> io::Result<BTreeMap<String, Fingerprint>> {
    let dir = match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other?,
    };
    ExposedPath::check(path, &std::fs::metadata(format!("/proc/self/fd/{}", fd(&dir)))?).map_err(io::Error::other)?;
    let mut files = BTreeMap::new();
    for entry in dir.entries()? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        // A name that cannot be shown as it is is no plugin's.
        if !name.ends_with(".wasm") || name.starts_with('.') || !is_clean(&name) {
            continue;
        }
        // Through links, as deploy tools use them; what has gone since is not there.
        if let Some(fingerprint) = fingerprint_of(&dir, &name) {
            files.insert(name, fingerprint);
        }
    }
    Ok(files)
}

fn fingerprint_of(dir: &Dir, name: &str) -> Option<Fingerprint> {
    let metadata = std::fs::metadata(format!("/proc/self/fd/{}/{name}", fd(dir))).ok()?;
    let signature = std::fs::metadata(format!("/proc/self/fd/{}/{name}.sig", fd(dir)));
    let signed = signature.and_then(|metadata| metadata.modified()).ok();
    metadata.is_file().then(|| Fingerprint { signed, ..fingerprint(&metadata) })
}

fn fd(dir: &Dir) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(dir)
}

fn fingerprint(metadata: &std::fs::Metadata) -> Fingerprint {
    Fingerprint {
        bytes: metadata.len(),
        modified: metadata.modified().ok(),
        inode: metadata.ino(),
        owner: metadata.uid(),
        mode: metadata.mode(),
        signed: None,
    }
}

/// Reads a plugin file, if it did not change meanwhile.
///
/// # Errors
/// In words: it is too large, it changes, it cannot be read, others can write to it.
pub fn read(dir: &Path, name: &str, most: usize) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("cannot read it: {error}");
    let mut file = std::fs::File::open(dir.join(name)).map_err(failed)?;
    let before = file.metadata().map_err(failed)?;
    ExposedPath::check(&dir.join(name), &before).map_err(|error| error.to_string())?;
    if before.len() > most as u64 {
        return Err(format!("it has {} bytes, and [plugins] max_file_bytes allows {most}", before.len()));
    }
    let mut bytes = Vec::with_capacity(before.len() as usize);
    file.by_ref().take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let after = file.metadata().map_err(failed)?;
    if fingerprint(&before) != fingerprint(&after) || bytes.len() as u64 != after.len() {
        return Err("it is still being written".into());
    }
    Ok(bytes)
}

/// Reads a plugin file, and checks the signature beside it before anybody looks at what the file says.
///
/// # Errors
/// In words: those of [`read`], and what is wrong with the signature.
pub fn read_checked(dir: &Path, name: &str, most: usize, signatures: &SignatureConfig) -> Result<Vec<u8>, String> {
    let bytes = read(dir, name, most)?;
    if signatures.keys.is_empty() {
        return Ok(bytes);
    }
    let keys = TrustedKeys::read(&signatures.keys).map_err(|error| format!("plugins.signature_keys: {error}"))?;
    let beside = format!("{name}.sig");
    let signature = match std::fs::read_to_string(dir.join(&beside)) {
        Ok(text) => Some(Signature::parse(&text).map_err(|error| error.to_string())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("cannot read {beside}: {error}")),
    };
    keys.check(&bytes, signature.as_ref(), signatures.required, &beside).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Looks at a plugin file.
///
/// # Errors
/// As [`read_checked`].
pub fn look(dir: &Path, name: &str, most: usize, signatures: &SignatureConfig) -> Result<FileSummary, String> {
    let bytes = read_checked(dir, name, most, signatures)?;
    Ok(FileSummary { hash: PluginHash::of(&bytes), kind: saker_sandbox::kind_of(&bytes) })
}

/// Tells of changes in folders.
pub struct Watch {
    changed: Arc<Notify>,
    /// What is being written, as far as the system tells.
    unfinished: Arc<Mutex<HashSet<PathBuf>>>,
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Watch {
    /// Watches a folder. Where the system cannot, only the poll interval helps.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self::begin(dir, RecursiveMode::NonRecursive)
    }

    /// Watches a folder with all that is below it.
    #[must_use]
    pub fn tree(dir: &Path) -> Self {
        Self::begin(dir, RecursiveMode::Recursive)
    }

    fn begin(dir: &Path, depth: RecursiveMode) -> Self {
        let (changed, unfinished) = (Arc::<Notify>::default(), Arc::<Mutex<HashSet<_>>>::default());
        let (tell, writing) = (changed.clone(), unfinished.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Ok(event) = event {
                // Reading a file is an event too, and ours to make.
                if event.kind.is_access() && !is_close_write(&event) {
                    return;
                }
                follow(&mut writing.lock(), event);
            }
            tell.notify_one();
        });
        let watching = watcher.and_then(|mut watcher| {
            watcher.watch(dir, depth)?;
            Ok(watcher)
        });
        if let Err(error) = &watching {
            tracing::warn!(dir = %dir.display(), "cannot watch the folder, will look through it instead: {error}");
        }
        Self { changed, unfinished, _watcher: watching.ok() }
    }

    /// Waits for a change and the quiet after it, or for so long without one. Can be dropped while it waits.
    pub async fn change(&self, poll: Duration) {
        if tokio::time::timeout(poll, self.changed.notified()).await.is_err() {
            return;
        }
        let end = Instant::now() + QUIET_MAX;
        loop {
            let quiet = if self.unfinished.lock().is_empty() { QUIET_WHOLE } else { QUIET };
            if tokio::time::timeout(quiet, self.changed.notified()).await.is_err() || Instant::now() > end {
                break;
            }
        }
        // Whoever still writes will be heard of again, and what was linked into the folder was whole from the start.
        self.unfinished.lock().clear();
    }
}

/// Keeps track of the files that are being written.
fn follow(unfinished: &mut HashSet<PathBuf>, event: notify::Event) {
    use notify::event::{CreateKind, EventKind, ModifyKind};
    match event.kind {
        EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)) => unfinished.extend(event.paths),
        _ => event.paths.iter().for_each(|path| _ = unfinished.remove(path)),
    }
}

fn is_close_write(event: &notify::Event) -> bool {
    use notify::event::{AccessKind, AccessMode, EventKind};
    event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("saker-folder-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn only_wasm_files_count_and_links_are_followed() {
        let dir = scratch("scan");
        std::fs::write(dir.join("a.wasm"), b"1").unwrap();
        std::fs::write(dir.join(".b.wasm"), b"1").unwrap();
        std::fs::write(dir.join("c.wasm.tmp"), b"1").unwrap();
        std::fs::create_dir(dir.join("d.wasm")).unwrap();
        std::os::unix::fs::symlink("a.wasm", dir.join("e.wasm")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.join("f.wasm")).unwrap();
        assert_eq!(scan(&dir).unwrap().into_keys().collect::<Vec<_>>(), ["a.wasm", "e.wasm"]);
        assert!(scan(&dir.join("missing")).unwrap().is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_others_can_write_to_is_no_plugin() {
        use std::os::unix::fs::PermissionsExt;
        let dir = scratch("exposed");
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::write(dir.join("a.wasm"), b"1").unwrap();
        mode(&dir.join("a.wasm"), 0o664);
        let before = scan(&dir).unwrap();
        let error = read(&dir, "a.wasm", 5).unwrap_err();
        assert!(error.contains(&format!("chmod go-w {}", dir.join("a.wasm").display())), "{error}");
        mode(&dir.join("a.wasm"), 0o644);
        assert_eq!(read(&dir, "a.wasm", 5).unwrap(), b"1");
        assert_ne!(scan(&dir).unwrap(), before, "it is looked at again");
        // Through a link it is what the link leads to that counts.
        let outside = scratch("outside");
        std::fs::write(outside.join("b.wasm"), b"1").unwrap();
        mode(&outside.join("b.wasm"), 0o666);
        std::os::unix::fs::symlink(outside.join("b.wasm"), dir.join("b.wasm")).unwrap();
        assert!(read(&dir, "b.wasm", 5).unwrap_err().contains("others can write to"));
        for exposed in [0o775, 0o757, 0o1777] {
            mode(&dir, exposed);
            let error = scan(&dir).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod go-w {}", dir.display())), "{exposed:o}: {error}");
        }
        mode(&dir, 0o755);
        assert_eq!(scan(&dir).unwrap().len(), 2);
        std::fs::write(dir.join("c\x1b[2J.wasm"), b"1").unwrap();
        assert_eq!(scan(&dir).unwrap().len(), 2, "a name that would be acted on is none");
        std::fs::remove_dir_all(dir).unwrap();
        std::fs::remove_dir_all(outside).unwrap();
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let dir = scratch("read");
        std::fs::write(dir.join("a.wasm"), b"12345").unwrap();
        assert_eq!(read(&dir, "a.wasm", 5).unwrap(), b"12345");
        assert!(read(&dir, "a.wasm", 4).unwrap_err().contains("max_file_bytes"));
        assert!(read(&dir, "b.wasm", 4).unwrap_err().contains("cannot read"));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_new_file_is_told_of() {
        let dir = scratch("watch");
        let watch = Watch::new(&dir);
        let start = Instant::now();
        std::fs::write(dir.join("a.wasm"), b"1").unwrap();
        watch.change(Duration::from_secs(30)).await;
        assert!(start.elapsed() < Duration::from_secs(10), "told by the system, not by the poll");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
