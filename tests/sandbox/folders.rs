//! Writing: into granted directories and a folder of the instance's own, and nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use saker_sandbox::InstanceSpec;
use serde_json::json;

use crate::denied_by_default::check_denied;
use crate::support::{once, spec, value};

fn writing(path: &Path, bytes: u32) -> InstanceSpec {
    spec(json!({ "path": path, "create": true, "bytes": bytes }))
}

async fn check_rejected(spec: &InstanceSpec, path: &Path) {
    let line = format!("grant.write = [{:?}]", path.parent().unwrap());
    check_denied("write", spec, &format!("writing to {}", path.display()), &line).await;
}

#[tokio::test]
async fn a_directory_is_written_to_only_if_that_is_granted() {
    let granted = tempfile::tempdir().unwrap();
    let (old, new) = (granted.path().join("old"), granted.path().join("new"));
    std::fs::write(&old, "as it was").unwrap();
    for path in [&old, &new] {
        check_rejected(&writing(path, 10), path).await;
        let mut spec = writing(path, 10);
        spec.grants.read = vec![granted.path().into()];
        check_rejected(&spec, path).await;
    }
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "as it was");
    assert!(!new.exists());
    for (path, bytes) in [(&old, 19.0), (&new, 10.0)] {
        let mut spec = writing(path, 10);
        spec.grants.write = vec![granted.path().into()];
        assert_eq!(value(&once("write", &spec).await.unwrap(), "write.bytes"), bytes);
        assert_eq!(std::fs::read(path).unwrap().len() as f64, bytes);
    }
}

#[tokio::test]
async fn no_path_leads_out_of_a_directory_that_may_be_written_to() {
    let root = tempfile::tempdir().unwrap();
    let (inside, outside) = (root.path().join("inside"), root.path().join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../outside", inside.join("relative")).unwrap();
    for path in ["absolute/x", "relative/x", "../outside/x"] {
        let mut spec = writing(&inside.join(path), 10);
        spec.grants.write = vec![inside.clone()];
        assert_eq!(once("write", &spec).await.unwrap_err().kind(), "denied", "{path}");
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

/// An instance that writes to its own folder, and that folder.
fn own(bytes: u32, root: &Path) -> (InstanceSpec, PathBuf) {
    let mut spec = writing(Path::new("/data/file"), bytes);
    let folder = root.join("folders/guest");
    spec.grants.data_dir = Some(folder.clone());
    (spec, folder)
}

#[tokio::test]
async fn a_folder_of_its_own_is_made_private_and_stays() {
    let root = tempfile::tempdir().unwrap();
    let ungranted = writing(Path::new("/data/file"), 10);
    check_denied("write", &ungranted, "keeping files in a folder of its own", "grant.data_dir = true").await;
    let (spec, folder) = own(10, root.path());
    for bytes in [10.0, 20.0] {
        assert_eq!(value(&once("write", &spec).await.unwrap(), "write.bytes"), bytes);
    }
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read(folder.join("file")).unwrap().len(), 20);
}

#[tokio::test]
async fn a_trial_has_an_empty_folder_that_goes_with_it() {
    let root = tempfile::tempdir().unwrap();
    let (spec, folder) = own(10, root.path());
    once("write", &spec).await.unwrap();
    let canary = spec.canary();
    assert_eq!(value(&once("write", &canary).await.unwrap(), "write.bytes"), 10.0, "it begins empty");
    assert_eq!(std::fs::read_dir(root.path().join("folders")).unwrap().count(), 2);
    drop(canary);
    let left: Vec<_> =
        std::fs::read_dir(root.path().join("folders")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, std::slice::from_ref(&folder));
    assert_eq!(std::fs::read(folder.join("file")).unwrap().len(), 10);
}

#[tokio::test]
async fn no_link_leads_out_of_a_folder_that_may_be_written_to() {
    let root = tempfile::tempdir().unwrap();
    let (inside, outside) = (root.path().join("inside"), root.path().join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(&outside, "as it was").unwrap();
    let mut spec = spec(json!({ "folder": inside, "outside": outside }));
    spec.grants.write = vec![inside.clone()];
    let values = once("symlink-escape", &spec).await.unwrap();
    assert_eq!((value(&values, "link.read"), value(&values, "link.made")), (0.0, 0.0), "{values:?}");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "as it was");
}
