//! TLS: a server is trusted if the system's authorities vouch for it, or those of the extra file.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use saker_sandbox::{CallError, Collector, Sandbox, SandboxConfig, SandboxError};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use crate::support::http::serve_tls;
use crate::support::{bytes, config, run, spec, value};

/// A server's side of TLS, and the certificate that it shows, in PEM form.
fn identity() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

#[tokio::test]
async fn a_server_with_a_certificate_of_its_own_needs_the_extra_file() {
    let folder = tempfile::tempdir().unwrap();
    let (acceptor, certificate) = identity();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, certificate).unwrap();
    let server = serve_tls(acceptor).await;
    let address = server.address("localhost");
    let mut spec = spec(json!({ "url": format!("https://{address}/") }));
    spec.grants.connect = vec![address.parse().unwrap()];
    // Reading the system's certificates takes its time.
    spec.limits.deadlines.collect *= 20;
    let cache = || Some(folder.path().join("cache"));
    let ask = async |sandbox: Sandbox| {
        let plugin = sandbox.load(&bytes("http-post")).await.unwrap();
        let mut collector = Collector::open(&sandbox, &plugin, &spec).await.unwrap();
        run(&mut collector).await
    };

    let trusting = Sandbox::new(SandboxConfig { ca_file: Some(ca_file), ..config(cache()) }).unwrap();
    assert_eq!(value(&ask(trusting).await.unwrap(), "fetch.status"), 200.0);
    assert_eq!(server.bodies(), ["hello"]);

    let plain = Sandbox::new(config(cache())).unwrap();
    let error = ask(plain).await.unwrap_err();
    assert_eq!(error.kind(), "unavailable");
    let words = error.to_string();
    assert!(words.contains(&format!("no trusted TLS connection to {address}")), "{words}");
    assert!(words.contains("UnknownIssuer"), "{words}");
    assert_eq!(server.bodies().len(), 1, "nothing was sent to a server that is not trusted");
    assert!(matches!(error, CallError::Plugin(_)));
}

#[tokio::test]
async fn an_extra_file_without_certificates_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let check = |ca_file: std::path::PathBuf, reason: &str| {
        let error = Sandbox::new(SandboxConfig { ca_file: Some(ca_file), ..config(None) }).err().unwrap();
        assert!(matches!(&error, SandboxError::Certificates { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    };
    let text = folder.path().join("text.pem");
    std::fs::write(&text, "no certificate").unwrap();
    check(text, "it holds no certificate in PEM form");
    check(folder.path().join("none.pem"), "none.pem");
}
