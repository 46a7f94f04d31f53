//! HTTP at the port of a protocol of lines: its first letter tells it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::middleware;
use parking_lot::Mutex;
use saker_http::{ApiError, Handover, HostNames, HttpLimits, ServerSettings, StopTimes};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{LineDoor, LineIntake, LineListenerShared, LineProtocol, StopSignal, told_to_stop};
use crate::stats;

/// What answers HTTP.
pub(super) struct OwnHttp<P: LineProtocol> {
    shared: Arc<LineListenerShared<P>>,
    handover: Handover,
    /// What its settings were made of.
    settings_of: Mutex<Arc<LineIntake<P>>>,
}

impl<P: LineProtocol> OwnHttp<P> {
    /// Nothing, if the protocol speaks none.
    pub(super) fn new(shared: &Arc<LineListenerShared<P>>) -> Option<Self> {
        let intake = shared.intake.load_full();
        let (routes, _) = P::own_routes(&intake.config)?;
        let listener = LineDoor(shared.clone());
        let router = listener
            .router(routes)
            .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "no such path here") })
            .layer(middleware::from_fn_with_state(shared.listeners.clone(), stats::count));
        let handover = Handover::new(router, settings(&*intake), shared.admission.stats());
        Some(Self { shared: shared.clone(), handover, settings_of: Mutex::new(intake) })
    }

    /// Whether a connection begins as HTTP does: with a capital letter, as all its methods.
    pub(super) async fn is_wanted(&self, stream: &TcpStream, stop: &mut StopSignal) -> bool {
        let (mut first, idle) = ([0], self.shared.intake.load().sockets().idle_timeout);
        let peeked = tokio::select! {
            biased;
            peeked = timeout(idle, stream.peek(&mut first)) => peeked,
            _ = told_to_stop(stop) => return false,
        };
        matches!(peeked, Ok(Ok(1))) && first[0].is_ascii_uppercase()
    }

    /// Serves a connection to its end.
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let intake = self.shared.intake.load_full();
        let is_other = !Arc::ptr_eq(&intake, &self.settings_of.lock());
        if is_other {
            self.handover.set(settings(&*intake));
            *self.settings_of.lock() = intake;
        }
        self.handover.serve(stream, peer).await;
    }

    /// Has all connections end until then.
    pub(super) fn stop(&self, end: Instant) {
        let work = end.saturating_duration_since(Instant::now());
        self.handover.stop(StopTimes { peers: work / 2, work });
    }
}

fn settings<P: LineProtocol>(intake: &LineIntake<P>) -> ServerSettings {
    let names = P::own_routes(&intake.config).map(|(_, names)| names).unwrap_or_default();
    let sockets = intake.sockets().limits();
    ServerSettings {
        limits: HttpLimits { ..sockets },
        names: HostNames::of_this_host(&names),
        ..ServerSettings::default()
    }
}
