//! HTTP over Unix sockets: nothing without the grant, and with it only its socket, methods and paths.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use saker_model::MetricValue;
use saker_sandbox::{CallError, InstanceSpec};
use serde_json::json;

use crate::support::{once, open, spec, tick, value};

/// The heads of requests that came over a socket.
type Heads = Arc<Mutex<Vec<String>>>;

/// Answers every request over a socket with so many bytes, each on a connection of its own.
fn serve(socket: &Path, bytes: usize) -> Heads {
    let (listener, heads) = (UnixListener::bind(socket).unwrap(), Heads::default());
    let seen = heads.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
            seen.lock().push(head);
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n");
            // A guest that has had enough hangs up.
            let _ = (&stream).write_all(answer.as_bytes()).and_then(|()| (&stream).write_all(&vec![b'x'; bytes]));
        }
    });
    heads
}

struct Place {
    folder: tempfile::TempDir,
    socket: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().canonicalize().unwrap().join("d.sock");
    Place { folder, socket }
}

fn granted(socket: &Path, request: &str, more: serde_json::Value, methods: &str, path: &str) -> InstanceSpec {
    let mut settings = json!({"socket": socket, "path": request});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut spec = spec(settings);
    spec.grants.unix =
        methods.split(' ').map(|method| format!("{method} {} {path}", socket.display()).parse().unwrap()).collect();
    spec
}

fn status(answer: Result<Vec<MetricValue>, CallError>) -> Result<f64, String> {
    answer.map(|values| value(&values, "knock.status")).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_socket_is_not_reached_without_the_grant_and_the_line_is_named() {
    let place = place();
    let heads = serve(&place.socket, 0);
    let mut bare = spec(json!({"socket": place.socket, "path": "/containers/json"}));
    // What opens the files beside it opens no socket.
    bare.grants.read = vec![place.folder.path().canonicalize().unwrap()];
    let error = once("knock", &bare).await.unwrap_err();
    let line = format!(
        "write under [plugin.guest]: grant.unix = [{{ path = {:?}, methods = [\"GET\"], paths = [\"/containers/json\"] }}]",
        place.socket
    );
    assert!(matches!(error, CallError::Denied(_)) && error.to_string().ends_with(&line), "{error}");
    assert_eq!(*heads.lock(), Vec::<String>::new());
}

#[tokio::test]
async fn a_granted_request_is_plain_and_says_nothing_of_the_socket() {
    let place = place();
    let heads = serve(&place.socket, 5);
    let spec = granted(&place.socket, "/containers/json?all=%31", json!({}), "GET", "/containers/");
    assert_eq!(status(once("knock", &spec).await), Ok(200.0));
    let head = heads.lock()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /containers/json?all=%31 http/1.1\r\n"), "{head}");
    assert!(head.contains("host: localhost\r\n"), "{head}");
    for absent in ["upgrade", "content-length", "transfer-encoding", "x-http-method-override"] {
        assert!(!head.contains(absent), "{absent}: {head}");
    }
}

#[tokio::test]
async fn other_methods_paths_and_forms_do_not_reach_the_socket() {
    let place = place();
    let heads = serve(&place.socket, 0);
    for (path, method) in [
        ("/containers/create", "POST"),
        ("/containers/json", "get"),
        ("/containers/json", "HEAD"),
        ("/images/json", "GET"),
        ("/containersx", "GET"),
        ("/containers/../images/json", "GET"),
        ("/containers/%2e%2e/images/json", "GET"),
        ("/containers//json", "GET"),
        ("/containers/a;b", "GET"),
        ("http://localhost/containers/json", "GET"),
    ] {
        let spec = granted(&place.socket, path, json!({"method": method}), "GET", "/containers/");
        let answer = status(once("knock", &spec).await);
        assert!(answer.is_err(), "{method} {path}: {answer:?}");
    }
    for authority in ["localhost", "user@localhost", "2f", "zz"] {
        let spec = granted(&place.socket, "/containers/json", json!({"authority": authority}), "GET", "/");
        assert!(status(once("knock", &spec).await).is_err(), "{authority}");
    }
    assert_eq!(*heads.lock(), Vec::<String>::new());
}

#[tokio::test]
async fn a_link_is_followed_neither_on_the_way_to_a_socket_nor_in_its_place() {
    let (place, elsewhere) = (place(), place());
    let heads = serve(&elsewhere.socket, 0);
    symlink(&elsewhere.socket, &place.socket).unwrap();
    let spec = granted(&place.socket, "/info", json!({}), "GET", "/");
    let error = status(once("knock", &spec).await).unwrap_err();
    assert!(error.contains("it is no socket"), "{error}");

    let link = place.folder.path().canonicalize().unwrap().join("link");
    symlink(elsewhere.folder.path(), &link).unwrap();
    let spec = granted(&link.join("d.sock"), "/info", json!({}), "GET", "/");
    let error = status(once("knock", &spec).await).unwrap_err();
    assert!(error.contains("has a link in it"), "{error}");
    assert_eq!(*heads.lock(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_makes_its_socket_anew_is_found_again() {
    let place = place();
    let spec = granted(&place.socket, "/info", json!({}), "GET", "/");
    let mut collector = open("knock", &spec).await.unwrap();
    assert!(status(tick(&mut collector).await).unwrap_err().contains("unavailable"));
    for _ in 0..2 {
        let heads = serve(&place.socket, 0);
        assert_eq!(status(tick(&mut collector).await), Ok(200.0));
        assert_eq!(heads.lock().len(), 1);
        std::fs::remove_file(&place.socket).unwrap();
    }
}

#[tokio::test]
async fn an_answer_over_a_socket_is_held_to_its_limits() {
    let place = place();
    serve(&place.socket, 2 << 20);
    let mut spec = granted(&place.socket, "/info", json!({}), "GET", "/");
    spec.limits.response_bytes = 1 << 20;
    let error = status(once("knock", &spec).await).unwrap_err();
    assert!(error.contains("broke off"), "{error}");

    // One that never answers is told to the guest in time.
    let silent = self::place();
    let _listener = UnixListener::bind(&silent.socket).unwrap();
    let spec = granted(&silent.socket, "/info", json!({}), "GET", "/");
    let error = status(once("knock", &spec).await).unwrap_err();
    assert!(error.contains("unavailable"), "{error}");
}
