//! Registries that lie about who should hear the password, where to upload, and how much there is to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::*;

/// A server that answers each request, by its head, with a whole response. It remembers the heads.
struct Server {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap().to_string(), heads: Arc::default() };
        let heads = server.heads.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).unwrap_or(0) > 2 {}
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                reader.read_exact(&mut body).unwrap();
                heads.lock().unwrap().push(head.clone());
                // A client may leave when it has seen enough.
                stream.write_all(answer(&head).as_bytes()).unwrap_or(());
            }
        });
        server
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn response(status: &str, head: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// `me:sesame`
const BASIC: &str = "authorization: Basic bWU6c2VzYW1l";

fn registry(servers: &[&Server]) -> RegistryClient {
    RegistryClient {
        plain_http: servers.iter().map(|server| server.address.clone()).collect(),
        login: Some(("me".into(), "sesame".into())),
        token_services: Vec::new(),
    }
}

/// Gives tokens.
fn tokens() -> Server {
    Server::start(|_| response("200 OK", "", r#"{"token":"abc"}"#))
}

/// Sends to another for a token.
fn sending_for_tokens(tokens: &Server) -> Server {
    let realm = format!("www-authenticate: Bearer realm=\"http://{}/token\",service=\"a&b=c\"\r\n", tokens.address);
    Server::start(move |head| match head.contains("authorization: Bearer abc") {
        true => response("404 Not Found", "", ""),
        false => response("401 Unauthorized", &realm, ""),
    })
}

async fn pull(registry: &RegistryClient, server: &Server) -> String {
    registry.pull(&format!("oci://{}/team/cpu:1", server.address)).await.err().unwrap().to_string()
}

#[tokio::test]
async fn the_password_goes_to_no_token_service_that_the_operator_has_not_named() {
    let tokens = tokens();
    let server = sending_for_tokens(&tokens);
    let mut registry = registry(&[&server, &tokens]);
    let error = pull(&registry, &server).await;
    assert!(error.contains(&format!("--token-service {}", tokens.address)), "{error}");
    assert!(tokens.heads().is_empty(), "it was not even asked");

    registry.token_services.push(tokens.address.clone());
    let error = pull(&registry, &server).await;
    assert!(error.contains("nothing under this name"), "{error}");
    let asked = tokens.heads().concat();
    assert!(
        asked.contains(BASIC) && asked.contains("/token?service=a%26b%3Dc&scope=repository:team/cpu:pull "),
        "{asked}"
    );
    let heads = server.heads().concat();
    assert!(heads.contains("authorization: Bearer abc") && !heads.contains("Basic"), "{heads}");
}

#[tokio::test]
async fn without_a_password_a_token_is_asked_over_tls_or_of_named_hosts() {
    let tokens = tokens();
    let server = sending_for_tokens(&tokens);
    let anonymous = RegistryClient { login: None, ..registry(&[&server, &tokens]) };
    assert!(pull(&anonymous, &server).await.contains("nothing under this name"));
    assert!(!tokens.heads().concat().contains("authorization"));
    let unnamed = RegistryClient { login: None, ..registry(&[&server]) };
    let error = pull(&unnamed, &server).await;
    assert!(error.contains(&format!("--plain-http {}", tokens.address)), "{error}");
    assert_eq!(tokens.heads().len(), 1);
}

#[tokio::test]
async fn a_place_to_upload_to_on_another_server_is_rejected() {
    let other = Server::start(|_| response("201 Created", "", ""));
    let place = format!("location: http://{}/upload\r\n", other.address);
    let server = Server::start(move |head| match head.contains(BASIC) {
        true => response("202 Accepted", &place, ""),
        false => response("401 Unauthorized", "www-authenticate: Basic realm=\"x\"\r\n", ""),
    });
    let target = format!("oci://{}/team/cpu:1", server.address);
    let error = push(&registry(&[&server, &other]), &target, b"plugin", None).await.unwrap_err().to_string();
    assert!(error.contains("which is another server"), "{error}");
    assert!(other.heads().is_empty());
}

#[tokio::test]
async fn a_blob_may_be_elsewhere_and_nobody_there_is_told_who_asks() {
    let store = Server::start(|_| response("200 OK", "", "plugin"));
    let place = format!("location: http://{}/blob\r\n", store.address);
    let manifest = json!({"layers": [{"mediaType": WASM, "digest": sha256(b"plugin")}]}).to_string();
    let server = Server::start(move |head| match head {
        _ if !head.contains(BASIC) => response("401 Unauthorized", "www-authenticate: Basic realm=\"x\"\r\n", ""),
        _ if head.contains("/blobs/") => response("307 Temporary Redirect", &place, ""),
        _ if head.contains(".sig ") => response("404 Not Found", "", ""),
        _ => response("200 OK", "", &manifest),
    });
    let name = format!("oci://{}/team/cpu:1", server.address);
    let pulled = registry(&[&server, &store]).pull(&name).await.unwrap();
    assert_eq!(pulled.bytes, b"plugin");
    assert!(!store.heads().concat().contains("authorization"), "{:?}", store.heads());
    let error = registry(&[&server]).pull(&name).await.err().unwrap().to_string();
    assert!(error.contains("which is no https:// address"), "{error}");
}

#[tokio::test]
async fn neither_password_nor_token_go_over_a_line_that_can_be_overheard() {
    let registry = RegistryClient {
        plain_http: vec!["registry.example:5000".into()],
        login: Some(("me".into(), "sesame".into())),
        token_services: vec!["tokens.example".into()],
    };
    assert!(!format!("{registry:?}").contains("sesame"));
    let image = OciReference::parse("oci://registry.example:5000/team/cpu:1").unwrap();
    let talk = registry.talk(&image).unwrap();
    let challenge = |words: &str| ServerResponse {
        status: StatusCode::UNAUTHORIZED,
        headers: [(header::WWW_AUTHENTICATE, words.parse().unwrap())].into_iter().collect(),
        body: Bytes::new(),
    };
    for words in [
        "Basic realm=\"x\"",
        "Bearer realm=\"http://registry.example:5000/token\"",
        "Bearer realm=\"http://tokens.example/token\"",
    ] {
        let error = talk.authorize(&challenge(words), false).await.unwrap_err().to_string();
        assert!(error.contains("over plain HTTP"), "{words}: {error}");
    }
    for words in
        ["Bearer realm=\"https://registry.example@evil.example/token\"", "Bearer realm=\"//evil.example/\"", "Bearer x"]
    {
        assert!(talk.authorize(&challenge(words), false).await.is_err(), "{words}");
    }
}

#[tokio::test]
async fn a_registrys_words_are_a_short_line_and_its_answers_have_an_end() {
    let server = Server::start(|_| response("500 No", "", &format!("\x1b[2J\r\nforged\u{202e}{}", "x".repeat(60_000))));
    let error = pull(&registry(&[&server]), &server).await;
    assert!(error.contains("[2J  forged xxx") && error.len() < 600, "{error}");
    assert!(saker_model::text::is_clean(&error), "{error}");
    let server = Server::start(|_| response("200 OK", "", &"x".repeat(MANIFEST_BYTES_MAX + 1)));
    let error = pull(&registry(&[&server]), &server).await;
    assert!(error.contains("has more than 4194304 bytes"), "{error}");
}

#[test]
fn a_challenge_is_taken_apart() {
    let fields = r#"realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull""#;
    assert_eq!(field(fields, "realm"), Some("https://auth.example/token"));
    assert_eq!(field(fields, "service"), Some("registry.example"));
    assert_eq!(field(fields, "error"), None);
}

#[test]
fn a_signature_stands_under_cosigns_tag() {
    assert_eq!(signature_tag("sha256:ab"), "sha256-ab.sig");
}
