//! Protocols of lines with sockets of their own: TCP, where a sender is kept waiting while there is no room, and UDP,
//! where nobody can be.
//!
//! A protocol says what it is called, what can be set, and how its lines are read; connections, datagrams, bounds and
//! counts are the same for all.

mod bind;
mod config;
mod conversation;
mod faults;
mod kernel;
mod own_http;
mod stats;
mod tcp;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::{Router, middleware};
use saker_http::ConnectionTable;
use saker_model::{RejectCounts, RejectReason};
use saker_pipeline::OverloadPolicy;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use self::bind::Bound;
pub use self::config::SocketConfig;
use self::conversation::Lines;
pub use self::conversation::{Framer, Reply};
use self::faults::FaultLog;
pub(crate) use self::stats::SocketStats;
use crate::admission::{self, Prepaid};
use crate::asked::Way;
use crate::batch::Decoder;
use crate::keys::KeyCache;
use crate::reading::{FramedMessages, Report};
use crate::take::{self, Untaken};
use crate::{AllListenerStats, IngestAdmission, IngestContext, ListenerStats, ProtocolListenError, ProtocolListener};

/// A line over TCP is no longer than a datagram can be, so that a connection holds no more.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;
/// What the points of some bytes can come to beside them: the shortest line has four bytes.
const POINTS_PER_BYTE: usize = take::POINT_BYTES / 4;
/// How soon it is tried again when there was no memory, or the names of series were changing.
const AGAIN: Duration = Duration::from_millis(100);

/// A protocol of lines.
pub trait LineProtocol: Send + Sync + Sized + 'static {
    /// What it is called: in the configuration, and where its points are counted.
    const NAME: &'static str;
    /// The paths of HTTP that bring points as well.
    const PATHS: &'static [&'static str] = &[];
    /// What one message over TCP may have.
    const MESSAGE_BYTES_MAX: usize = LINE_BYTES_MAX;
    /// What can be set.
    type Config: Clone + PartialEq + Send + Sync + 'static;
    /// What reads its lines.
    type Decoder: Decoder + 'static;

    /// Where it listens, and its bounds.
    fn sockets(config: &Self::Config) -> &SocketConfig;

    /// What reads lines. `endpoint` is whose values these are where nothing else says it.
    fn decoder(config: &Self::Config, endpoint: &Arc<str>) -> Self::Decoder;

    /// What finds the end of messages over TCP.
    fn framer() -> Box<dyn Framer> {
        Box::new(Lines)
    }

    /// What is said to the sender of messages over TCP that were taken, within this time.
    fn reply(_decoder: &Self::Decoder, _messages: &[u8], _report: &Report, _took: Duration) -> Reply {
        Reply::default()
    }

    /// What it answers to over HTTP at the API's port.
    fn routes() -> Router<LineDoor<Self>> {
        Router::new()
    }

    /// What it answers there though there may be no room for points.
    fn questions() -> Router {
        Router::new()
    }

    /// What it answers to over HTTP at its own port, and the names that it is asked under; nothing if it speaks none.
    fn own_routes(_config: &Self::Config) -> Option<(Router<LineDoor<Self>>, Vec<String>)> {
        None
    }
}

/// Where what comes over HTTP meets what comes through sockets.
pub struct LineDoor<P: LineProtocol>(Arc<LineListenerShared<P>>);

impl<P: LineProtocol> Clone for LineDoor<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: LineProtocol> LineDoor<P> {
    /// How lines are taken now.
    pub(crate) fn intake(&self) -> Arc<LineIntake<P>> {
        self.0.intake.load_full()
    }

    /// Where a body goes.
    pub(crate) fn way<'a>(&'a self, intake: &'a LineIntake<P>) -> Way<'a> {
        Way { listener: &self.0.listener, admission: &self.0.admission, keys: &intake.keys }
    }

    /// Routes behind the listener that lets requests in.
    fn router(&self, routes: Router<Self>) -> Router {
        let admit = middleware::from_fn_with_state(self.0.admission.clone(), admission::admit);
        let routes = if routes.has_routes() { routes.route_layer(admit) } else { routes };
        routes.with_state(self.clone())
    }
}

/// The sockets of a protocol.
pub struct LineListener<P: LineProtocol> {
    shared: Arc<LineListenerShared<P>>,
    bound: Mutex<Bound>,
}

/// What all connections and datagrams of a protocol share.
struct LineListenerShared<P: LineProtocol> {
    listeners: Arc<AllListenerStats>,
    listener: Arc<ListenerStats>,
    admission: Arc<IngestAdmission>,
    intake: ArcSwap<LineIntake<P>>,
    connections: Arc<ConnectionTable>,
    faults: FaultLog,
}

/// How lines are taken, and what is known of those that came before.
pub(crate) struct LineIntake<P: LineProtocol> {
    pub(crate) config: P::Config,
    pub(crate) endpoint: Arc<str>,
    decoder: P::Decoder,
    keys: Arc<KeyCache>,
}

/// What became of lines, and who has read them.
struct Taken<P: LineProtocol> {
    intake: Arc<LineIntake<P>>,
    report: Report,
}

/// When what runs has to be over.
type StopSignal = watch::Receiver<Option<Instant>>;

impl<P: LineProtocol> ProtocolListener for LineListener<P> {
    type Config = P::Config;

    fn build(context: &IngestContext, config: &P::Config, endpoint: &Arc<str>) -> Self {
        let (listener, intake) = (context.listeners.open(P::NAME, P::PATHS), LineIntake::<P>::new(config, endpoint));
        listener.show_keys(intake.keys.clone());
        listener.sockets();
        let shared = LineListenerShared {
            listeners: context.listeners.clone(),
            listener,
            admission: context.admission.clone(),
            intake: ArcSwap::from_pointee(intake),
            connections: Arc::default(),
            faults: FaultLog::new(P::NAME),
        };
        Self { shared: Arc::new(shared), bound: Mutex::default() }
    }

    fn router(self: &Arc<Self>) -> Router {
        LineDoor(self.shared.clone()).router(P::routes()).merge(P::questions())
    }

    async fn apply(&self, config: &P::Config, endpoint: &Arc<str>) -> Result<(), ProtocolListenError> {
        self.shared.set(config, endpoint);
        let mut bound = self.bound.lock().await;
        bound.listen(P::sockets(config), &self.shared).await
    }

    async fn stop(&self, limit: Duration) {
        let mut bound = self.bound.lock().await;
        bound.stop(limit).await;
    }
}

impl<P: LineProtocol> LineListener<P> {
    /// Where it listens: over TCP, and over UDP.
    pub async fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        self.bound.lock().await.addresses()
    }
}

impl<P: LineProtocol> LineIntake<P> {
    fn new(config: &P::Config, endpoint: &Arc<str>) -> Self {
        let keys = Arc::new(KeyCache::new(P::sockets(config).key_cache_bytes));
        Self { config: config.clone(), endpoint: endpoint.clone(), decoder: P::decoder(config, endpoint), keys }
    }

    fn sockets(&self) -> &SocketConfig {
        P::sockets(&self.config)
    }
}

impl<P: LineProtocol> LineListenerShared<P> {
    /// What is known holds only as long as names are made in the same way.
    fn set(&self, config: &P::Config, endpoint: &Arc<str>) {
        let now = self.intake.load();
        if now.config != *config || now.endpoint != *endpoint {
            let intake = LineIntake::<P>::new(config, endpoint);
            self.listener.show_keys(intake.keys.clone());
            self.intake.store(Arc::new(intake));
        }
    }

    fn stats(&self) -> &SocketStats {
        self.listener.sockets()
    }

    /// Takes lines, however long it has to wait until there is room for those that `rejecting` says; nothing if the
    /// time was over before.
    async fn take(
        &self,
        from: SocketAddr,
        lines: FramedMessages<'_>,
        rejecting: OverloadPolicy,
        stop: &mut StopSignal,
    ) -> Option<Taken<P>> {
        loop {
            let bytes = lines.bytes().len();
            let room = async {
                self.admission.ready(rejecting == OverloadPolicy::All).await;
                self.memory(bytes.min(take::BATCH_BYTES) + bytes * POINTS_PER_BYTE).await
            };
            let mut memory = within(stop, room).await?;
            let intake = self.intake.load_full();
            let (session, keys, decoder) = (self.listener.session(), &intake.keys, &intake.decoder);
            let taken = if rejecting == OverloadPolicy::All {
                take::offer(session, keys, decoder, lines, &mut memory).await
            } else {
                take::take(session, keys, decoder, lines, &mut memory, rejecting).await
            };
            drop(memory);
            let pause = match taken {
                Ok(report) => {
                    self.listener.note(&report);
                    self.faults.note(from, &report);
                    return Some(Taken { intake, report });
                }
                Err(Untaken::Overload(overload)) if rejecting == OverloadPolicy::All => overload.retry_after.max(AGAIN),
                // It is counted, and nobody comes again with it.
                Err(Untaken::Overload(_)) => return Some(Taken { intake, report: Report::default() }),
                Err(Untaken::NoMemory(_) | Untaken::Names) => AGAIN,
            };
            within(stop, tokio::time::sleep(pause)).await?;
        }
    }

    /// Memory for points on their way, however long it has to be waited for.
    async fn memory(&self, bytes: usize) -> Prepaid {
        loop {
            match self.admission.prepay(bytes) {
                Some(memory) => return memory,
                None => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// A line cannot even be read, whatever its protocol.
    fn malformed(&self, from: SocketAddr, what: &str) {
        let mut rejected = RejectCounts::default();
        rejected.add_malformed();
        self.listener.session().reject(1, &rejected);
        self.faults.note(from, &Report::of_fault(what));
    }

    /// Lines that there was no time for.
    fn lost(&self, lines: usize) {
        let mut rejected = RejectCounts::default();
        rejected.add(RejectReason::NoRoom, lines as u64);
        self.listener.session().reject(lines, &rejected);
    }
}

/// Awaits something, unless the time is over before.
async fn within<T>(stop: &mut StopSignal, something: impl Future<Output = T>) -> Option<T> {
    let over = async {
        let end = told_to_stop(stop).await;
        tokio::time::sleep_until(end).await;
    };
    tokio::select! {
        biased;
        done = something => Some(done),
        () = over => None,
    }
}

/// Waits until it is told to stop; answers when all has to be over. Whoever tells it goes away without a word: at once.
async fn told_to_stop(stop: &mut StopSignal) -> Instant {
    let end = stop.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    end.unwrap_or_else(Instant::now)
}

#[cfg(test)]
mod tests;
