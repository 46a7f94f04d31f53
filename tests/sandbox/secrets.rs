//! Secrets: the agent puts them into requests to one destination, and the plugin has no part in it.

use saker_sandbox::{InstanceSpec, Permission, SecretGrant};
use serde_json::json;

use crate::support::http::serve;
use crate::support::{once, spec, value};

fn posting(url: &str, address: &str) -> InstanceSpec {
    let mut spec = spec(json!({ "url": url }));
    spec.grants.connect = vec![address.parse().unwrap()];
    spec.limits.deadlines.collect *= 10;
    spec
}

#[tokio::test]
async fn a_secret_takes_the_place_of_what_the_plugin_has_set_and_goes_nowhere_else() {
    let (server, other) = (serve(200, "").await, serve(200, "").await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "sesame\n").unwrap();
    let grant = SecretGrant {
        name: "token".into(),
        file: file.clone(),
        to: server.url("127.0.0.1").parse().unwrap(),
        header: http::header::AUTHORIZATION,
        prefix: "Bearer ".into(),
    };
    for (server, granted, expected) in
        [(&server, true, "Bearer sesame"), (&server, false, "a guess"), (&other, true, "a guess")]
    {
        let mut spec = posting(&server.url("127.0.0.1"), &server.address("127.0.0.1"));
        spec.grants.secret = if granted { vec![grant.clone()] } else { Vec::new() };
        let values = once("smuggle", &spec).await.unwrap();
        assert_eq!(value(&values, "smuggle.through"), 0.0, "no forbidden header came through");
        assert_eq!(server.bodies().last().map(String::as_str), Some("plain"));
        assert_eq!(server.authorizations().last().map(String::as_str), Some(expected));
        assert!(!spec.log_tail.lines().concat().contains("sesame"));
    }
    assert!(!server.bodies().contains(&"smuggled".to_owned()));

    std::fs::write(&file, "renewed").unwrap();
    let mut spec = posting(&server.url("127.0.0.1"), &server.address("127.0.0.1"));
    spec.grants.secret = vec![grant];
    once("smuggle", &spec).await.unwrap();
    assert_eq!(server.authorizations().last().map(String::as_str), Some("Bearer renewed"));

    std::fs::remove_file(&file).unwrap();
    let error = once("smuggle", &spec).await.unwrap_err().to_string();
    assert!(error.contains("the secret token cannot be used") && error.contains("No such file"), "{error}");
}

#[test]
fn what_is_missing_says_what_to_write() {
    let missing = Permission::Secret("https://db.example:443".into());
    assert_eq!(missing.to_string(), "having a secret put into requests to https://db.example:443");
    assert_eq!(missing.grant_line(), r#"grant.secret = [{ name = "NAME", to = "https://db.example:443" }]"#);
}
