//! Files, file systems and the environment: rejected without a grant, with the line that would give it; there with it.

use saker_sandbox::{Blame, CallError, InstanceSpec};
use serde_json::{Value, json};

use crate::support::{once, plugin, spec, value};

/// The guest is rejected, and told so in these words.
pub(crate) async fn check_denied(guest: &str, spec: &InstanceSpec, doing: &str, line: &str) {
    let error = once(guest, spec).await.unwrap_err();
    assert!(matches!(error, CallError::Denied(_)), "{error}");
    assert_eq!((error.kind(), error.blame()), ("denied", Blame::Operator));
    let words = format!("denied: {doing}; to allow it, write under [plugin.guest]: {line}");
    assert_eq!(error.to_string(), words);
}

fn reading(path: &str, granted: &[&str]) -> InstanceSpec {
    let mut spec = spec(json!({ "path": path }));
    spec.grants.read = granted.iter().map(Into::into).collect();
    spec
}

#[tokio::test]
async fn a_file_is_read_only_if_its_directory_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().to_str().unwrap();
    let file = format!("{inside}/file");
    std::fs::write(&file, "12345").unwrap();
    check_denied("read", &spec(json!({})), "reading /etc/passwd", r#"grant.read = ["/etc/passwd"]"#).await;
    check_denied("read", &reading("/etc/passwd", &[inside]), "reading /etc/passwd", r#"grant.read = ["/etc/passwd"]"#)
        .await;
    assert_eq!(value(&once("read", &reading(&file, &[inside])).await.unwrap(), "read.bytes"), 5.0);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_no_missing_grant() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().to_str().unwrap();
    let error = once("read", &reading(&format!("{inside}/none"), &[inside])).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("unavailable", Blame::Operator), "{error}");
}

#[tokio::test]
async fn no_path_leads_out_of_a_granted_directory() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().to_str().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../../../etc/passwd", folder.path().join("relative")).unwrap();
    std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
    for path in ["absolute", "relative", "root/etc/passwd", "../../../../../../etc/passwd"] {
        let error = once("read", &reading(&format!("{inside}/{path}"), &[inside])).await.unwrap_err();
        assert_eq!(error.kind(), "denied", "{path}: {error}");
    }
}

#[tokio::test]
async fn the_fill_of_a_file_system_is_told_only_if_it_is_granted() {
    let asking = |path: &str, hide: bool, granted: &[&str]| {
        let mut spec = spec(json!({ "path": path, "hide": hide }));
        spec.grants.statfs = granted.iter().map(Into::into).collect();
        spec
    };
    let line = r#"grant.statfs = ["/tmp"]"#;
    check_denied("statfs", &asking("/tmp", false, &[]), "asking for the fill of /tmp", line).await;
    check_denied("statfs", &asking("/tmp", false, &["/tmp/x"]), "asking for the fill of /tmp", line).await;
    // What the host has rejected counts, whatever the guest makes of it.
    check_denied("statfs", &asking("/tmp", true, &[]), "asking for the fill of /tmp", line).await;
    assert!(value(&once("statfs", &asking("/tmp", false, &["/tmp"])).await.unwrap(), "usage.bytes") > 0.0);
    assert_eq!(once("statfs", &asking("/tmp/none", false, &["/tmp"])).await.unwrap_err().kind(), "unavailable");
}

#[tokio::test]
async fn a_variable_is_seen_only_if_it_is_granted() {
    let path = std::env::var("PATH").unwrap();
    for (granted, found, variables) in [(vec![], "-", 0.0), (vec!["PATH".to_owned()], path.as_str(), 1.0)] {
        let mut spec = spec(Value::Object(Default::default()));
        spec.grants.env = granted;
        let values = once("environment", &spec).await.unwrap();
        assert_eq!(values[0].tags, [("value".to_owned(), found.to_owned())]);
        assert_eq!(value(&values, "environment.variables"), variables);
        assert_eq!(value(&values, "environment.arguments"), 0.0);
        assert_eq!(value(&values, "environment.input_bytes"), 0.0);
    }
}

#[tokio::test]
async fn a_plugin_that_describes_itself_may_touch_nothing() {
    let summary = &plugin("describe-snooper").await.description().summary;
    assert_eq!(summary, "variables 0, arguments 0, passwd false, network false, state false");
}
