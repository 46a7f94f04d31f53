use super::*;

const JSON_UTF8: &str = "application/json; charset=utf-8";

/// A minute that is over, in seconds.
fn minute() -> i64 {
    now_ms() / 60_000 * 60 - 600
}

fn filled(minute_s: i64) -> Doors {
    let at = |steps: i64| (minute_s + steps * 60) * 1000;
    let eth0 = identity("h1", "net/in", &[("iface", "eth0")]);
    doors(&[
        (eth0, MetricType::Counter, 60, &[(at(0), 0.0), (at(1), 60.0), (at(2), 180.0), (at(3), 30.0)]),
        (identity("h1", "cpu.idle", &[]), MetricType::Gauge, 60, &[(at(0), 1.25), (at(1), 2.0), (at(4), 1.0 / 3.0)]),
        (identity("h2", "cpu.idle", &[]), MetricType::Gauge, 60, &[(at(0), 5.0)]),
    ])
}

fn ok(body: String) -> Answered {
    (200, JSON_UTF8.into(), body)
}

#[tokio::test]
async fn rows_of_both_dialects_have_graphs_shape_and_rounding() {
    let from = minute();
    let doors = filled(from);
    let rate = format!(
        concat!(
            r#"{{"endpoint":"h1","counter":"net/in/iface=eth0","dstype":"DERIVE","step":60,"Values":["#,
            r#"{{"timestamp":{},"value":1.000000}},{{"timestamp":{},"value":2.000000}},{{"timestamp":{},"value":null}}]}}"#
        ),
        from + 60,
        from + 120,
        from + 180
    );
    let gauge = format!(
        concat!(
            r#"{{"endpoint":"h1","counter":"cpu.idle","dstype":"GAUGE","step":60,"Values":["#,
            r#"{{"timestamp":{},"value":2.000000}},{{"timestamp":{},"value":null}},{{"timestamp":{},"value":null}}]}}"#
        ),
        from + 60,
        from + 120,
        from + 180
    );
    let unknown = r#"{"endpoint":"h1","counter":"none","dstype":"","step":0,"Values":[]}"#;
    let old = format!(
        concat!(
            r#"{{"start":{},"end":{},"cf":"AVERAGE","endpoint_counters":[{{"endpoint":"h1","counter":"net/in/iface=eth0"}},"#,
            r#"{{"endpoint":"h1","counter":"cpu.idle"}},{{"endpoint":"h1","counter":"none"}}]}}"#
        ),
        from + 60,
        from + 180
    );
    assert_eq!(doors.json("POST", "/graph/history", &old).await, ok(format!("[{rate},{gauge},{unknown}]")));
    let new = |step: &str| {
        format!(
            concat!(
                r#"{{"hostnames":["h1"],"counters":["net/in/iface=eth0","none","cpu.idle"],"consol_fun":"AVERAGE","#,
                r#""start_time":{},"end_time":{}{step}}}"#
            ),
            from + 60,
            from + 180,
            step = step
        )
    };
    assert_eq!(doors.json("POST", "/api/v1/graph/history", &new("")).await, ok(format!("[{rate},{gauge}]")));
    let with_step = doors.json("POST", "/api/v1/graph/history", &new(",\"step\":60")).await;
    assert_eq!(with_step, ok(format!("[{rate},{unknown},{gauge}]")));
}

#[tokio::test]
async fn newest_values_and_attributes_are_answered() {
    let from = minute();
    let doors = filled(from);
    let pairs = r#"[{"endpoint":"h1","counter":"cpu.idle"},null,{"endpoint":"h1","counter":"net/in/iface=eth0"},{"endpoint":"h9","counter":"x"}]"#;
    let last = |raw: &str| {
        format!(
            concat!(
                r#"[{{"endpoint":"h1","counter":"cpu.idle","value":{{"timestamp":{},"value":0.333333}}}},"#,
                r#"{{"endpoint":"h1","counter":"net/in/iface=eth0","value":{{"timestamp":{},"value":{raw}}}}},"#,
                r#"{{"endpoint":"h9","counter":"x","value":{{"timestamp":0,"value":0.000000}}}}]"#
            ),
            from + 240,
            from + 180,
            raw = raw
        )
    };
    assert_eq!(doors.json("POST", "/graph/last", pairs).await, ok(last("0.000000")));
    assert_eq!(doors.json("POST", "/api/v1/graph/lastpoint", pairs).await, ok(last("0.000000")));
    assert_eq!(doors.json("POST", "/graph/last/raw", pairs).await, ok(last("30.000000")));
    let info = concat!(
        r#"[{"endpoint":"h1","counter":"cpu.idle","consolFun":"GAUGE","step":60,"filename":"","addr":"10.0.0.1:1988"},"#,
        r#"{"endpoint":"h1","counter":"net/in/iface=eth0","consolFun":"DERIVE","step":60,"filename":"","addr":"10.0.0.1:1988"},"#,
        r#"{"endpoint":"h9","counter":"x","consolFun":"","step":0,"filename":"","addr":"10.0.0.1:1988"}]"#
    );
    assert_eq!(doors.json("POST", "/graph/info", pairs).await, ok(info.into()));
}

#[tokio::test]
async fn what_cannot_be_answered_is_rejected_in_each_dialects_shape() {
    let doors = filled(minute());
    let rejected = |body: &str| (400, JSON_UTF8.to_owned(), body.to_owned());
    for (path, body, expected) in [
        ("/graph/history", r#"{"endpoint_counters":[]}"#, r#"{"msg":"empty_payload"}"#),
        (
            "/graph/history",
            r#"{"cf":"SUM","endpoint_counters":[{"endpoint":"h","counter":"c"}]}"#,
            r#"{"msg":"cf must be AVERAGE, MAX or MIN"}"#,
        ),
        ("/graph/info", "[]", r#"{"msg":"empty"}"#),
        ("/graph/last", "[]", r#"{"msg":"empty"}"#),
        ("/graph/last/raw", "[]", r#"{"msg":"empty"}"#),
        ("/graph/last", "", r#"{"msg":"EOF while parsing a value at line 1 column 0"}"#),
        ("/api/v1/graph/history", "{}", r#"{"error":"hostnames is missing"}"#),
        (
            "/api/v1/graph/history",
            r#"{"hostnames":["h"],"counters":["c"],"consol_fun":"X","start_time":1,"end_time":2}"#,
            r#"{"error":"consol_fun must be AVERAGE, MAX or MIN"}"#,
        ),
        ("/api/v1/graph/lastpoint", "x", r#"{"error":"expected value at line 1 column 1"}"#),
    ] {
        assert_eq!(doors.json("POST", path, body).await, rejected(expected), "{path} {body}");
    }
    for (path, expected) in [
        ("endpoint", r#"{"error":"q and labels are all missing"}"#),
        ("endpoint?q=a&limit=x", r#"{"error":"limit must be a number, found \"x\""}"#),
        ("endpoint_counter", r#"{"error":"eid is missing"}"#),
        ("endpoint_counter?eid=x", r#"{"error":"input error, please check your input info."}"#),
    ] {
        assert_eq!(doors.get(&format!("/api/v1/graph/{path}")).await, rejected(expected), "{path}");
    }
    assert_eq!(doors.get("/api/v1/graph/endpoint?q=(").await.0, 400);
}

#[tokio::test]
async fn endpoints_and_counters_are_found_by_pattern() {
    let doors = filled(minute());
    let id = crate::falcon::endpoint_id;
    let (h1, h2) = (id("h1"), id("h2"));
    assert_eq!(
        doors.get("/api/v1/graph/endpoint?q=h.").await,
        ok(format!(r#"[{{"endpoint":"h1","id":{h1}}},{{"endpoint":"h2","id":{h2}}}]"#))
    );
    assert_eq!(
        doors.get("/api/v1/graph/endpoint?tags=iface%3Deth0").await,
        ok(format!(r#"[{{"endpoint":"h1","id":{h1}}}]"#))
    );
    assert_eq!(doors.get("/api/v1/graph/endpoint?q=none").await, ok("[]".into()));
    assert_eq!(
        doors.get(&format!("/api/v1/graph/endpoint_counter?eid={h1},{h2}&metricQuery=idle")).await,
        ok(format!(
            concat!(
                r#"[{{"counter":"cpu.idle","endpoint_id":{},"step":60,"type":"GAUGE"}},"#,
                r#"{{"counter":"cpu.idle","endpoint_id":{},"step":60,"type":"GAUGE"}}]"#
            ),
            h1, h2
        ))
    );
    let second = doors.get(&format!("/api/v1/graph/endpoint_counter?eid={h1}&limit=1&page=2")).await;
    assert_eq!(
        second,
        ok(format!(r#"[{{"counter":"net/in/iface=eth0","endpoint_id":{h1},"step":60,"type":"DERIVE"}}]"#))
    );
}

#[tokio::test]
async fn series_are_deleted_and_counted() {
    let doors = filled(minute());
    let (status, _, body) = doors
        .json("DELETE", "/api/v1/graph/counter", r#"{"endpoints":["h1","h2"],"counters":["cpu.idle","none"]}"#)
        .await;
    assert_eq!((status, &*body), (200, r#"{"affected_counter":2}"#));
    assert_eq!(*doors.erased.0.lock(), ["h1 cpu.idle", "h2 cpu.idle"]);
    let (.., body) = doors.json("DELETE", "/api/v1/graph/endpoint", r#"["h1","h9"]"#).await;
    assert_eq!(body, r#"{"affected_counter":2,"affected_endpoint":1}"#);
    let (status, _, body) = doors.json("DELETE", "/api/v1/graph/counter", r#"{"endpoints":["h1"]}"#).await;
    assert_eq!((status, &*body), (400, r#"{"error":"counters is missing"}"#));
}

#[tokio::test]
async fn without_a_store_nothing_is_deleted() {
    let reader = Arc::new(MemoryReader::default());
    let router = router(Dependencies {
        engine: Engine::new(QueryConfig::default(), reader.clone()),
        recent: reader,
        eraser: None,
        descriptions: Arc::new(NoDescriptions),
        version: "",
        address: String::new(),
    });
    let doors = Doors { router, ..doors(&[]) };
    assert_eq!(doors.json("DELETE", "/api/v1/graph/endpoint", "[]").await.0, 501);
}

#[tokio::test]
async fn a_graph_is_asked_for_its_state() {
    let doors = filled(minute());
    doors.json("POST", "/graph/last", r#"[{"endpoint":"h1","counter":"cpu.idle"}]"#).await;
    for path in ["/counter/all", "/statistics/all"] {
        let (status, kind, body) = doors.get(path).await;
        assert_eq!((status, &*kind), (200, JSON_UTF8));
        assert!(body.starts_with(r#"[{"Name":"HistoryRequestCnt","Cnt":0,"Qps":0,"Time":"20"#), "{body}");
        assert!(body.contains(r#"{"Name":"LastRequestItemCnt","Cnt":1,"#), "{body}");
    }
    assert_eq!(doors.get("/index/updateAll").await, ok(r#"{"msg":"ok"}"#.into()));
    assert_eq!(doors.get("/index/updateAll/concurrent").await, ok(r#"{"msg":"ok","value":0}"#.into()));
    let items = r#"[{"endpoint":"h","metric":"m","step":60,"dstype":"GAUGE","tags":""}]"#;
    assert_eq!(doors.json("POST", "/api/v2/index", items).await, ok(r#"{"msg":"ok"}"#.into()));
    assert_eq!(doors.json("POST", "/api/v2/index", r#"[{"endpoint":"h"}]"#).await.0, 400);
}
