use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use super::*;

const KIB: u64 = 1024;

fn ledger(root: &Path) -> (FolderLedgers, Arc<FolderLedger>, PathBuf) {
    let (ledgers, path) = (FolderLedgers::default(), root.join("folders/a"));
    make(&path).unwrap();
    let ledger = ledgers.of(&path);
    (ledgers, ledger, path)
}

fn counted(ledger: &FolderLedger) -> Option<FolderUse> {
    ledger.count(&mut ledger.held.lock())
}

#[test]
fn a_folder_is_private_and_all_that_is_in_it_counts_once() {
    let root = tempfile::tempdir().unwrap();
    let (_, ledger, path) = ledger(root.path());
    make(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let empty = counted(&ledger).unwrap();
    std::fs::create_dir(path.join("b")).unwrap();
    std::fs::write(path.join("b/c"), [1; 60 * 1024]).unwrap();
    std::fs::write(path.join("d"), [1; 40 * 1024]).unwrap();
    std::os::unix::fs::symlink("/", path.join("out")).unwrap();
    let used = counted(&ledger).unwrap();
    assert_eq!(used.entries, 4);
    let bytes = used.bytes - empty.bytes;
    assert!((100 * KIB..140 * KIB).contains(&bytes), "{bytes}");
    std::fs::hard_link(path.join("d"), path.join("e")).unwrap();
    assert_eq!(
        counted(&ledger).unwrap(),
        FolderUse { bytes: used.bytes, entries: 5 },
        "a second name takes no more bytes"
    );
    let sparse = File::create(path.join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(counted(&ledger).unwrap().bytes < used.bytes + 64 * KIB, "what is not there takes no room");
}

#[test]
fn a_file_without_a_name_counts_until_it_is_closed() {
    let root = tempfile::tempdir().unwrap();
    let (_, ledger, path) = ledger(root.path());
    let before = counted(&ledger).unwrap().bytes;
    let mut file = File::create(path.join("x")).unwrap();
    std::fs::remove_file(path.join("x")).unwrap();
    file.write_all(&[1; 256 * 1024]).unwrap();
    let file = Arc::new(file);
    ledger.opened(&file);
    ledger.opened(&Arc::new(file.try_clone().unwrap()));
    assert!(counted(&ledger).unwrap().bytes >= before + 256 * KIB);
    assert!(counted(&ledger).unwrap().bytes < before + 300 * KIB, "once, however often it is open");
    drop(file);
    assert_eq!(counted(&ledger).unwrap().bytes, before);
}

#[test]
fn what_is_beyond_the_limit_has_no_room_until_a_deletion() {
    let root = tempfile::tempdir().unwrap();
    let (_, ledger, path) = ledger(root.path());
    let limit = 1024 * KIB;
    let mut written = 0;
    while let Ok(writing) = ledger.write(64 * KIB, limit) {
        std::fs::write(path.join(format!("{written}")), [1; 64 * 1024]).unwrap();
        written += 1;
        drop(writing);
    }
    assert!((12..=15).contains(&written), "{written}");
    assert_eq!(ledger.make(limit - 900 * KIB), Err(FolderFull), "a smaller limit holds as well");
    std::fs::remove_file(path.join("0")).unwrap();
    assert!(ledger.write(64 * KIB, limit).is_ok());
}

#[test]
fn what_is_being_written_is_not_forgotten_by_a_count() {
    let root = tempfile::tempdir().unwrap();
    let (_, ledger, _) = ledger(root.path());
    let limit = 300 * KIB;
    let first = ledger.write(200 * KIB, limit).unwrap();
    assert!(ledger.write(200 * KIB, limit).is_err(), "none of it is there yet, and all of it is charged");
    drop(first);
    assert!(ledger.write(200 * KIB, limit).is_ok());
}

#[test]
fn entries_have_a_number_and_folders_a_depth() {
    let root = tempfile::tempdir().unwrap();
    let (_, ledger, path) = ledger(root.path());
    std::fs::create_dir(path.join("many")).unwrap();
    for n in 0..ENTRIES_MAX - 1 {
        File::create(path.join(format!("many/{n}"))).unwrap();
    }
    assert_eq!(counted(&ledger).unwrap().entries, ENTRIES_MAX);
    assert_eq!(ledger.make(u64::MAX), Err(FolderFull));
    std::fs::remove_file(path.join("many/0")).unwrap();
    assert_eq!(ledger.make(u64::MAX), Ok(()));
    std::fs::remove_dir_all(path.join("many")).unwrap();
    let mut deep = path.clone();
    (0..DEPTH_MAX + 1).for_each(|_| deep.push("d"));
    std::fs::create_dir_all(&deep).unwrap();
    assert_eq!(counted(&ledger), None);
    assert!(ledger.write(1, u64::MAX).is_ok(), "until the next count");
    ledger.held.lock().used = None;
    assert!(ledger.write(1, u64::MAX).is_err());
}

#[test]
fn instances_on_one_folder_and_trials_of_it_share_a_ledger() {
    let root = tempfile::tempdir().unwrap();
    let (ledgers, ledger, path) = ledger(root.path());
    let canary = path.with_added_extension(CANARY);
    assert!(Arc::ptr_eq(&ledger, &ledgers.of(&path)) && Arc::ptr_eq(&ledger, &ledgers.of(&canary)));
    assert!(!Arc::ptr_eq(&ledger, &ledgers.of(&root.path().join("folders/b"))));
    make(&canary).unwrap();
    std::fs::write(canary.join("x"), [1; 64 * 1024]).unwrap();
    assert!(counted(&ledger).unwrap().bytes >= 64 * KIB);
    drop(ledger);
    assert_eq!(counted(&ledgers.of(&path)).unwrap().entries, 1, "who comes later counts what is there");
}
