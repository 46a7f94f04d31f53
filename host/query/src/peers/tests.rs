use super::*;
use spans::Span;

#[test]
fn a_peer_is_the_address_of_an_agent_and_nothing_else() {
    let address = |url: &str| Peer::parse(url).map(|peer| peer.to_string());
    assert_eq!(address("http://web-1:1988").as_deref(), Some("http://web-1:1988"));
    assert_eq!(address("http://[::1]:80/").as_deref(), Some("http://[::1]:80"));
    for wrong in [
        "web-1:1988",
        "https://web-1:1988",
        "http://web-1",
        "http://web-1:0",
        "http://:1988",
        "http://a b:1",
        "http://a\r\nX: 1:1",
        "http://a/b:1",
        "http://u@a:1",
        "",
    ] {
        assert_eq!(address(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_question_reads_each_selector_once_over_all_the_times_that_it_is_read_at() {
    let asked = Asked { start_ms: 1_000_000, end_ms: 2_000_000, lookback_ms: 300_000, subquery_step_ms: 60_000 };
    let found = |text: &str| spans::spans(&crate::parse(text).unwrap(), asked);
    let span = |selector: &str, start_ms, end_ms| Span { selector: selector.into(), start_ms, end_ms };
    assert_eq!(found("1 + vector(2)"), []);
    assert_eq!(found("a"), [span("a", 699_999, 2_000_000)]);
    assert_eq!(found("rate(a[1m]) + a offset 100s"), [span("a", 599_999, 2_000_000)]);
    assert_eq!(found("sum(a{b!=\"c\"} @ 50)"), [span("a{b!=\"c\"}", -250_001, 50_000)]);
    assert_eq!(found("max_over_time(rate(a[1m])[10m:1m])"), [span("a", 279_999, 2_000_000)]);
    assert_eq!(found("topk(scalar(n), a @ end())").len(), 2);
}

#[test]
fn what_a_peer_says_is_an_answer_only_if_it_is_whole_and_in_order() {
    let series = |chunk: &str| {
        format!(r#"[{{"endpoint":"h","metric":"m","tags":[],"type":"GAUGE","step_s":1,"chunks":[{chunk}]}}]"#)
    };
    let decoded = |chunk: &str| wire::decode(series(chunk).as_bytes());
    let good = decoded(r#"{"granularity_ms":0,"timestamps":[1,2],"bits":[[0,9221120237041090562]]}"#).unwrap();
    assert_eq!(good[0].2[0].columns[0][0], 0.0);
    for wrong in [
        r#"{"granularity_ms":0,"timestamps":[1,2],"bits":[[0]]}"#,
        r#"{"granularity_ms":0,"timestamps":[2,1],"bits":[[0,0]]}"#,
        r#"{"granularity_ms":0,"timestamps":[1],"bits":[]}"#,
        r#"{"granularity_ms":60000,"timestamps":[1],"bits":[[0]]}"#,
        r#"{"granularity_ms":-1,"timestamps":[],"bits":[[],[],[],[],[],[],[],[]]}"#,
        r#"{"granularity_ms":0,"timestamps":[5],"bits":[[0]]},{"granularity_ms":0,"timestamps":[5],"bits":[[0]]}"#,
    ] {
        assert!(matches!(decoded(wrong), Err(PeerError::Answer)), "{wrong}");
    }
    assert!(wire::decode(b"[").is_err());
}
