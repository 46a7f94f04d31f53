//! The one table of all paths, `paths.txt`, held to the agent as it runs.

use crate::agent::Home;
use crate::http;

const TABLE: &str = include_str!("../../host/agent/src/paths.txt");
const TOKEN: &str = "0123456789abcdef";

/// A row: method, path with an example for each of its parts, whose it is, what it takes to ask.
fn rows() -> impl Iterator<Item = (&'static str, String, &'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" own")).map(|line| {
        let [method, path, owner, access] = *line.split_whitespace().collect::<Vec<_>>() else {
            panic!("a row has four columns: {line}")
        };
        (
            method,
            path.replace("/page/{name}", "/page/icon.svg")
                // It would go on for ever.
                .replace("/page/live", "/page/live?since=now")
                .replace("{name}", "destination%20a")
                .replace("{destination}", "a")
                .replace("{id}", "1"),
            owner,
            access,
        )
    })
}

#[test]
fn every_path_of_the_table_is_answered_and_asks_for_what_it_says() {
    let home = Home::new(&["stdout"]);
    std::fs::write(home.dir.path().join("token"), TOKEN).unwrap();
    let destination = "[destination.a]\nbackend = \"stdout\"\n[[route]]\ndestinations = [\"a\"]\n";
    let agent = home.config(&format!("token_file = \"token\"\n{destination}")).start();
    let bearer = format!("Bearer {TOKEN}");
    for (method, path, owner, access) in rows() {
        let status = |headers: &[(&str, &str)]| {
            http::request(&agent.address, method, &path, headers, "")
                .unwrap_or_else(|error| panic!("{path}: {error}"))
                .0
        };
        let (without, with) = (status(&[]), status(&[("authorization", &bearer)]));
        assert_eq!(without == 401, access != "open", "{method} {path} answers {without} without a token");
        // No query has this number, and nobody has told of containers.
        let is_there = with != 404 || path.ends_with("/queries/1") || owner == "cadvisor";
        assert!(is_there && !matches!(with, 401 | 405), "{method} {path} answers {with} with a token");
    }
}

#[test]
fn what_changes_something_wants_a_header_where_there_is_no_token() {
    let destination = "[destination.a]\nbackend = \"stdout\"\n[[route]]\ndestinations = [\"a\"]\n";
    let agent = Home::new(&["stdout"]).config(destination).start();
    for (method, path, _, access) in rows() {
        let (status, _) = http::request(&agent.address, method, &path, &[], "").unwrap();
        assert_eq!(status == 403, access == "operator", "{method} {path} answers {status}");
    }
}

#[test]
fn the_index_and_the_pages_list_the_table() {
    let pages = [
        include_str!("../../docs/http-api.md"),
        include_str!("../../docs/query.md"),
        include_str!("../../docs/store.md"),
        include_str!("../../docs/containers.md"),
    ];
    let agent = Home::new(&[]).start();
    let index = agent.json("/")["paths"].to_string();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<_> = line.split_whitespace().collect();
        let path = columns[1].replace("{name}", "NAME").replace("{destination}", "DESTINATION").replace("{id}", "ID");
        assert!(pages.iter().any(|page| page.contains(&path)), "{path} is on no page");
        if columns[3] == "own" {
            continue;
        }
        assert!(index.contains(&format!("\"{} {}\"", columns[0], columns[1])), "{path}: {index}");
        let is_ours = columns[2] == "saker";
        let begins_ours = ["/saker/v1/", "/page/"].iter().any(|begin| path.starts_with(begin))
            || ["/", "/health", "/ready", "/metrics"].contains(&path.as_str());
        assert_eq!(is_ours, begins_ours, "{path}");
    }
}
