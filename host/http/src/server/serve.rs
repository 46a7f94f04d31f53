//! One connection and its requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::{ServerShared, StopDeadlines, accept, told_to_stop};
use crate::admission::{self, Arrival};
use crate::body::IncomingBody;
use crate::connection::{ConnectionState, Phase, TimedSocket, TrackedBody};
use crate::table::ConnectionSeat;
use crate::{RequestInfo, ServerSettings};

/// Lines of a head: four times what browsers send.
const HEADERS_MAX: usize = 100;
/// How often a stopping server looks whether a request has become one that only waits for its peer.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// So long an answer may take that was finished after peers have had their time.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// Serves a connection to its end, or until the server stops.
pub(super) async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    settings: Arc<ServerSettings>,
    shared: Arc<ServerShared>,
    seat: ConnectionSeat,
    mut stop: watch::Receiver<Option<StopDeadlines>>,
) {
    // An answer goes out as soon as it is there.
    let _ = stream.set_nodelay(true);
    let _open = OpenConnection::new(&shared, seat);
    let state = Arc::<ConnectionState>::default();
    let max_head_bytes = settings.limits.max_head_bytes;
    let socket = TimedSocket::new(stream, state.clone(), settings.limits.clone(), shared.stats.clone());
    drop(settings);
    let service = service_fn(|request| {
        // Not in the future, which is polled only after more of the body was read.
        state.begin_request();
        answer(request, peer, shared.clone(), state.clone())
    });
    let mut server = http1::Builder::new();
    // The socket has clocks of its own, for hyper's makes no difference between a slow head and none.
    server.timer(TokioTimer::new()).header_read_timeout(None).max_headers(HEADERS_MAX).max_header_size(max_head_bytes);
    let mut serving = pin!(server.serve_connection(TokioIo::new(socket), service));
    let ends = tokio::select! {
        // What a peer does wrong, or its going away, is its own affair.
        _ = serving.as_mut() => return,
        ends = told_to_stop(&mut stop) => ends,
    };
    let Some(ends) = ends else { return };
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        _ = serving => {}
        () = time_is_up(&state, ends) => accept::count_stopped(&shared),
    }
}

/// A connection that is counted as open.
struct OpenConnection {
    shared: Arc<ServerShared>,
    _seat: ConnectionSeat,
}

impl OpenConnection {
    fn new(shared: &Arc<ServerShared>, seat: ConnectionSeat) -> Self {
        shared.stats.open.fetch_add(1, Ordering::Relaxed);
        Self { shared: shared.clone(), _seat: seat }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.shared.stats.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until a connection has had its time in a server that stops.
async fn time_is_up(state: &ConnectionState, ends: StopDeadlines) {
    let mut peers = ends.peers;
    loop {
        let (now, phase) = (Instant::now(), state.get());
        if phase.is_between_requests() || now >= ends.work {
            return;
        }
        if phase == Phase::Working {
            peers = peers.max(now + LAST_ANSWER);
        } else if now >= peers {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Answers a request.
async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    shared: Arc<ServerShared>,
    state: Arc<ConnectionState>,
) -> Result<Response<TrackedBody>, Infallible> {
    let began = Instant::now();
    let settings = shared.settings.load_full();
    let (mut parts, body) = request.into_parts();
    let came = Arrival { peer, port: shared.port };
    let client = admission::client(&came, &parts.headers, &settings);
    let visit = RequestInfo { settings, client, stats: shared.stats.clone() };
    let (response, seat) = match admission::admit(&visit, &came, &parts, &shared.passed_on) {
        Ok(seat) => {
            let limits = visit.settings.limits.clone();
            let body = IncomingBody::new(body, state.clone(), shared.stats.clone(), limits);
            parts.extensions.insert(visit);
            let request = Request::from_parts(parts, Body::new(body));
            // A router is ready at any time.
            let Ok(response) = shared.router.clone().call(request).await;
            (response, seat)
        }
        Err(rejected) => {
            let response = rejected.into_response();
            shared.stats.turned_away(parts.uri.path(), &response);
            (response, None)
        }
    };
    shared.stats.requests.observe(began.elapsed());
    state.set(Phase::Answering);
    Ok(response.map(|body| TrackedBody::new(body, state, seat)))
}
