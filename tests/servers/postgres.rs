//! The `postgres` backend against Debian's `postgresql`, read back with its own `psql`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::exact::{agent, awkward, delivered, fails_with, identities, identities_of_json, plain, push};
use crate::servers::Server;

/// The points in a table, as the identities of what was pushed.
fn stored(server: &Server, table: &str) -> Vec<String> {
    let time = "(extract(epoch FROM time) * 1000)::bigint";
    let object =
        format!("'endpoint', endpoint, 'metric', metric, 'tags', tags, 'timestamp_ms', {time}, 'value', value");
    let lines = server.psql(&format!("SELECT json_build_object({object}) FROM {table}"));
    identities_of_json(lines.lines())
}

fn settings(address: &str, more: &str) -> String {
    format!("address = \"{address}\"\nusername = \"postgres\"\n{more}")
}

#[test]
fn a_table_that_the_backend_has_made_holds_each_point_as_it_was_pushed() {
    let server = Server::postgres(&[]);
    let more = "create_table = true\ntable = \"public.a \\\"b\"";
    let agent = agent("postgres", &settings(&server.address, more), &[&server.address]);
    let values = awkward();
    push(&agent, &values);
    delivered(&agent, values.len());
    assert_eq!(stored(&server, "\"a \"\"b\""), identities(&values));
}

#[test]
fn every_login_by_a_password_works_and_a_wrong_one_is_named() {
    let users = [("plain", "password"), ("hashed", "md5"), ("salted", "scram-sha-256")];
    let server = Server::postgres(&users);
    for (user, _) in users {
        let settings = |password: &str| {
            format!(
                "address = \"{}\"\nusername = \"{user}\"\ndatabase = \"postgres\"\ncreate_table = true\ntable = \"{user}\"\npassword = \"{password}\"",
                server.address
            )
        };
        let agent = agent("postgres", &settings("no"), &[&server.address]);
        push(&agent, &plain(3, 1));
        fails_with(&agent, &format!("cannot log in: password authentication failed for user \"{user}\" (28P01"));
        agent.home.write_config(&agent.home.config_text().replace(&settings("no"), &settings("open sesame")));
        delivered(&agent, 3);
        assert_eq!(stored(&server, user), identities(&plain(3, 1)));
    }
}

#[test]
fn without_a_table_it_says_how_to_make_one() {
    let server = Server::postgres(&[]);
    let agent = agent("postgres", &settings(&server.address, ""), &[&server.address]);
    let values = plain(500, 1);
    push(&agent, &values);
    let error =
        fails_with(&agent, "relation \"metrics\" does not exist (42P01); set create_table = true, or create it: ");
    let create = error.split("or create it: ").nth(1).unwrap();
    server.psql(&format!("{create} ALTER TABLE metrics ADD CHECK (metric NOT LIKE 'm.%7')"));
    agent.until("the others are delivered", |agent| {
        let destination = agent.destination("there");
        (destination["delivered"] == 450 && destination["dropped"]["rejected"] == 50).then_some(())
    });
    let good: Vec<_> = values.into_iter().filter(|value| !value["metric"].as_str().unwrap().ends_with('7')).collect();
    assert_eq!(stored(&server, "metrics"), identities(&good));
}

#[test]
fn a_point_that_is_there_already_is_left_out_if_it_is_told_so() {
    let server = Server::postgres(&[]);
    let more = "create_table = true\ndeduplicate = true";
    let agent = agent("postgres", &settings(&server.address, more), &[&server.address]);
    for round in 1..4 {
        push(&agent, &[plain(100, 1), plain(round, 2)].concat());
        delivered(&agent, 100 * round + round * (round + 1) / 2);
    }
    assert_eq!(stored(&server, "metrics"), identities(&[plain(100, 1), plain(3, 2)].concat()));
}

#[test]
fn a_server_that_dies_under_load_gets_every_point_once() {
    let mut server = Server::postgres(&[]);
    let agent = agent("postgres", &settings(&server.address, "create_table = true"), &[&server.address]);
    let (first, second) = (plain(30_000, 1), plain(100, 2));
    push(&agent, &first);
    agent.until("a part of them is there", |agent| {
        agent.destination("there")["delivered"].as_u64().filter(|&count| count > 0)
    });
    server.quit();
    push(&agent, &second);
    fails_with(&agent, "");
    server.start_again();
    delivered(&agent, 30_100);
    assert_eq!(stored(&server, "metrics"), identities(&[first, second].concat()));
}

#[test]
fn a_batch_whose_answer_was_lost_is_not_written_twice() {
    let server = Server::postgres(&[]);
    let proxy = Proxy::start(&server.address);
    let agent = agent("postgres", &settings(&proxy.address, "create_table = true"), &[&proxy.address]);
    push(&agent, &plain(10, 1));
    delivered(&agent, 10);
    proxy.cut.store(true, Ordering::Release);
    push(&agent, &plain(2000, 2));
    fails_with(&agent, &proxy.address);
    assert_eq!(server.psql("SELECT count(*) FROM metrics").trim(), "2010", "it was written, and nobody heard of it");
    proxy.open.store(true, Ordering::Release);
    delivered(&agent, 2010);
    assert_eq!(stored(&server, "metrics"), identities(&[plain(10, 1), plain(2000, 2)].concat()));
}

/// Passes bytes on in both directions, until it is told to lose the answer to a copy.
struct Proxy {
    address: String,
    /// The answer to the next copy is lost, and the connection with it.
    cut: Arc<AtomicBool>,
    /// After that, connections are taken again.
    open: Arc<AtomicBool>,
}

impl Proxy {
    fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (cut, open) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
        let proxy = Self { address, cut, open };
        let (server, cut, open) = (server.to_owned(), proxy.cut.clone(), proxy.open.clone());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if !open.load(Ordering::Acquire) {
                    continue;
                }
                let far = TcpStream::connect(&server).unwrap();
                let (cut, open) = (cut.clone(), open.clone());
                let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut from_near, &mut to_far));
                thread::spawn(move || pass_back(far, near, &cut, &open));
            }
        });
        proxy
    }
}

/// Passes a server's answers on; cuts when it is told so and the answer is that a transaction was committed.
fn pass_back(mut far: TcpStream, mut near: TcpStream, cut: &AtomicBool, open: &AtomicBool) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = far.read(&mut bytes) {
        let is_committed = bytes[..read].windows(7).any(|part| part == b"COMMIT\0");
        if is_committed && cut.swap(false, Ordering::AcqRel) {
            open.store(false, Ordering::Release);
            break;
        }
        if near.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = far.shutdown(Shutdown::Both);
    let _ = near.shutdown(Shutdown::Both);
}
