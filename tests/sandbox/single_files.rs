//! Grants of single files: the file can be read, and nothing beside it.

use saker_sandbox::InstanceSpec;
use serde_json::json;

use crate::denied_by_default::check_denied;
use crate::support::{once, spec, value};

fn reading(path: &str, granted: &[&str]) -> InstanceSpec {
    let mut spec = spec(json!({ "path": path }));
    spec.grants.read = granted.iter().map(Into::into).collect();
    spec
}

#[tokio::test]
async fn a_file_that_is_granted_is_read_and_its_neighbours_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{}/{name}", folder.path().display());
    let (file, other) = (path("file"), path("other"));
    std::fs::write(&file, "12345").unwrap();
    std::fs::write(&other, "1234567").unwrap();
    assert_eq!(value(&once("read", &reading(&file, &[&file])).await.unwrap(), "read.bytes"), 5.0);
    let line = format!("grant.read = [{other:?}]");
    check_denied("read", &reading(&other, &[&file]), &format!("reading {other}"), &line).await;
    let up = format!("{}/../{}/other", folder.path().display(), folder.path().file_name().unwrap().display());
    assert_eq!(once("read", &reading(&up, &[&file])).await.unwrap_err().kind(), "denied");
    let both = reading(&other, &[&file, &other]);
    assert_eq!(value(&once("read", &both).await.unwrap(), "read.bytes"), 7.0);
}

#[tokio::test]
async fn a_granted_file_that_is_a_link_is_rejected_with_where_it_leads() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real/file"), folder.path().join("link"));
    std::fs::create_dir(folder.path().join("real")).unwrap();
    std::fs::write(&real, "12345").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let (real, link) = (real.to_str().unwrap(), link.to_str().unwrap());
    let error = once("read", &reading(link, &[link])).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("grant", saker_sandbox::Blame::Operator));
    let words = format!("cannot use its grants: {link} has a link in it, {link}, and leads to {real}; grant that path");
    assert_eq!(error.to_string(), words);
    assert_eq!(value(&once("read", &reading(real, &[real])).await.unwrap(), "read.bytes"), 5.0);
}

#[tokio::test]
async fn a_file_cannot_be_written_to_because_it_may_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "12345").unwrap();
    let mut spec = spec(json!({ "path": file }));
    spec.grants.read = vec![file.clone()];
    let line = format!("grant.write = [\"{}\"]", folder.path().display());
    check_denied("write", &spec, &format!("writing to {}", file.display()), &line).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "12345");
}

#[tokio::test]
async fn the_links_of_proc_lead_nowhere() {
    let own = format!("/proc/{}", std::process::id());
    for path in [
        "/proc/self/root/etc/passwd",
        "/proc/1/root/etc/passwd",
        &format!("{own}/root/etc/passwd"),
        &format!("{own}/cwd/Cargo.toml"),
        &format!("{own}/exe"),
        "/proc/../etc/passwd",
        "/proc/./../etc/passwd",
        "/proc//../etc/passwd/",
    ] {
        let error = once("read", &reading(path, &["/proc"])).await.unwrap_err();
        assert!(matches!(error.kind(), "denied" | "unavailable"), "{path}: {error}");
    }
    assert!(once("read", &reading("/proc/stat", &["/proc"])).await.is_ok());
}
