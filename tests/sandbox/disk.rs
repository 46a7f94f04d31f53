//! What a guest may take of a disk: whatever way it fills its folder, the disk holds no more than its limit for it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use saker_sandbox::{Blame, Collector, InstanceSpec};
use serde_json::json;

use crate::support::neighbour::Neighbour;
use crate::support::{once, open, run, sandbox, spec, turn, until, value};

const LIMIT: u64 = 4 << 20;
const BLOCK: u64 = 4096;

/// An instance that fills the folder of its own, and that folder.
fn filling(how: &str, root: &Path) -> (InstanceSpec, PathBuf) {
    let mut spec = spec(json!({ "how": how }));
    let folder = root.join("folders/fill");
    spec.grants.data_dir = Some(folder.clone());
    spec.limits.max_data_dir_bytes = LIMIT as usize;
    spec.limits.deadlines.collect = Duration::from_secs(20);
    (spec, folder)
}

/// What the disk holds below a folder, and how many entries that is.
fn on_disk(folder: &Path) -> (u64, usize) {
    let mut seen = std::collections::HashSet::new();
    let (mut bytes, mut entries, mut folders) = (0, 0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            entries += 1;
            if seen.insert(metadata.ino()) {
                bytes += metadata.blocks() * 512;
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    (bytes, entries)
}

/// What this process holds open of a folder's files that have no name any more.
fn nameless(folder: &Path) -> u64 {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|fd| {
        let path = std::fs::read_link(fd.path()).unwrap_or_default();
        path.starts_with(folder) && path.to_string_lossy().ends_with(" (deleted)")
    })
    .filter_map(|fd| std::fs::metadata(fd.path()).ok())
    .map(|metadata| metadata.blocks() * 512)
    .sum()
}

/// Fills the folder, and is told that it is full in the same way as by a full disk.
async fn fill(collector: &mut Collector) -> f64 {
    let values = run(collector).await.unwrap();
    assert_eq!(value(&values, "fill.full"), 1.0, "{values:?}");
    assert!(collector.is_alive());
    value(&values, "fill.steps")
}

#[tokio::test]
async fn a_file_that_grows_ends_at_the_limit_and_room_that_is_freed_can_be_used() {
    let _turn = turn().await;
    let root = tempfile::tempdir().unwrap();
    let (mut spec, folder) = filling("file", root.path());
    let neighbour = Neighbour::in_sandbox(sandbox()).await;
    let mut collector = open("fill", &spec).await.unwrap();
    let steps = fill(&mut collector).await;
    assert!((55.0..=64.0).contains(&steps), "{steps} steps");
    let (bytes, _) = on_disk(&folder);
    assert!((LIMIT - (128 << 10)..=LIMIT).contains(&bytes), "{bytes}");
    assert_eq!(fill(&mut collector).await, 0.0, "nor does the next call get more");
    drop(collector);

    // Another instance counts what is left, deletes it, and has all the room again.
    assert_eq!(fill(&mut open("fill", &spec).await.unwrap()).await, 0.0);
    spec.settings = json!({ "clear": true }).to_string();
    let again = fill(&mut open("fill", &spec).await.unwrap()).await;
    assert!((steps - again).abs() <= 1.0, "{again} steps, and {steps} before");
    neighbour.has_noticed_nothing().await;
}

#[tokio::test]
async fn files_without_a_name_count_until_they_are_closed() {
    let _turn = turn().await;
    let root = tempfile::tempdir().unwrap();
    let (mut spec, folder) = filling("nameless", root.path());
    let mut collector = open("fill", &spec).await.unwrap();
    let steps = fill(&mut collector).await;
    assert_eq!(on_disk(&folder), (0, 0), "there is nothing to be seen");
    assert!((LIMIT / 2..=LIMIT).contains(&nameless(&folder)), "{} bytes", nameless(&folder));
    // While they are open, another instance of the name has no room either: as when versions follow each other.
    let mut other = open("fill", &spec).await.unwrap();
    assert_eq!(fill(&mut other).await, 0.0);
    let mut trial_spec = spec.clone();
    trial_spec.settings = json!({}).to_string();
    let canary = trial_spec.canary();
    assert_eq!(
        fill(&mut Collector::open(sandbox(), crate::support::plugin("fill").await, &canary).await.unwrap()).await,
        0.0
    );
    drop(canary);
    drop(other);
    drop(collector);
    // Closing may take its time, and is done aside.
    until("what an instance held goes with it", || nameless(&folder) == 0).await;
    spec.settings = json!({ "how": "nameless", "clear": true }).to_string();
    let mut collector = open("fill", &spec).await.unwrap();
    for _ in 0..3 {
        assert!(fill(&mut collector).await >= steps - 2.0, "closing gives the room back");
    }
}

#[tokio::test]
async fn of_a_sparse_file_counts_what_the_disk_holds() {
    let _turn = turn().await;
    let root = tempfile::tempdir().unwrap();
    let (spec, folder) = filling("sparse", root.path());
    let steps = fill(&mut open("fill", &spec).await.unwrap()).await;
    assert!((40.0..=64.0).contains(&steps), "{steps} steps");
    let length = std::fs::metadata(folder.join("sparse")).unwrap().len();
    assert!(length > LIMIT * 1000, "{length}");
    assert!(on_disk(&folder).0 <= LIMIT);
}

#[tokio::test]
async fn entries_are_counted_whatever_they_are() {
    let _turn = turn().await;
    let neighbour = Neighbour::in_sandbox(sandbox()).await;
    for how in ["tiny", "links", "deep"] {
        // Ten thousand files take a disk its time, and memory none.
        let root = tempfile::tempdir_in("/dev/shm").unwrap();
        let (mut spec, folder) = filling(how, root.path());
        spec.limits.max_data_dir_bytes = 1 << 30;
        let mut collector = open("fill", &spec).await.unwrap();
        let start = std::time::Instant::now();
        let steps = fill(&mut collector).await;
        println!("{how}: {:?}", start.elapsed());
        let (bytes, entries) = on_disk(&folder);
        println!("{how}: {steps} steps, {entries} entries, {bytes} bytes");
        assert!((1_000..=10_000).contains(&entries), "{how}: {entries} entries");
        assert!(bytes <= 10_001 * BLOCK + (16 << 20), "{how}: {bytes} bytes");
        assert_eq!(fill(&mut collector).await, 0.0, "{how}");
    }
    neighbour.has_noticed_nothing().await;
}

#[tokio::test]
async fn a_granted_directory_may_be_filled_but_for_what_its_disk_keeps() {
    let _turn = turn().await;
    let root = tempfile::tempdir().unwrap();
    let mut spec = spec(json!({ "folder": root.path(), "most": 32 }));
    spec.grants.write = vec![root.path().into()];
    spec.limits.deadlines.collect = Duration::from_secs(20);
    let values = once("fill", &spec).await.unwrap();
    assert_eq!((value(&values, "fill.steps"), value(&values, "fill.full")), (32.0, 0.0));
    assert_eq!(std::fs::metadata(root.path().join("file")).unwrap().len(), 32 << 16);
}

#[tokio::test]
async fn who_writes_to_a_full_folder_is_told_so_and_lives_on() {
    let root = tempfile::tempdir().unwrap();
    let mut spec = spec(json!({ "path": "/data/file", "create": true, "bytes": 100_000 }));
    spec.grants.data_dir = Some(root.path().join("folders/guest"));
    spec.limits.max_data_dir_bytes = 100_000;
    let mut collector = open("write", &spec).await.unwrap();
    let error = run(&mut collector).await.unwrap_err();
    // Of a stream's errors a guest's C library makes one, whatever they were.
    assert_eq!((error.kind(), error.blame()), ("unavailable", Blame::Operator));
    assert!(error.to_string().contains("I/O error"), "{error}");
    assert!(collector.is_alive());
    spec.settings = json!({ "path": "/data/other", "create": true, "bytes": 100_000 }).to_string();
    spec.limits.max_data_dir_bytes = 0;
    let error = once("write", &spec).await.unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
}
