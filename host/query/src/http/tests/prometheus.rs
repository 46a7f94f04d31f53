use super::*;

const T: i64 = 1_435_781_451_781;

fn filled() -> Doors {
    let busy = |core: &str| identity("web-1", "cpu.busy", &[("core", core)]);
    doors(&[
        (busy("0"), MetricType::Gauge, 10, &[(T - 20_000, 1.0), (T - 10_000, 2.0), (T, 3.5)]),
        (busy("1"), MetricType::Gauge, 10, &[(T - 10_000, 7.0), (T, 8.0)]),
        (identity("web-1", "net.if.in", &[("disk.name", "é\"")]), MetricType::Counter, 10, &[(T, 10.0)]),
    ])
}

fn ok(body: &str) -> Answered {
    (200, "application/json".into(), body.into())
}

fn bad(status: u16, kind: &str, error: &str) -> Answered {
    let body = format!(r#"{{"status":"error","errorType":"{kind}","error":{}}}"#, serde_json::Value::from(error));
    (status, "application/json".into(), body)
}

#[tokio::test]
async fn an_instant_query_is_answered_by_get_and_by_post_alike() {
    let doors = filled();
    let expected = ok(concat!(
        r#"{"status":"success","data":{"resultType":"vector","result":["#,
        r#"{"metric":{"__name__":"cpu_busy","core":"0","instance":"web-1"},"value":[1435781451.781,"3.5"]},"#,
        r#"{"metric":{"__name__":"cpu_busy","core":"1","instance":"web-1"},"value":[1435781451.781,"8"]}]}}"#
    ));
    assert_eq!(doors.get("/api/v1/query?query=cpu_busy&time=1435781451.781").await, expected);
    assert_eq!(doors.form("/api/v1/query", "query=cpu_busy&time=2015-07-01T20:10:51.781Z").await, expected);
    // What stands in the body counts before what stands in the URL.
    assert_eq!(doors.form("/api/v1/query?query=up&time=1435781451.781", "query=cpu_busy").await, expected);
    for (query, result) in [
        ("1", r#"{"resultType":"scalar","result":[0,"1"]}"#),
        ("%22a%22", r#"{"resultType":"string","result":[0,"a"]}"#),
        ("none", r#"{"resultType":"vector","result":[]}"#),
    ] {
        let expected = ok(&format!(r#"{{"status":"success","data":{result}}}"#));
        assert_eq!(doors.get(&format!("/api/v1/query?query={query}&time=0")).await, expected);
    }
    let matrix = doors.get("/api/v1/query?query=cpu_busy%7Bcore%3D%220%22%7D%5B15s%5D&time=1435781451.781").await;
    assert_eq!(
        matrix.2,
        concat!(
            r#"{"status":"success","data":{"resultType":"matrix","result":["#,
            r#"{"metric":{"__name__":"cpu_busy","core":"0","instance":"web-1"},"#,
            r#""values":[[1435781441.781,"2"],[1435781451.781,"3.5"]]}]}}"#
        )
    );
    let now = doors.get("/api/v1/query?query=vector(1)").await;
    assert!(now.2.contains(r#""resultType":"vector""#), "now, without a time: {now:?}");
}

#[tokio::test]
async fn a_range_query_has_its_steps() {
    let query = "query=sum(cpu_busy)&start=1435781441.781&end=1435781451.781&step=10";
    let expected = ok(concat!(
        r#"{"status":"success","data":{"resultType":"matrix","result":["#,
        r#"{"metric":{},"values":[[1435781441.781,"9"],[1435781451.781,"11.5"]]}]}}"#
    ));
    let doors = filled();
    assert_eq!(doors.get(&format!("/api/v1/query_range?{query}")).await, expected);
    assert_eq!(doors.form("/api/v1/query_range", &query.replace("step=10", "step=10s")).await, expected);
    let most = doors.get("/api/v1/query_range?query=1&start=0&end=11000&step=1").await;
    assert_eq!(most.0, 200, "11,001 steps, as Prometheus takes them");
    assert_eq!(most.2.matches("\"1\"]").count(), 11_001);
}

#[tokio::test]
async fn wrong_parameters_are_rejected_in_prometheus_words() {
    let doors = filled();
    let invalid = |name: &str, why: &str| bad(400, "bad_data", &format!("invalid parameter \"{name}\": {why}"));
    for (path, expected) in [
        (
            "query?query=up&time=x",
            invalid("time", "Invalid time value for 'time': cannot parse \"x\" to a valid timestamp"),
        ),
        ("query?query=up&timeout=x", invalid("timeout", "cannot parse \"x\" to a valid duration")),
        ("query?query=up&limit=-1", invalid("limit", "limit must be non-negative")),
        ("query?query=up&limit=x", invalid("limit", "strconv.Atoi: parsing \"x\": invalid syntax")),
        ("query_range?query=up&end=1&step=1", invalid("start", "cannot parse \"\" to a valid timestamp")),
        ("query_range?query=up&start=1&end=x&step=1", invalid("end", "cannot parse \"x\" to a valid timestamp")),
        ("query_range?query=up&start=2&end=1&step=1", invalid("end", "end timestamp must not be before start time")),
        ("query_range?query=up&start=1&end=2&step=x", invalid("step", "cannot parse \"x\" to a valid duration")),
        (
            "query_range?query=up&start=1&end=2&step=0",
            invalid("step", "zero or negative query resolution step widths are not accepted. Try a positive integer"),
        ),
        ("series", bad(400, "bad_data", "no match[] parameter provided")),
        ("series?match[]=%7Ba%3D%22%22%7D", invalid("match[]", "match[] must contain at least one non-empty matcher")),
        ("labels?start=x", invalid("start", "Invalid time value for 'start': cannot parse \"x\" to a valid timestamp")),
        ("metadata?limit=x", bad(400, "bad_data", "limit must be a number")),
        ("query?query=%zz", bad(400, "bad_data", "error parsing form values: invalid URL escape \"%zz\"")),
        ("query_exemplars?query=up&start=2&end=1", invalid("end", "end timestamp must not be before start timestamp")),
    ] {
        assert_eq!(doors.get(&format!("/api/v1/{path}")).await, expected, "{path}");
    }
    let (status, _, body) = doors.get("/api/v1/query?query=sum(").await;
    assert!(status == 400 && body.contains(r#""error":"invalid parameter \"query\": 1:5: parse error: "#), "{body}");
    let (status, _, body) = doors.get("/api/v1/query_range?query=%22a%22&start=1&end=2&step=1").await;
    assert!(status == 400 && body.contains("for range query, must be scalar or instant vector"), "{body}");
    let (status, _, body) = doors.get("/api/v1/query_range?query=up&start=0&end=11001&step=1").await;
    assert!(status == 400 && body.contains("exceeded maximum resolution of 11,000 points per timeseries"), "{body}");
    assert!(body.contains("a step of 2s would do"), "{body}");
    let huge = format!("query={}", "a".repeat(2 << 20));
    assert_eq!(doors.form("/api/v1/query", &huge).await.0, 400);
}

#[tokio::test]
async fn what_fails_while_it_runs_has_prometheus_status() {
    let doors = filled();
    let (status, _, body) =
        doors.get("/api/v1/query?query=cpu_busy+%2F+on(instance)+cpu_busy&time=1435781451.781").await;
    assert!(status == 422 && body.contains(r#""errorType":"execution""#), "{body}");
    let (status, _, body) = doors.get("/api/v1/query?query=cpu_busy&timeout=0").await;
    assert!(status == 503 && body.contains(r#""errorType":"timeout""#), "{body}");
    let limits = saker_pipeline::reader::ReadLimits { samples: 1, ..Default::default() };
    doors.engine.apply(QueryConfig { limits, ..QueryConfig::default() });
    let (status, _, body) = doors.get("/api/v1/query?query=cpu_busy&time=1435781451.781").await;
    assert!(status == 422 && body.contains("and 1 is the most"), "{body}");
    doors.engine.stop();
    let response = doors.call(Request::get("/api/v1/query?query=1").body(Body::empty()).unwrap()).await;
    assert_eq!((response.status().as_u16(), &response.headers()[header::RETRY_AFTER]), (503, &"1".parse().unwrap()));
}

#[tokio::test]
async fn limits_cut_and_say_so_and_statistics_are_there_when_asked_for() {
    let doors = filled();
    assert_eq!(
        doors.get("/api/v1/query?query=cpu_busy&time=1435781451.781&limit=1").await.2,
        concat!(
            r#"{"status":"success","data":{"resultType":"vector","result":["#,
            r#"{"metric":{"__name__":"cpu_busy","core":"0","instance":"web-1"},"value":[1435781451.781,"3.5"]}]},"#,
            r#""warnings":["results truncated due to limit"]}"#
        )
    );
    for limit in [0, 2, 100] {
        let (.., body) = doors.get(&format!("/api/v1/query?query=cpu_busy&time=1435781451.781&limit={limit}")).await;
        assert!(!body.contains("truncated"), "{body}");
    }
    let (.., body) = doors.get("/api/v1/query?query=cpu_busy&time=1435781451.781&stats=all").await;
    let stats = &serde_json::from_str::<serde_json::Value>(&body).unwrap()["data"]["stats"];
    assert_eq!(stats["samples"]["totalQueryableSamples"], 5, "{body}");
    assert!(stats["timings"]["execTotalTime"].as_f64().unwrap() > 0.0);
    let mut keys: Vec<_> = stats["timings"].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["evalTotalTime", "execQueueTime", "execTotalTime", "innerEvalTime", "queryPreparationTime", "resultSortTime"]
    );
}

#[tokio::test]
async fn series_labels_and_values_are_listed() {
    let doors = filled();
    let one = r#"{"status":"success","data":[{"__name__":"net_if_in","disk_name":"é\"","instance":"web-1"}]}"#;
    for selector in ["net_if_in", "%7B%22net.if.in%22%7D", "%7B__name__%3D~%22net.*%22%7D"] {
        assert_eq!(doors.get(&format!("/api/v1/series?match[]={selector}")).await, ok(one));
        assert_eq!(doors.form("/api/v1/series", &format!("match%5B%5D={selector}")).await, ok(one));
    }
    assert_eq!(doors.get("/api/v1/series?match[]=none").await, ok(r#"{"status":"success","data":[]}"#));
    for (path, expected) in [
        ("labels", r#"{"status":"success","data":["__name__","core","disk_name","instance"]}"#),
        ("labels?match[]=cpu_busy&match[]=none", r#"{"status":"success","data":["__name__","core","instance"]}"#),
        ("labels?end=1", r#"{"status":"success","data":[]}"#),
        ("label/__name__/values", r#"{"status":"success","data":["cpu_busy","net_if_in"]}"#),
        ("label/core/values?match[]=cpu_busy", r#"{"status":"success","data":["0","1"]}"#),
        ("label/disk.name/values", r#"{"status":"success","data":["é\""]}"#),
        ("label/U__disk_2e_name/values", r#"{"status":"success","data":["é\""]}"#),
        ("label/none/values", r#"{"status":"success","data":[]}"#),
        (
            "label/core/values?limit=1",
            r#"{"status":"success","data":["0"],"warnings":["results truncated due to limit"]}"#,
        ),
    ] {
        assert_eq!(doors.get(&format!("/api/v1/{path}")).await, ok(expected), "{path}");
    }
    assert_eq!(
        doors.form("/api/v1/labels", "match[]=cpu_busy").await.2,
        r#"{"status":"success","data":["__name__","core","instance"]}"#
    );
    assert_eq!(
        doors.get("/api/v1/label/U__a_zz_/values").await,
        bad(400, "bad_data", "invalid label name: \"U__a_zz_\"")
    );
}

#[tokio::test]
async fn what_grafana_asks_beside_queries_is_answered() {
    let now = now_ms();
    let doors = doors(&[
        (identity("web-1", "cpu.busy", &[]), MetricType::Gauge, 10, &[(now, 1.0)]),
        (identity("web-1", "net.in", &[]), MetricType::Counter, 10, &[(now, 1.0)]),
    ]);
    for (path, expected) in [
        (
            "metadata",
            concat!(
                r#"{"status":"success","data":{"cpu_busy":[{"type":"gauge","help":"cpu.busy","unit":""}],"#,
                r#""net_in":[{"type":"counter","help":"net.in","unit":""}]}}"#
            ),
        ),
        (
            "metadata?metric=net_in&limit=1&limit_per_metric=1",
            r#"{"status":"success","data":{"net_in":[{"type":"counter","help":"net.in","unit":""}]}}"#,
        ),
        ("metadata?metric=none", r#"{"status":"success","data":{}}"#),
        (
            "status/buildinfo",
            concat!(
                r#"{"status":"success","data":{"version":"3.5.0","revision":"saker 0.1.0","branch":"","buildUser":"","#,
                r#""buildDate":"","goVersion":""}}"#
            ),
        ),
        ("format_query?query=foo%2Fbar", r#"{"status":"success","data":"foo / bar"}"#),
        ("query_exemplars?query=foo&start=1&end=2", r#"{"status":"success","data":[]}"#),
    ] {
        assert_eq!(doors.get(&format!("/api/v1/{path}")).await, ok(expected), "{path}");
    }
    assert_eq!(doors.form("/api/v1/format_query", "query=a%2Bb").await.2, r#"{"status":"success","data":"a + b"}"#);
    assert_eq!(doors.form("/api/v1/query_exemplars", "query=a").await.2, r#"{"status":"success","data":[]}"#);
    assert_eq!(doors.get("/api/v1/format_query?query=sum(").await.0, 400);
}
