//! Lines over sockets and HTTP, which share what is known of names.

use tokio::net::UdpSocket;

use super::*;
use crate::testing::{NOWHERE_YET, Open, neighbours, read};

async fn open() -> Open<Influx> {
    let mut config = InfluxConfig::default();
    (config.sockets.tcp, config.sockets.udp) = (Some(NOWHERE_YET), Some(NOWHERE_YET));
    Open::new(config).await
}

const LINES: &str = "m,a=b v=1 1700000000000000000\nm,host=web-1,a=b w=2 1700000000\n";
const POINTS: [&str; 2] = ["m_v{a=b} of self = 1 at 1700000000000", "m_w{a=b} of web-1 = 2 at 1700000000000"];

#[tokio::test]
async fn lines_come_over_tcp_udp_and_http_to_the_same_series() {
    let open = open().await;
    let socket = UdpSocket::bind(NOWHERE_YET).await.unwrap();
    assert_eq!(open.say(LINES).await, "");
    assert_eq!(open.points(), POINTS);
    socket.send_to(LINES.as_bytes(), open.udp().await).await.unwrap();
    open.received(4).await;
    assert_eq!(open.points(), POINTS);
    assert_eq!(open.post("/write", LINES).await.0, 204);
    assert_eq!(open.points(), POINTS);
    assert_eq!(open.pipeline.table().len(), 2);
}

#[tokio::test]
async fn a_bad_line_over_a_socket_is_counted_and_spoils_no_other() {
    let open = open().await;
    open.say(format!("{LINES}m invalid line\nm,t v=1\n{LINES}")).await;
    assert_eq!((open.points().len(), open.counts().rejected.malformed_count()), (4, 2));
}

#[tokio::test]
async fn labels_of_a_request_win_and_are_of_that_request_only() {
    let open = open().await;
    for (query, expected) in [
        ("extra_label=job=test&extra_label=a=c", ["m_v{a=c,job=test} of self", "m_w{a=c,job=test} of web-1"]),
        ("extra_label=host=h", ["m_v{a=b} of h", "m_w{a=b} of h"]),
        ("db=x&extra_label=db=y", ["m_v{a=b,db=y} of self", "m_w{a=b,db=y} of web-1"]),
        ("", ["m_v{a=b} of self", "m_w{a=b} of web-1"]),
    ] {
        for _ in 0..2 {
            assert_eq!(open.post(&format!("/write?{query}"), LINES).await.0, 204);
            let points = open.points();
            assert!(
                points.iter().zip(expected).all(|(point, name)| point.starts_with(&format!("{name} ="))),
                "{points:?}"
            );
        }
    }
    let (status, answer) = open.post("/write?extra_label=job", LINES).await;
    assert_eq!((status, &*answer), (400, r#"{"error":"extra_label must be name=value, found \"job\""}"#));
}

#[tokio::test]
async fn a_strict_request_is_taken_whole_or_not_at_all() {
    let open = open().await;
    let (status, answer) = open.post("/api/v2/write?strict", format!("{LINES}bad\n")).await;
    assert!(status == 400 && answer.contains("line 3:") && answer.contains("\"taken\":0"), "{answer}");
    assert_eq!(open.points().len(), 0);
    assert_eq!(open.post("/api/v2/write?strict", LINES).await.0, 204);
    assert_eq!(open.points().len(), 2);
    assert_eq!(open.post("/write?strict=0", format!("{LINES}bad\n")).await.0, 400);
    assert_eq!(open.points().len(), 2);
}

#[tokio::test]
async fn whatever_is_sent_is_read_to_its_end() {
    let open = open().await;
    let config = InfluxConfig::default();
    let lines = InfluxProtocol::decoder(&config, &"self".into());
    for bytes in neighbours(b"m\\ x,a=b\\,c v=1,w=\"t\\\"x\",z=3i 1700000000\n# c\n") {
        read(&open.pipeline, &lines, &bytes).await;
    }
}
