//! Over a socket, as clients come.

use super::*;
use saker_http::{Server, ServerSettings, StopTimes};
use saker_pipeline::reader::{AggregateSet, Chunk, Matcher, ReadBudget, TimeRange};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A reader whose reads last until they are ended.
struct Endless;

impl SeriesReader for Endless {
    fn select(&self, _: &[Matcher], _: TimeRange, _: usize) -> Result<Vec<SeriesRef>, ReadError> {
        let attributes = Attributes { metric_type: MetricType::Gauge, step_s: 10 };
        Ok(vec![SeriesRef { id: 0, identity: Arc::new(identity("h", "up", &[])), attributes }])
    }

    fn read(
        &self,
        _: &[SeriesRef],
        _: TimeRange,
        _: AggregateSet,
        budget: &ReadBudget,
        _: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        loop {
            budget.check()?;
            std::thread::yield_now();
        }
    }
}

pub(super) async fn serve(doors: &Doors) -> Server {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server::start(socket, doors.router.clone(), ServerSettings::default(), Arc::default()).unwrap()
}

async fn send(server: &Server, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = request.replace('\n', "\r\n").replace("HOST", &server.address().to_string());
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(server: &Server, request: &str) -> String {
    let mut answer = String::new();
    send(server, request).await.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(super) const STOP: StopTimes = StopTimes { peers: Duration::from_secs(1), work: Duration::from_secs(1) };

#[tokio::test]
async fn a_client_that_goes_away_ends_its_query_and_others_go_on() {
    let doors = over(Arc::new(Endless), QueryConfig::default());
    let server = serve(&doors).await;
    let gone = send(&server, "GET /api/v1/query?query=up HTTP/1.1\nHost: HOST\n\n").await;
    until(|| doors.engine.log().active().len() == 1).await;
    drop(gone);
    until(|| doors.engine.log().active().is_empty()).await;
    let ended = doors.engine.log().ended();
    assert_eq!(ended[0].error.as_deref(), Some("the query was cancelled"));
    let other = answer(&server, "GET /api/v1/query?query=1&time=0 HTTP/1.1\nHost: HOST\nConnection: close\n\n").await;
    assert!(other.ends_with(r#"{"status":"success","data":{"resultType":"scalar","result":[0,"1"]}}"#), "{other}");
    server.stop(STOP).await;
}

#[tokio::test]
async fn an_operator_lists_queries_and_ends_one() {
    let doors = over(Arc::new(Endless), QueryConfig::default());
    let server = serve(&doors).await;
    let mut running =
        send(&server, "GET /api/v1/query?query=up&time=7 HTTP/1.1\nHost: HOST\nConnection: close\n\n").await;
    until(|| doors.engine.log().active().len() == 1).await;
    let list = answer(&server, "GET /saker/v1/queries HTTP/1.1\nHost: HOST\nConnection: close\n\n").await;
    assert!(
        list.contains(r#"{"active":[{"id":0,"query":"up","start_ms":7000,"end_ms":7000,"step_ms":0,"running_ms":"#),
        "{list}"
    );
    let foreign = answer(&server, "DELETE /saker/v1/queries/0 HTTP/1.1\nHost: HOST\nConnection: close\n\n").await;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let ended =
        answer(&server, "DELETE /saker/v1/queries/0 HTTP/1.1\nHost: HOST\nX-Saker: 1\nConnection: close\n\n").await;
    assert!(ended.ends_with(r#"{"cancelled":0}"#), "{ended}");
    let mut rejected = String::new();
    running.read_to_string(&mut rejected).await.unwrap();
    assert!(rejected.starts_with("HTTP/1.1 499"), "{rejected}");
    assert!(rejected.ends_with(r#"{"status":"error","errorType":"canceled","error":"the query was cancelled"}"#));
    for path in ["/api/v1/graph/endpoint", "/api/v1/graph/counter"] {
        let request = format!("DELETE {path} HTTP/1.1\nHost: HOST\nContent-Length: 2\nConnection: close\n\n[]");
        assert!(answer(&server, &request).await.starts_with("HTTP/1.1 403"), "{path}");
    }
    server.stop(STOP).await;
}

#[tokio::test]
async fn more_queries_than_may_wait_are_told_to_come_again() {
    let doors = over(Arc::new(Endless), QueryConfig { threads: 1, waiting: 1, ..QueryConfig::default() });
    let server = serve(&doors).await;
    let request = "GET /api/v1/query?query=up HTTP/1.1\nHost: HOST\nConnection: close\n\n";
    let (first, second) = (send(&server, request).await, send(&server, request).await);
    until(|| doors.engine.log().active().len() == 2).await;
    let rejected = answer(&server, request).await;
    assert!(rejected.starts_with("HTTP/1.1 503") && rejected.contains(r#""errorType":"unavailable""#), "{rejected}");
    assert!(rejected.to_lowercase().contains("retry-after: 1"), "{rejected}");
    drop((first, second));
    until(|| doors.engine.log().active().is_empty()).await;
    server.stop(STOP).await;
}
