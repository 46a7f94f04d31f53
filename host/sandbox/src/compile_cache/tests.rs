use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::compile::{CompileError, FailurePermanence};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("saker-compile-cache-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Result<Arc<CompileCache>, CacheError> {
        CompileCache::open(&self.0.join("compiled"), &engine()).map(Arc::new)
    }

    /// The files in the cache.
    fn names(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.0.join("compiled")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn engine() -> Engine {
    crate::engine::new_engine().unwrap()
}

fn store(cache: &Arc<CompileCache>, hash: PluginHash, code: &[u8]) {
    let mut writer = CodeWriter::new(Some(cache), hash, 1 << 30);
    code.chunks(1000).for_each(|piece| writer.write(piece).unwrap());
    assert!(matches!(writer.finish(), Ok(CodeWriteOutcome::Kept)));
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_others_can_write_to_is_rejected() {
    let scratch = Scratch::new("private");
    scratch.open().unwrap();
    let path = scratch.0.join("compiled");
    mode(&path, 0o777);
    let error = scratch.open().err().unwrap().to_string();
    assert!(error.contains("is not private") && error.contains("777"), "{error}");
    mode(&path, 0o700);
    assert!(scratch.open().is_ok());
}

#[test]
fn what_is_not_there_or_not_code_is_no_component() {
    let scratch = Scratch::new("stale");
    let cache = scratch.open().unwrap();
    let hash = PluginHash::of(b"x");
    assert!(cache.load(&engine(), hash).is_none());
    store(&cache, hash, b"not code");
    assert!(cache.load(&engine(), hash).is_none());
}

/// Code of a component that does nothing.
fn code() -> Vec<u8> {
    engine().precompile_component(b"\0asm\x0d\0\x01\0").unwrap()
}

#[test]
fn code_is_taken_under_its_own_name_and_key_only() {
    let scratch = Scratch::new("mac");
    let cache = scratch.open().unwrap();
    let (mine, other) = (PluginHash::of(b"mine"), PluginHash::of(b"other"));
    store(&cache, mine, &code());
    assert!(cache.load(&engine(), mine).is_some());
    // A neighbour's code with its own authentication, under the name of another.
    let path = |hash| scratch.0.join("compiled").join(cache.name(hash));
    let beside = |hash| scratch.0.join("compiled").join(mac_name(&cache.name(hash)));
    std::fs::copy(path(mine), path(other)).unwrap();
    std::fs::copy(beside(mine), beside(other)).unwrap();
    assert!(cache.load(&engine(), other).is_none());
    // What anybody can compute.
    std::fs::write(beside(other), blake3::hash(&code()).to_hex().as_str()).unwrap();
    assert!(cache.load(&engine(), other).is_none());
    // The same folder with another key.
    std::fs::remove_file(scratch.0.join("compiled.key")).unwrap();
    assert!(scratch.open().unwrap().load(&engine(), mine).is_none());
}

#[test]
fn a_link_to_code_elsewhere_is_not_followed() {
    let scratch = Scratch::new("links");
    let cache = scratch.open().unwrap();
    let hash = PluginHash::of(b"x");
    store(&cache, hash, &code());
    let (path, elsewhere) = (scratch.0.join("compiled").join(cache.name(hash)), scratch.0.join("elsewhere"));
    // Under a second name it could be changed after it was checked.
    std::fs::hard_link(&path, &elsewhere).unwrap();
    assert!(cache.load(&engine(), hash).is_none());
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(cache.load(&engine(), hash).is_none());
    std::fs::remove_file(&path).unwrap();
    std::fs::rename(&elsewhere, &path).unwrap();
    assert!(cache.load(&engine(), hash).is_some(), "it was the code all the time");
}

#[test]
fn a_key_that_others_can_read_is_replaced() {
    let scratch = Scratch::new("key");
    scratch.open().unwrap();
    let path = scratch.0.join("compiled.key");
    let key = || std::fs::read(&path).unwrap();
    let first = key();
    assert_eq!((first.len(), std::fs::metadata(&path).unwrap().permissions().mode() & 0o777), (32, 0o600));
    scratch.open().unwrap();
    assert_eq!(key(), first, "it stays");
    mode(&path, 0o644);
    scratch.open().unwrap();
    assert_ne!(key(), first);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(scratch.0.join("theirs"), [7; 32]).unwrap();
    mode(&scratch.0.join("theirs"), 0o600);
    std::os::unix::fs::symlink("theirs", &path).unwrap();
    scratch.open().unwrap();
    assert_ne!(key(), [7; 32]);
}

#[test]
fn the_same_code_can_be_kept_by_many_at_the_same_time() {
    let scratch = Scratch::new("together");
    let cache = scratch.open().unwrap();
    let (hash, code) = (PluginHash::of(b"x"), vec![7; 1 << 20]);
    let together = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                together.wait();
                store(&cache, hash, &code);
            });
        }
    });
    let name = cache.name(hash);
    assert_eq!(scratch.names(), [name.clone(), mac_name(&name)].into());
    assert!(cache.dir.read(name).unwrap() == code);
}

#[test]
fn too_much_code_is_rejected_and_leaves_nothing() {
    let scratch = Scratch::new("much");
    let cache = scratch.open().unwrap();
    let mut writer = CodeWriter::new(Some(&cache), PluginHash::of(b"x"), 10);
    writer.write(&[0; 10]).unwrap();
    assert!(matches!(writer.write(&[0]), Err(CodeWriteError::TooLarge { most: 10 })));
    drop(writer);
    assert!(scratch.names().is_empty());
}

#[test]
fn where_there_is_no_disk_code_stays_in_memory() {
    let scratch = Scratch::new("full");
    let cache = scratch.open().unwrap();
    let mut writer = CodeWriter::new(Some(&cache), PluginHash::of(b"x"), 100);
    writer.write(b"some ").unwrap();
    // As when the folder was removed under it: its file cannot be put in place any more.
    std::fs::remove_dir_all(scratch.0.join("compiled")).unwrap();
    writer.write(b"code").unwrap();
    let Ok(CodeWriteOutcome::Memory(code)) = writer.finish() else { panic!("it cannot be kept") };
    assert_eq!(code, b"some code");
}

#[test]
fn a_failure_is_remembered_until_the_file_changes_or_it_is_forgotten() {
    let scratch = Scratch::new("failures");
    let cache = scratch.open().unwrap();
    let hash = PluginHash::of(b"bomb");
    let words = |changed| cache.failure(hash, changed).map(|error| error.to_string());
    assert_eq!(words(None), None);
    cache.note_failure(hash, &CompileError::CpuTime { seconds: 18 }, FailurePermanence::Yes).unwrap();
    let (before, after) = (SystemTime::now() - Duration::from_secs(60), SystemTime::now() + Duration::from_secs(60));
    let said = words(Some(before)).unwrap();
    assert!(said.contains("failed before") && said.contains("18 s") && said.contains("touch"), "{said}");
    assert_eq!(words(Some(after)), None, "it was touched");
    // Another agent, with the same folder.
    assert!(scratch.open().unwrap().failure(hash, Some(before)).is_some());
    assert!(cache.forget_failure(hash));
    assert_eq!(words(Some(before)), None);
}

#[test]
fn a_note_that_somebody_else_wrote_does_not_count() {
    let scratch = Scratch::new("forged");
    let cache = scratch.open().unwrap();
    let (bomb, innocent) = (PluginHash::of(b"bomb"), PluginHash::of(b"innocent"));
    cache.note_failure(bomb, &CompileError::Unusable("no".into()), FailurePermanence::Yes).unwrap();
    let note = scratch.names().into_iter().find(|name| name.ends_with(".failed")).unwrap();
    let folder = scratch.0.join("compiled");
    std::fs::copy(folder.join(&note), folder.join(note.replace(&bomb.to_string(), &innocent.to_string()))).unwrap();
    assert!(cache.failure(bomb, None).is_some() && cache.failure(innocent, None).is_none());
}

#[test]
fn what_may_have_lain_in_the_machine_is_tried_again_after_an_hour() {
    let scratch = Scratch::new("passing");
    let cache = scratch.open().unwrap();
    let hash = PluginHash::of(b"x");
    cache.note_failure(hash, &CompileError::TimedOut, FailurePermanence::No).unwrap();
    let note =
        scratch.0.join("compiled").join(scratch.names().into_iter().find(|name| name.ends_with("failed")).unwrap());
    let aged = |seconds| {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(&note).unwrap().set_modified(time).unwrap();
        cache.failure(hash, None)
    };
    assert!(aged(3500).is_some_and(|error| error.to_string().contains("within the hour")));
    assert!(aged(3700).is_none());
}
