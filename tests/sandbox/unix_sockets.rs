//! HTTP over Unix sockets: nothing without the grant, and with it only its socket, methods and paths.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use saker_model::Sample;
use saker_sandbox::{CallError, InstanceSpec};
use serde_json::json;

use crate::support::{DEADLINE, in_time, once, open, run, spec, value};

/// The heads of requests that came over a socket.
type Heads = Arc<Mutex<Vec<String>>>;

/// Answers every request over a socket with so many bytes, each on a connection of its own.
fn serve(socket: &Path, bytes: usize) -> Heads {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
    serve_with(socket, move |mut stream| {
        // A guest that has had enough hangs up.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![b'x'; bytes]));
    })
}

/// Reads the head of every request over a socket, and does what `answer` does then.
fn serve_with(socket: &Path, answer: impl Fn(&UnixStream) + Send + 'static) -> Heads {
    let (listener, heads) = (UnixListener::bind(socket).unwrap(), Heads::default());
    let seen = heads.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut head = String::new();
            let mut reader = BufReader::new(&stream);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
            seen.lock().push(head);
            answer(&stream);
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

fn status(answer: Result<Vec<Sample>, CallError>) -> Result<f64, String> {
    answer.map(|values| value(&values, "unix-request.status")).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_socket_is_not_reached_without_the_grant_and_the_line_is_named() {
    let place = place();
    let heads = serve(&place.socket, 0);
    let mut bare = spec(json!({"socket": place.socket, "path": "/containers/json"}));
    // What opens the files beside it opens no socket.
    bare.grants.read = vec![place.folder.path().canonicalize().unwrap()];
    let error = once("unix-request", &bare).await.unwrap_err();
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
    assert_eq!(status(once("unix-request", &spec).await), Ok(200.0));
    let head = heads.lock()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /containers/json?all=%31 http/1.1\r\n"), "{head}");
    assert!(head.contains("host: localhost\r\n"), "{head}");
    for absent in ["content-length", "transfer-encoding", "d.sock"] {
        assert!(!head.contains(absent), "{absent}: {head}");
    }
}

#[tokio::test]
async fn headers_that_give_a_request_another_meaning_do_not_reach_the_socket() {
    let place = place();
    let heads = serve(&place.socket, 0);
    let mut sent = 0;
    for header in [
        "x-http-method-override: POST",
        "X_HTTP_Method_Override: POST",
        "x-method-override: POST",
        "x-original-url: /images/json",
        "x-rewrite-url: /images/json",
        "x-forwarded-prefix: /images",
        "upgrade: tcp",
        "connection: upgrade",
        "host: other",
        "transfer-encoding: chunked",
        "te: trailers",
        "trailer: x",
        "expect: 100-continue",
        "range: bytes=0-1",
        "content-length: 7",
        "proxy-connection: keep-alive",
        "x: y\r\nupgrade: tcp",
        "upgrade\r\n: tcp",
        "accept: a\nupgrade: tcp",
    ] {
        let more = json!({"headers": [header, "accept: application/json"]});
        let spec = granted(&place.socket, "/containers/json", more, "GET", "/containers/");
        // What the contract rejects by itself sends nothing.
        sent += usize::from(status(once("unix-request", &spec).await).is_ok());
    }
    let heads = heads.lock();
    assert_eq!(heads.len(), sent);
    assert!(sent > 5, "{heads:?}");
    for head in heads.iter() {
        let lines: Vec<_> = head.trim_end().split("\r\n").collect();
        let (first, mut rest) = (lines[0], lines[1..].to_vec());
        rest.sort_unstable();
        let plain = ["accept-encoding: identity", "accept: application/json", "host: localhost"];
        assert_eq!((first, &rest[..]), ("GET /containers/json HTTP/1.1", &plain[..]), "{head}");
    }
}

#[tokio::test]
async fn a_body_holds_no_second_request() {
    let second = "GET /images/json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (method, length) in [("GET", "0"), ("HEAD", "0"), ("GET", "48"), ("POST", "0"), ("POST", "3"), ("POST", "+48")]
    {
        let place = place();
        let (sender, received) = std::sync::mpsc::channel();
        let heads = serve_with(&place.socket, move |mut stream| {
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let (mut body, mut buffer) = (Vec::new(), [0; 1024]);
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                body.extend_from_slice(&buffer[..read]);
            }
            sender.send(body).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        });
        let more = json!({"method": method, "body": second, "headers": [format!("content-length: {length}")]});
        let spec = granted(&place.socket, "/containers/x", more, "GET HEAD POST", "/containers/");
        let answer = status(once("unix-request", &spec).await);
        for (head, body) in heads.lock().iter().zip(received.try_iter()) {
            let head = head.to_ascii_lowercase();
            let told =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            assert!(
                !head.contains("transfer-encoding") && body.len() <= told,
                "{method} {length}: {head}{body:?} {answer:?}"
            );
        }
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
        ("/containers/%2Fimages", "GET"),
        ("/containers/%252e%252e/images", "GET"),
        ("/containers/./json", "GET"),
        ("/containers/..;/images/json", "GET"),
        ("/containers/..\\images", "GET"),
        ("/containers/.. /images", "GET"),
        ("//containers/json", "GET"),
        ("http://localhost/containers/json", "GET"),
        ("localhost/containers/json", "GET"),
        ("containers/json", "GET"),
        ("*", "OPTIONS"),
        ("", "GET"),
        ("?/containers/", "GET"),
        ("/images/json#/containers/", "GET"),
        ("/containers/json HTTP/1.1\r\nupgrade: tcp\r\n\r\n", "GET"),
        ("/containers/json\r\nx: y", "GET"),
        ("/containers/json?x\r\nx: y", "GET"),
        ("/containers/json\n", "GET"),
        ("/containers/json\0", "GET"),
        ("/containers/\u{202e}json", "GET"),
        ("/containers/json", "GET /images/json HTTP/1.1\r\nx:"),
        ("/containers/json", "GET\r\n"),
        ("/containers/json", "GET "),
        ("/containers/json", ""),
        ("/containers/json", "CONNECT"),
        ("/containers/json", "TRACE"),
    ] {
        let spec = granted(&place.socket, path, json!({"method": method}), "GET", "/containers/");
        let answer = status(once("unix-request", &spec).await);
        assert!(answer.is_err(), "{method} {path}: {answer:?}");
    }
    for authority in ["localhost", "user@localhost", "2f", "zz"] {
        let spec = granted(&place.socket, "/containers/json", json!({"authority": authority}), "GET", "/");
        assert!(status(once("unix-request", &spec).await).is_err(), "{authority}");
    }
    assert_eq!(*heads.lock(), Vec::<String>::new());
}

#[tokio::test]
async fn a_link_is_followed_neither_on_the_way_to_a_socket_nor_in_its_place() {
    let (place, elsewhere) = (place(), place());
    let heads = serve(&elsewhere.socket, 0);
    symlink(&elsewhere.socket, &place.socket).unwrap();
    let spec = granted(&place.socket, "/info", json!({}), "GET", "/");
    let error = status(once("unix-request", &spec).await).unwrap_err();
    assert!(error.contains("it is no socket"), "{error}");
    for dangling in ["/nowhere", "/proc/self/fd/0"] {
        std::fs::remove_file(&place.socket).unwrap();
        symlink(dangling, &place.socket).unwrap();
        assert!(status(once("unix-request", &spec).await).unwrap_err().contains("it is no socket"), "{dangling}");
    }

    let link = place.folder.path().canonicalize().unwrap().join("link");
    symlink(elsewhere.folder.path(), &link).unwrap();
    let spec = granted(&link.join("d.sock"), "/info", json!({}), "GET", "/");
    let error = status(once("unix-request", &spec).await).unwrap_err();
    assert!(error.contains("has a link in it"), "{error}");
    assert_eq!(*heads.lock(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_listening_socket_is_unavailable() {
    let place = place();
    let spec = granted(&place.socket, "/info", json!({}), "GET", "/");
    let mut collector = open("unix-request", &spec).await.unwrap();
    let mut check = async |what: &str, words: &str| {
        let error = status(run(&mut collector).await).unwrap_err();
        assert!(error.contains(words), "{what}: {error}");
    };
    check("nothing", "No such file").await;
    std::fs::write(&place.socket, "x").unwrap();
    check("a file", "it is no socket").await;
    std::fs::remove_file(&place.socket).unwrap();
    std::fs::create_dir(&place.socket).unwrap();
    check("a directory", "it is no socket").await;
    std::fs::remove_dir(&place.socket).unwrap();
    // Opening a pipe would wait for whoever writes to it.
    rustix::fs::mknodat(rustix::fs::CWD, &place.socket, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    check("a pipe", "it is no socket").await;
    std::fs::remove_file(&place.socket).unwrap();
    let datagrams = UnixDatagram::bind(&place.socket).unwrap();
    check("a socket for datagrams", "cannot connect").await;
    std::fs::remove_file(&place.socket).unwrap();
    drop((datagrams, UnixListener::bind(&place.socket).unwrap()));
    check("a socket that nobody serves", "cannot connect").await;
}

#[tokio::test]
async fn a_renamed_socket_is_not_followed_nor_its_connections_used_again() {
    let place = place();
    let before = serve_with(&place.socket, |mut stream| {
        // A server that would keep the connection.
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        std::mem::forget(stream.try_clone().unwrap());
    });
    let spec = granted(&place.socket, "/info", json!({}), "GET", "/");
    let mut collector = open("unix-request", &spec).await.unwrap();
    assert_eq!(status(run(&mut collector).await), Ok(200.0));
    std::fs::rename(&place.socket, place.socket.with_extension("old")).unwrap();
    assert!(status(run(&mut collector).await).unwrap_err().contains("No such file"));
    let after = serve(&place.socket, 0);
    assert_eq!(status(run(&mut collector).await), Ok(200.0));
    assert_eq!((before.lock().len(), after.lock().len()), (1, 1));
}

#[tokio::test]
async fn a_directory_that_another_took_the_place_of_is_not_left() {
    let (place, other) = (place(), place());
    let folder = place.folder.path().canonicalize().unwrap().join("run");
    std::fs::create_dir(&folder).unwrap();
    let socket = folder.join("d.sock");
    let (heads, others) = (serve(&socket, 0), serve(&other.socket, 0));
    let spec = granted(&socket, "/info", json!({}), "GET", "/");
    let mut collector = open("unix-request", &spec).await.unwrap();
    assert_eq!(status(run(&mut collector).await), Ok(200.0));
    std::fs::rename(&folder, folder.with_extension("old")).unwrap();
    symlink(other.folder.path(), &folder).unwrap();
    assert_eq!(status(run(&mut collector).await), Ok(200.0));
    assert_eq!((heads.lock().len(), others.lock().len()), (2, 0));
}

#[tokio::test]
async fn a_server_that_makes_its_socket_anew_is_found_again() {
    let place = place();
    let spec = granted(&place.socket, "/info", json!({}), "GET", "/");
    let mut collector = open("unix-request", &spec).await.unwrap();
    assert!(status(run(&mut collector).await).unwrap_err().contains("unavailable"));
    for _ in 0..2 {
        let heads = serve(&place.socket, 0);
        assert_eq!(status(run(&mut collector).await), Ok(200.0));
        assert_eq!(heads.lock().len(), 1);
        std::fs::remove_file(&place.socket).unwrap();
    }
}

/// What a server answers, what it does then, and what becomes of the call.
type Case = (&'static str, &'static [u8], After, Result<f64, &'static str>);

/// What a server answers, and what the guest is told of it.
const ANSWERS: &[Case] = &[
    ("nothing", b"", After::HangUp, Err("unavailable")),
    ("silence", b"", After::Hang, Err("unavailable")),
    ("half a status line", b"HTTP/1.1 2", After::HangUp, Err("unavailable")),
    ("half a status line, and silence", b"HTTP/1.1 2", After::Hang, Err("unavailable")),
    ("half a head", b"HTTP/1.1 200 OK\r\ncontent-le", After::HangUp, Err("unavailable")),
    ("half a head, and silence", b"HTTP/1.1 200 OK\r\ncontent-le", After::Hang, Err("unavailable")),
    ("half a body", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nxx", After::HangUp, Err("broke off")),
    ("half a body, and silence", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nxx", After::Hang, Err("broke off")),
    ("half a piece", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nxx", After::HangUp, Err("broke off")),
    ("a body without end", b"HTTP/1.1 200 OK\r\n\r\n", After::Repeat(b"xxxxxxxx"), Err("broke off")),
    (
        "pieces without end",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        After::Repeat(b"4\r\nxxxx\r\n"),
        Err("broke off"),
    ),
    ("a head without end", b"HTTP/1.1 200 OK\r\n", After::Repeat(b"x: yyyyyyyyyyyyyyyy\r\n"), Err("unavailable")),
    ("a line without end", b"HTTP/1.1 200 OK\r\nx: ", After::Repeat(b"yyyyyyyyyyyyyyyy"), Err("unavailable")),
    ("answers before the answer without end", b"", After::Repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), Err("unavailable")),
    (
        "another protocol",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: tcp\r\nconnection: upgrade\r\n\r\n",
        After::Hang,
        Ok(101.0),
    ),
    (
        "a body longer than said",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
        After::Repeat(b"HTTP/1.1 404 x\r\n\r\n"),
        Ok(200.0),
    ),
    (
        "two lengths",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        After::HangUp,
        Err("unavailable"),
    ),
    ("what is no HTTP", b"+PONG\r\n", After::Hang, Err("unavailable")),
    (
        "a way elsewhere",
        b"HTTP/1.1 302 x\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
        After::HangUp,
        Ok(302.0),
    ),
];

#[derive(Clone, Copy)]
enum After {
    HangUp,
    /// Says nothing more, and keeps the connection.
    Hang,
    /// This again and again.
    Repeat(&'static [u8]),
}

#[tokio::test]
async fn an_answer_that_ends_early_never_comes_or_never_ends_is_told_in_time() {
    for &(what, answer, after, told) in ANSWERS {
        let place = place();
        let heads = serve_with(&place.socket, move |mut stream| {
            let _ = stream.write_all(answer);
            match after {
                After::HangUp => {}
                After::Hang => std::mem::forget(stream.try_clone().unwrap()),
                After::Repeat(bytes) => while stream.write_all(&bytes.repeat(512)).is_ok() {},
            }
        });
        // What is kept of an answer stands in the error, before the words that are looked for.
        let mut spec = granted(&place.socket, "/info", json!({"most": 0}), "GET", "/");
        spec.limits.max_response_bytes = 1 << 20;
        let mut collector = open("unix-request", &spec).await.unwrap();
        let found = in_time(what, DEADLINE, async { status(run(&mut collector).await) }).await;
        match told {
            Ok(status) => assert_eq!(found, Ok(status), "{what}"),
            Err(words) => assert!(found.as_ref().is_err_and(|error| error.contains(words)), "{what}: {found:?}"),
        }
        // It costs the call, and not the instance.
        assert!(collector.is_alive(), "{what}");
        assert_eq!(heads.lock().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn an_answer_over_a_socket_is_held_to_its_limits() {
    let place = place();
    serve(&place.socket, 2 << 20);
    let mut spec = granted(&place.socket, "/info", json!({"most": 0}), "GET", "/");
    spec.limits.max_response_bytes = 1 << 20;
    let error = status(once("unix-request", &spec).await).unwrap_err();
    assert!(error.contains("broke off"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_takes_its_connections_is_told_in_time() {
    let place = place();
    let _listener = UnixListener::bind(&place.socket).unwrap();
    let body = "x".repeat(1 << 20);
    for more in [json!({}), json!({"method": "POST", "body": body})] {
        let spec = granted(&place.socket, "/info", more, "GET POST", "/");
        let mut collector = open("unix-request", &spec).await.unwrap();
        let error = in_time("a hung server", DEADLINE, async { status(run(&mut collector).await) }).await.unwrap_err();
        assert!(error.contains("unavailable") && collector.is_alive(), "{error}");
    }
}
