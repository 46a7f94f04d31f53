//! Secrets: the agent puts them into requests to one destination, and the plugin has no part in it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use saker_sandbox::{CallError, InstanceSpec, Permission, SecretGrant};
use serde_json::{Value, json};

use crate::support::http::serve;
use crate::support::{once, spec, value};

fn posting(url: &str, address: &str) -> InstanceSpec {
    let mut spec = spec(json!({ "url": url }));
    spec.grants.connect = vec![address.parse().unwrap()];
    spec.limits.deadlines.collect *= 10;
    spec
}

#[tokio::test]
async fn a_secret_replaces_what_the_plugin_set_and_goes_nowhere_else() {
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
        let values = once("header-smuggler", &spec).await.unwrap();
        assert_eq!(value(&values, "header-smuggler.through"), 0.0, "no forbidden header came through");
        assert_eq!(server.bodies().last().map(String::as_str), Some("plain"));
        assert_eq!(server.authorizations().last().map(String::as_str), Some(expected));
        assert!(!spec.log_tail.lines().concat().contains("sesame"));
    }
    assert!(!server.bodies().contains(&"smuggled".to_owned()));

    std::fs::write(&file, "renewed").unwrap();
    let mut spec = posting(&server.url("127.0.0.1"), &server.address("127.0.0.1"));
    spec.grants.secret = vec![grant];
    once("header-smuggler", &spec).await.unwrap();
    assert_eq!(server.authorizations().last().map(String::as_str), Some("Bearer renewed"));

    std::fs::remove_file(&file).unwrap();
    let error = once("header-smuggler", &spec).await.unwrap_err().to_string();
    assert!(error.contains("the secret token cannot be used") && error.contains("No such file"), "{error}");
}

#[test]
fn what_is_missing_says_what_to_write() {
    let missing = Permission::Secret("https://db.example:443".into());
    assert_eq!(missing.to_string(), "having a secret put into requests to https://db.example:443");
    assert_eq!(missing.grant_line(), r#"grant.secret = [{ name = "NAME", to = "https://db.example:443" }]"#);
}

/// A server that answers with what it was sent, in the form that the path names. It remembers each head.
struct Echo {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let echo = Self { address: listener.local_addr().unwrap().to_string(), heads: Arc::default() };
        let heads = echo.heads.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).unwrap_or(0) > 2 && !head.ends_with("\r\n\r\n") {}
                heads.lock().unwrap().push(head.clone());
                // A client may leave at any time.
                answer(&mut stream, &head).unwrap_or(());
            }
        });
        echo
    }

    /// What was sent last.
    fn head(&self) -> String {
        self.heads.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

fn answer(stream: &mut impl Write, head: &str) -> std::io::Result<()> {
    let path = head.split(' ').nth(1).unwrap_or("/");
    let secret = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
    let plain = |head: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\n{head}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let each = |form: fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    let text = match path {
        "/header" => plain(&format!("x-echo: you said {secret}\r\nset-cookie: t={secret}\r\n"), ""),
        "/percent" => plain("", &each(|byte| format!("%{byte:02x}"))),
        "/json" => plain("", &each(|byte| format!("\\u00{byte:02X}"))),
        "/hex" => plain("", &each(|byte| format!("{byte:02x}"))),
        "/html" => plain("", &each(|byte| format!("&#{byte};"))),
        "/upper" => plain("", &secret.to_ascii_uppercase()),
        "/gzip" => plain("content-encoding: gzip\r\n", "sesame"),
        "/trailer" => format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n\
             4\r\nbody\r\n0\r\nx-end: {secret}\r\n\r\n"
        ),
        "/chunks" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")?;
            for byte in secret.bytes() {
                stream.write_all(format!("1\r\n{}\r\n", char::from(byte)).as_bytes())?;
                stream.flush()?;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            "0\r\n\r\n".into()
        }
        "/status" => format!("HTTP/1.1 401 {secret}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        "/broken" => format!("HTTP/1.1 200 OK\r\nbad header {secret}\r\n\r\n"),
        _ => plain("", head),
    };
    stream.write_all(text.as_bytes())
}

/// Where the token is, and a grant to have it put into requests to this address.
fn granted(echo: &Echo, folder: &tempfile::TempDir) -> SecretGrant {
    let file = folder.path().join("token");
    std::fs::write(&file, "open-sesame-please\n").unwrap();
    SecretGrant {
        name: "token".into(),
        file,
        to: format!("http://{}", echo.address).parse().unwrap(),
        header: http::header::AUTHORIZATION,
        prefix: "Token ".into(),
    }
}

fn asking(echo: &Echo, grant: &SecretGrant, mut settings: Value) -> InstanceSpec {
    if settings["authority"].is_null() {
        settings["authority"] = echo.address.clone().into();
    }
    let mut spec = spec(settings);
    spec.grants.connect = vec![echo.address.parse().unwrap()];
    spec.grants.secret = vec![grant.clone()];
    spec.limits.deadlines.collect *= 25;
    spec
}

#[tokio::test]
async fn a_secret_that_its_destination_sends_back_is_blotted_out() {
    let (echo, folder) = (Echo::start(), tempfile::tempdir().unwrap());
    let grant = granted(&echo, &folder);
    for path in ["/echo", "/header", "/percent", "/json", "/hex", "/html", "/upper", "/trailer", "/chunks", "/status"] {
        let spec = asking(&echo, &grant, json!({ "path": path, "needle": "sesame" }));
        let values = once("secret-reflection", &spec).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(echo.head().contains("authorization: Token open-sesame-please"), "{path}: {}", echo.head());
        let seen = spec.log_tail.lines().concat();
        assert_eq!(value(&values, "secret-reflection.found"), 0.0, "{path}: {seen}");
        for form in ["open-", "736573", "%73%65%73", "&#115;&#101;", "\\u0073\\u0065"] {
            assert!(!seen.to_ascii_lowercase().contains(form), "{path}: {form} in {seen}");
        }
        assert!(path == "/status" || seen.contains("****"), "{path}: {seen}");
    }
    // What may be packed cannot be looked through.
    for path in ["/gzip", "/broken"] {
        let error = once("secret-reflection", &asking(&echo, &grant, json!({ "path": path }))).await.unwrap_err();
        assert!(matches!(&error, CallError::Plugin(_)) && !error.to_string().contains("sesame"), "{path}: {error}");
    }
}

#[tokio::test]
async fn without_a_secret_an_answer_is_passed_on_as_it_is() {
    let (echo, folder) = (Echo::start(), tempfile::tempdir().unwrap());
    let grant = granted(&echo, &folder);
    let mut spec =
        asking(&echo, &grant, json!({"headers": ["x-mine: sesame", "accept-encoding: gzip", "range: bytes=0-1"]}));
    spec.grants.secret.clear();
    let values = once("secret-reflection", &spec).await.unwrap();
    assert_eq!(value(&values, "secret-reflection.found"), 1.0, "{:?}", spec.log_tail.lines());
    assert!(echo.head().contains("accept-encoding: gzip") && echo.head().contains("range: bytes=0-1"));
}

#[tokio::test]
async fn a_request_with_a_secret_says_nothing_that_could_bring_it_back() {
    let (echo, folder) = (Echo::start(), tempfile::tempdir().unwrap());
    let grant = granted(&echo, &folder);
    let headers = [
        "authorization: Token guess",
        "Authorization: Token another",
        "accept-encoding: gzip",
        "range: bytes=0-10",
        "if-range: x",
        "te: trailers",
        "expect: 100-continue",
        "x-http-method-override: TRACE",
        "x-mine: stays",
    ];
    once("secret-reflection", &asking(&echo, &grant, json!({ "headers": headers }))).await.unwrap();
    let head = echo.head();
    assert_eq!(head.matches("authorization:").count(), 1, "{head}");
    for gone in ["guess", "another", "gzip", "range", "te:", "expect", "override"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    assert!(head.contains("x-mine: stays") && head.contains(&format!("host: {}\r\n", echo.address)), "{head}");

    let asked = echo.heads.lock().unwrap().len();
    for method in ["TRACE", "trace", "TrAcE", "track", "CONNECT", "connect", "PROPFIND"] {
        let error = once("secret-reflection", &asking(&echo, &grant, json!({ "method": method }))).await.unwrap_err();
        assert!(error.to_string().contains("HttpRequestMethodInvalid"), "{method}: {error}");
        if method != "PROPFIND" {
            let mut spec = asking(&echo, &grant, json!({ "method": method }));
            spec.grants.secret.clear();
            let error = once("secret-reflection", &spec).await.unwrap_err();
            assert!(error.to_string().contains("HttpRequestMethodInvalid"), "{method} without a secret: {error}");
        }
    }
    for user in ["evil.example@", "u:p@", "@"] {
        let authority = format!("{user}{}", echo.address);
        let error = once("secret-reflection", &asking(&echo, &grant, json!({ "authority": authority }))).await;
        assert!(error.is_err(), "{authority}");
    }
    assert_eq!(echo.heads.lock().unwrap().len(), asked, "none of them was sent");
    // Small letters are the same method.
    once("secret-reflection", &asking(&echo, &grant, json!({"method": "get"}))).await.unwrap();
    assert!(echo.head().starts_with("GET / "), "{}", echo.head());
}
