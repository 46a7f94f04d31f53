use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, header};
use saker_http::{RequestInfo, ServerSettings, Token};
use saker_model::{MetricType, Point, Series, SeriesTable};
use saker_pipeline::reader::Identity;
use saker_pipeline::{Sink, now_ms};
use saker_query::{MemoryReader, QueryConfig};
use tower_service::Service;

use super::*;

const TOKEN: &str = "a-token-of-24-characters";

struct Page {
    router: Router,
    feed: Arc<Feed>,
    table: Arc<SeriesTable>,
}

fn page() -> Page {
    let mut reader = MemoryReader::default();
    let identity = Identity { endpoint: "secret-host".into(), metric: "cpu.busy".into(), tags: [].into() };
    (0..30).for_each(|place| reader.push(&identity, now_ms() - 10_000 * place, place as f64));
    let table = Arc::new(SeriesTable::new(10));
    let feed = Arc::new(Feed::new(table.clone(), Arc::new(|| "secret-host".into())));
    let engine = Engine::new(QueryConfig::default(), Arc::new(reader));
    let routers = routers(Dependencies { engine, feed: feed.clone(), version: "1.2.3" });
    let index = Router::new().route("/", get(|| async { "the index" })).layer(middleware::from_fn(saker_http::guarded));
    let guarded = routers.guarded.clone().layer(middleware::from_fn(saker_http::guarded));
    Page { router: routers.front(index).merge(routers.open).merge(guarded), feed, table }
}

/// A token, as it is read from its file.
fn token() -> Token {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{TOKEN}").unwrap();
    Token::read(file.path()).unwrap()
}

async fn ask(page: &mut Page, path: &str, accept: &str, token: Option<Token>, given: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path).header(header::ACCEPT, accept);
    if let Some(given) = given {
        request = request.header(header::AUTHORIZATION, format!("Bearer {given}"));
    }
    let settings = Arc::new(ServerSettings { token, ..ServerSettings::default() });
    let visit = RequestInfo { settings, client: IpAddr::V4(Ipv4Addr::LOCALHOST), stats: Arc::default() };
    page.router.call(request.extension(visit).body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_browser_gets_the_document_under_its_policy_and_a_program_the_index() {
    let mut page = page();
    assert_eq!(text(ask(&mut page, "/", "*/*", None, None).await).await, "the index");
    let document = ask(&mut page, "/", "text/html,*/*;q=0.8", None, None).await;
    let of = |name| document.headers()[name].to_str().unwrap().to_owned();
    assert!(of(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'self'; "));
    assert_eq!(
        (of(header::CACHE_CONTROL), of(header::CONTENT_TYPE)),
        ("no-store".into(), "text/html; charset=utf-8".into())
    );
    let text = text(document).await;
    assert!(!text.contains("<style") && !text.contains("onload") && !text.contains("://"), "{text}");
    for script in text.split("<script").skip(1) {
        assert!(script.starts_with(" type=\"application/json\"") || script.contains("></script>"), "{script}");
    }
}

#[tokio::test]
async fn without_the_token_the_document_tells_nothing_of_the_host() {
    let mut page = page();
    let document = text(ask(&mut page, "/", "text/html", Some(token()), None).await).await;
    assert!(!document.contains("secret-host") && !document.contains("cpu.busy"), "{document}");
    assert_eq!(ask(&mut page, "/", "*/*", Some(token()), None).await.status(), StatusCode::UNAUTHORIZED);
    for path in ["/saker/v1/page/live", "/saker/v1/page/changes"] {
        let wrong = ask(&mut page, path, "*/*", Some(token()), Some("another-token-as-long")).await;
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(ask(&mut page, path, "*/*", Some(token()), Some(TOKEN)).await.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(ask(&mut page, "/page/icon.svg", "*/*", Some(token()), None).await.status(), StatusCode::OK);
    assert_eq!(ask(&mut page, "/page/..%2fsecret", "*/*", None, None).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_stream_begins_with_the_past_goes_on_with_runs_and_ends_with_the_agent() {
    let mut page = page();
    let stream = ask(&mut page, "/saker/v1/page/live", "text/event-stream", None, None).await;
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    let series = Series {
        endpoint: "secret-host".into(),
        metric: "load.1min".into(),
        tags: [].into(),
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    let id = page.table.intern_series(series, 0).unwrap();
    page.feed.keep(&[Point { series: id, timestamp_ms: 7000, value: 1.5 }]);
    page.feed.close();
    let told = text(stream).await;
    let events: Vec<_> = told.split("\n\n").filter(|event| !event.is_empty()).collect();
    assert_eq!(events.len(), 2, "{told}");
    assert!(events[0].starts_with("event: past\ndata: {\"epoch\":") && events[0].contains("cpu.busy"), "{told}");
    assert!(events[1].starts_with("event: run\ndata: {\"t\":7000,\"n\":[1],\"v\":[1.5],\"new\":[{"), "{told}");
    assert_eq!(page.feed.pages(), 0);
    assert_eq!(
        ask(&mut page, "/saker/v1/page/live", "*/*", None, None).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn a_window_that_is_none_is_rejected() {
    let mut page = page();
    for query in [
        "?start=5&end=5",
        "?start=9&end=5",
        "?start=0&end=9000000",
        "?start=-9223372036854775808&end=9223372036854775807",
    ] {
        let path = format!("/saker/v1/page/changes{query}");
        assert_eq!(ask(&mut page, &path, "*/*", None, None).await.status(), StatusCode::BAD_REQUEST, "{query}");
    }
    let path = "/saker/v1/page/changes?start=-9223372036854775808&end=-9223372036854775807";
    assert_eq!(ask(&mut page, path, "*/*", None, None).await.status(), StatusCode::OK);
    let path = "/saker/v1/page/live?since=-9223372036854775808";
    assert_eq!(ask(&mut page, path, "*/*", None, None).await.status(), StatusCode::OK);
}
