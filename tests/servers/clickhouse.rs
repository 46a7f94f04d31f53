//! The `clickhouse` backend to Debian's `clickhouse-server`, whose version 18.16 knows neither `Map` nor `DateTime64`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::exact::{agent, awkward, delivered, fails_with, identities, identity, plain, push};
use crate::http;
use crate::servers::{Server, free_address};

const ARRAYS: &str = "endpoint String, metric String, tags Nested(key String, value String), type String, timestamp Int64, \
                      value Float64";

/// A server with a user `saker`, whose password is `open sesame`.
fn server() -> Server {
    let (tcp, is_ready) = (free_address(), |address: &str| {
        http::request(address, "GET", "/ping", &[], "").is_ok_and(|answer| answer.0 == 200)
    });
    Server::start("clickhouse-server", is_ready, move |address, dir| {
        let (port, tcp_port) = (address.rsplit_once(':').unwrap().1, tcp.rsplit_once(':').unwrap().1);
        let config = format!(
            "<yandex><logger><level>warning</level><log>{dir}/log</log><errorlog>{dir}/errors</errorlog></logger>\
             <http_port>{port}</http_port><tcp_port>{tcp_port}</tcp_port><listen_host>127.0.0.1</listen_host>\
             <path>{dir}/data/</path><tmp_path>{dir}/tmp/</tmp_path><user_files_path>{dir}/files/</user_files_path>\
             <format_schema_path>{dir}/schemas/</format_schema_path><users_config>users.xml</users_config>\
             <default_profile>default</default_profile><default_database>default</default_database>\
             <mark_cache_size>1000000</mark_cache_size><timezone>UTC</timezone></yandex>"
        );
        let mut users = String::new();
        for (name, password) in [("default", ""), ("saker", "open sesame")] {
            write!(
                users,
                "<{name}><password>{password}</password><networks><ip>127.0.0.1</ip></networks>\
                 <profile>default</profile><quota>default</quota></{name}>"
            )
            .unwrap();
        }
        let users = format!(
            "<yandex><profiles><default/></profiles><users>{users}</users><quotas><default/></quotas></yandex>"
        );
        std::fs::write(format!("{dir}/config.xml"), config).unwrap();
        std::fs::write(format!("{dir}/users.xml"), users).unwrap();
        vec![format!("--config-file={dir}/config.xml")]
    })
}

fn query(server: &Server, statement: &str) -> String {
    let (status, body) =
        http::request(&server.address, "POST", "/?output_format_json_quote_64bit_integers=0", &[], statement).unwrap();
    assert_eq!(status, 200, "{statement}: {body}");
    body
}

/// The rows of a statement, as arrays.
fn rows(server: &Server, statement: &str) -> Vec<Value> {
    let answer = query(server, &format!("{statement} FORMAT JSONCompact"));
    let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    answer["data"].as_array().unwrap().clone()
}

/// The points in a table, as the identities of what was pushed.
fn stored(server: &Server, table: &str, tags: &str) -> Vec<String> {
    let all = rows(server, &format!("SELECT endpoint, metric, {tags}, timestamp, value FROM {table}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let identity = |row: &Value| {
        identity(&text(&row[0]), &text(&row[1]), &text(&row[2]), row[3].as_i64().unwrap(), row[4].as_f64().unwrap())
    };
    let mut all: Vec<_> = all.iter().map(identity).collect();
    all.sort();
    all
}

const TAGS: &str = "arrayStringConcat(arrayMap((k, v) -> concat(k, '=', v), tags.key, tags.value), ',')";

#[test]
fn a_table_holds_each_point_as_it_was_pushed() {
    let server = server();
    query(&server, "CREATE DATABASE other");
    query(
        &server,
        &format!(
            "CREATE TABLE other.`a b` ({ARRAYS}) ENGINE = MergeTree ORDER BY (metric, timestamp) PARTITION BY tuple()"
        ),
    );
    query(
        &server,
        "CREATE TABLE plain (endpoint String, metric String, tags String, type String, timestamp Int64, value Float64) ENGINE = Memory",
    );
    for (settings, table, tags) in [
        ("database = \"other\"\ntable = \"a b\"\ntags = \"arrays\"", "other.`a b`", TAGS),
        ("table = \"plain\"\ntags = \"string\"\ncompression = \"none\"", "plain", "tags"),
    ] {
        let settings = format!(
            "url = \"http://{}\"\nusername = \"saker\"\npassword = \"open sesame\"\n{settings}",
            server.address
        );
        let agent = agent("clickhouse", &settings, &[&server.address]);
        let values = awkward();
        push(&agent, &values);
        delivered(&agent, values.len());
        assert_eq!(stored(&server, table, tags), identities(&values));
        let types = rows(&server, &format!("SELECT type, count() FROM {table} GROUP BY type ORDER BY type"));
        assert_eq!(
            types,
            [serde_json::json!(["counter", 3]), serde_json::json!(["derive", 3]), serde_json::json!(["gauge", 4])]
        );
    }
}

#[test]
fn a_missing_table_and_a_wrong_password_are_named_and_lose_nothing() {
    let server = server();
    let settings = |password: &str| {
        format!(
            "url = \"http://{}\"\nusername = \"saker\"\npassword = \"{password}\"\ntags = \"arrays\"",
            server.address
        )
    };
    let agent = agent("clickhouse", &settings("no"), &[&server.address]);
    push(&agent, &plain(1000, 1));
    fails_with(&agent, "Wrong password for user saker");
    agent.home.write_config(&agent.home.config_text().replace(&settings("no"), &settings("open sesame")));
    fails_with(&agent, "Table default.saker doesn't exist");
    query(&server, &format!("CREATE TABLE saker ({ARRAYS}) ENGINE = Memory"));
    delivered(&agent, 1000);
    assert_eq!(stored(&server, "saker", TAGS), identities(&plain(1000, 1)));
}
