//! Grants are found once and held: a link that takes the place of what was granted leads nowhere, in the instance that is
//! there and in those that come after it.

use std::path::Path;

use saker_sandbox::{Blame, InstanceSpec};
use serde_json::json;

use crate::support::{once, open, run, spec, value};

/// A folder with what is granted, and what is not to be reached.
fn place() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("open/inner")).unwrap();
    std::fs::create_dir(root.path().join("secret")).unwrap();
    std::fs::write(root.path().join("open/inner/file"), "12345").unwrap();
    std::fs::write(root.path().join("open/single"), "12345").unwrap();
    std::fs::write(root.path().join("secret/file"), "a secret").unwrap();
    root
}

/// Has a guest of another name put a link in the place of something.
async fn swap(root: &Path, name: &str, to: &str) {
    let folder = root.join("open");
    let mut spec = spec(json!({ "folder": folder, "name": name, "to": to }));
    spec.grants.write = vec![folder.clone()];
    assert_eq!(once("grant-swapper", &spec).await.unwrap_err().kind(), "trap");
    assert!(folder.join(name).is_symlink());
}

fn reading(path: &Path, granted: &Path) -> InstanceSpec {
    let mut spec = spec(json!({ "path": path }));
    spec.grants.read = vec![granted.into()];
    spec
}

#[tokio::test]
async fn a_folder_that_is_swapped_for_a_link_stays_what_it_was() {
    let root = place();
    let inner = root.path().join("open/inner");
    let spec = reading(&inner.join("file"), &inner);
    let mut collector = open("read", &spec).await.unwrap();
    assert_eq!(value(&run(&mut collector).await.unwrap(), "read.bytes"), 5.0);
    swap(root.path(), "inner", "../secret").await;
    assert_eq!(value(&run(&mut collector).await.unwrap(), "read.bytes"), 5.0, "the instance that is there");
    assert_eq!(value(&once("read", &spec).await.unwrap(), "read.bytes"), 5.0, "the one that comes after it");
    // Who has not held it before is rejected by name.
    let error = once("read", &reading(&inner.join("file"), &inner)).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("grant", Blame::Operator));
    assert!(error.to_string().contains("has a link in it") && error.to_string().contains("/secret;"), "{error}");
}

#[tokio::test]
async fn a_written_folder_that_is_swapped_for_a_link_is_written_where_it_was() {
    let root = place();
    let inner = root.path().join("open/inner");
    let mut spec = spec(json!({ "path": inner.join("file"), "create": true }));
    spec.grants.write = vec![inner.clone()];
    once("write", &spec).await.unwrap();
    swap(root.path(), "inner", "../secret").await;
    once("write", &spec).await.unwrap();
    assert_eq!(std::fs::read_to_string(root.path().join("secret/file")).unwrap(), "a secret");
    assert_eq!(std::fs::read(root.path().join("open/inner.away/file")).unwrap().len(), 25);
}

#[tokio::test]
async fn a_single_file_that_is_swapped_for_a_link_is_not_read_through_it() {
    let root = place();
    let single = root.path().join("open/single");
    let spec = reading(&single, &single);
    let mut collector = open("read", &spec).await.unwrap();
    assert_eq!(value(&run(&mut collector).await.unwrap(), "read.bytes"), 5.0);
    swap(root.path(), "single", "../secret/file").await;
    assert_eq!(run(&mut collector).await.unwrap_err().kind(), "unavailable");
    assert_eq!(once("read", &spec).await.unwrap_err().kind(), "unavailable");
    assert_eq!(once("read", &reading(&single, &single)).await.unwrap_err().kind(), "grant");
    // A file that is written anew under its name is the file that was granted.
    std::fs::remove_file(&single).unwrap();
    std::fs::write(&single, "1234567").unwrap();
    assert_eq!(value(&once("read", &spec).await.unwrap(), "read.bytes"), 7.0);
}

#[tokio::test]
async fn the_folder_around_a_single_file_is_held_as_well() {
    let root = place();
    let file = root.path().join("open/inner/file");
    let spec = reading(&file, &file);
    assert_eq!(value(&once("read", &spec).await.unwrap(), "read.bytes"), 5.0);
    swap(root.path(), "inner", "../secret").await;
    assert_eq!(value(&once("read", &spec).await.unwrap(), "read.bytes"), 5.0);
}

#[tokio::test]
async fn the_fill_of_a_file_system_is_not_told_through_a_link() {
    let root = place();
    let inner = root.path().join("open/inner");
    let asking = |path: &Path| {
        let mut spec = spec(json!({ "path": path }));
        spec.grants.statfs = vec![inner.clone()];
        spec
    };
    let spec = asking(&inner);
    let here = value(&once("statfs", &spec).await.unwrap(), "usage.bytes");
    std::os::unix::fs::symlink("/proc", inner.join("link")).unwrap();
    let mut below = asking(&inner.join("link"));
    below.held = spec.held.clone();
    let error = once("statfs", &below).await.unwrap_err();
    assert_eq!(error.kind(), "unavailable");
    assert!(error.to_string().contains("there is a link in it"), "{error}");
    swap(root.path(), "inner", "../../../../../../proc").await;
    assert_eq!(value(&once("statfs", &spec).await.unwrap(), "usage.bytes"), here);
    assert_eq!(once("statfs", &asking(&inner)).await.unwrap_err().kind(), "grant");
}

#[tokio::test]
async fn a_path_that_is_not_there_yet_is_looked_for_again_at_the_next_instance() {
    let root = place();
    let late = root.path().join("open/late");
    let spec = reading(&late.join("file"), &late);
    let error = once("read", &spec).await.unwrap_err();
    assert!(error.to_string().contains(&format!("cannot open {}: No such file", late.display())), "{error}");
    std::fs::create_dir(&late).unwrap();
    std::fs::write(late.join("file"), "123").unwrap();
    assert_eq!(value(&once("read", &spec).await.unwrap(), "read.bytes"), 3.0);
}

#[tokio::test]
async fn what_is_granted_no_more_is_held_no_more() {
    let root = place();
    let inner = root.path().join("open/inner");
    let granted = reading(&inner.join("file"), &inner);
    once("read", &granted).await.unwrap();
    let mut without = granted.clone();
    without.grants.read.clear();
    assert_eq!(once("read", &without).await.unwrap_err().kind(), "denied");
    std::fs::rename(&inner, root.path().join("open/old")).unwrap();
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("file"), "1").unwrap();
    assert_eq!(value(&once("read", &granted).await.unwrap(), "read.bytes"), 1.0, "granted anew, found anew");
}

#[tokio::test]
async fn a_trial_does_not_make_its_neighbour_forget_what_it_holds() {
    let root = place();
    let inner = root.path().join("open/inner");
    let spec = reading(&inner.join("file"), &inner);
    once("read", &spec).await.unwrap();
    let mut other = spec.clone();
    other.grants.read = vec![root.path().join("secret")];
    let canary = other.canary();
    assert_eq!(once("read", &canary).await.unwrap_err().kind(), "denied");
    swap(root.path(), "inner", "../secret").await;
    assert_eq!(value(&once("read", &spec).await.unwrap(), "read.bytes"), 5.0);
}
