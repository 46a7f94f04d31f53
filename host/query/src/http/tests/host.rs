use super::*;
use std::io::Read;

fn filled(series: usize) -> Doors {
    let now = [(now_ms(), 2.5)];
    let tags: Vec<String> = (0..series).map(|place| place.to_string()).collect();
    let samples =
        tags.iter().map(|core| (identity("web-1", "cpu.busy", &[("core", core)]), MetricType::Gauge, 10, &now[..]));
    doors(&samples.collect::<Vec<_>>())
}

#[tokio::test]
async fn the_host_is_exposed_in_one_format_whatever_is_accepted() {
    let doors = filled(1);
    let expected =
        concat!("# HELP cpu_busy cpu.busy\n# TYPE cpu_busy gauge\n", "cpu_busy{core=\"0\",instance=\"web-1\"} 2.5\n");
    for accept in ["application/openmetrics-text;version=1.0.0", "text/plain;version=1.0.0;escaping=allow-utf-8", "*/*"]
    {
        let request = Request::get("/metrics/host").header(header::ACCEPT, accept).body(Body::empty()).unwrap();
        let (status, kind, body) = doors.ask(request).await;
        assert_eq!((status, &*kind, &*body), (200, "text/plain; version=0.0.4; charset=utf-8", expected));
    }
}

#[tokio::test]
async fn a_long_exposition_is_packed_for_who_takes_it() {
    let doors = filled(500);
    let plain = doors.get("/metrics/host").await.2;
    let request = Request::get("/metrics/host").header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
    let response = doors.call(request).await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
    let packed = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert!(packed.len() < plain.len() / 4);
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
}

#[tokio::test]
async fn collectors_can_be_chosen_and_one_without_values_is_a_mistake() {
    let doors = filled(1);
    assert_eq!(doors.get("/metrics/host?collect[]=cpu").await.0, 200);
    assert_eq!(doors.get("/metrics/host?exclude[]=cpu").await.2, "");
    let (status, _, body) = doors.get("/metrics/host?collect[]=cpuu").await;
    assert_eq!((status, &*body), (400, r#"{"error":"no collector has values under the name cpuu"}"#));
}
