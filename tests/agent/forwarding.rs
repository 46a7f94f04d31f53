//! Values to destinations that are away, not granted, or chosen by name.

use crate::agent::{Agent, Home};
use crate::http::{self, Receiver};

#[test]
fn a_destination_that_is_away_keeps_its_points_until_it_comes_back() {
    let receiver = Receiver::start();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let away = closed.local_addr().unwrap();
    drop(closed);
    let config = format!(
        "[destination.well]\nbackend = \"influx\"\nsettings = {{ url = \"http://{0}/write\" }}\ngrant.connect = [\"{0}\"]\nbatch.max_age = \"50ms\"\n\
         [destination.away]\nbackend = \"influx\"\nsettings = {{ url = \"http://{away}/write\" }}\ngrant.connect = [\"{away}\"]\nbatch.max_age = \"50ms\"\n\
         retry = {{ min = \"50ms\", max = \"200ms\" }}\n[[route]]\ndestinations = [\"well\", \"away\"]\nreplicas = 2\n",
        receiver.address
    );
    let agent = Home::new(&["influx"]).config(&config).start();
    push(&agent, 0..50);
    agent.until("the well one has them", |_| (receiver.lines().len() == 50).then_some(()));
    agent.until("the other has failed", |agent| agent.destination("away")["error"].as_str().map(str::to_owned));
    let back = Receiver::start_at(away);
    agent.until("the other has them too", |_| (back.lines().len() == 50).then_some(()));
    agent.until("the agent knows it", |agent| {
        let destination = agent.destination("away");
        (destination["delivered"] == 50 && destination["queued"] == 0 && destination["error"].is_null()).then_some(())
    });
}

#[test]
fn a_destination_without_its_grant_says_which_line_is_missing() {
    let receiver = Receiver::start();
    let destination = format!(
        "[[route]]\ndestinations = [\"a\"]\n[destination.a]\nbackend = \"influx\"\nsettings = {{ url = \"http://{}/write\" }}\nbatch.max_age = \"50ms\"\n",
        receiver.address
    );
    let agent = Home::new(&["influx"]).config(&destination).start();
    push(&agent, 0..5);
    let error = agent.until("it is denied", |agent| agent.destination("a")["error"].as_str().map(str::to_owned));
    let line = format!("grant.connect = [\"{}\"]", receiver.address);
    assert!(error.contains(&format!("write under [destination.a]: {line}")), "{error}");
    agent.home.write_config(&format!("{}{line}\n", agent.home.config_text()));
    agent.until("it is delivered", |_| (receiver.lines().len() == 5).then_some(()));
}

#[test]
fn routes_send_by_name_and_tag_and_tell_where_a_series_goes() {
    let (net, rest) = (Receiver::start(), Receiver::start());
    let config = format!(
        "[destination.net]\nbackend = \"influx\"\nsettings = {{ url = \"http://{0}/write\" }}\ngrant.connect = [\"{0}\"]\nbatch.max_age = \"50ms\"\n\
         [destination.rest]\nbackend = \"influx\"\nsettings = {{ url = \"http://{1}/write\" }}\ngrant.connect = [\"{1}\"]\nbatch.max_age = \"50ms\"\n\
         [[route]]\nmetric = [\"net.*\"]\ntags = {{ iface = [\"eth*\"] }}\ndestinations = [\"net\"]\n[[route]]\ndestinations = [\"rest\"]\n",
        net.address, rest.address
    );
    let agent = Home::new(&["influx"]).config(&config).start();
    let body = r#"[{"metric":"net.in","value":1,"tags":"iface=eth0"},{"metric":"net.in","value":2,"tags":"iface=lo"},{"metric":"cpu","value":3}]"#;
    assert_eq!(agent.post("/v1/push", body).0, 200);
    agent.until("both have theirs", |_| (net.lines().len() == 1 && rest.lines().len() == 2).then_some(()));
    assert!(net.lines()[0].starts_with("net.in,") && net.lines()[0].contains("iface=eth0"), "{:?}", net.lines());
    let targets = agent.json("/saker/v1/routes?metric=net.in&tags=iface=eth1");
    assert_eq!(targets["targets"]["destinations"], serde_json::json!(["net"]));
}

pub(crate) fn push(agent: &Agent, numbers: std::ops::Range<u32>) {
    let items: Vec<_> =
        numbers.map(|number| format!("{{\"metric\":\"m{number}\",\"value\":{number},\"step\":10}}")).collect();
    let (status, body) =
        http::request(&agent.address, "POST", "/v1/push", &[], &format!("[{}]", items.join(","))).unwrap();
    assert_eq!(status, 200, "{body}");
}
