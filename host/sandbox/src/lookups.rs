//! Looking names up: on threads of their own, once for all who ask at the same time, and remembered for a moment.
//!
//! The C library does it, so that all that this machine is set up to look in is looked in; it may take as long as it
//! likes there. What waits for an answer has a time of its own, and what was begun is charged to the instance that
//! began it until the C library is done, whether anybody still waits or not.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::custom_metrics::Meters;
use crate::system::Resolve;
use crate::threads::Threads;

/// How long an answer is waited for: less than a call has, so that the guest can say that it did not come.
const TIME: Duration = Duration::from_secs(4);
/// How long addresses are remembered. The C library does not tell how long they are good for, and services that move
/// quickly ask for half a minute or a minute.
const KNOWN: Duration = Duration::from_secs(30);
/// How long it is remembered that there are none.
const UNKNOWN: Duration = Duration::from_secs(5);
/// Names that are remembered.
const NAMES_MAX: usize = 1024;
/// Addresses of one name that are kept.
const ADDRESSES_MAX: usize = 64;
/// Look-ups that one instance may have under way.
const UNDER_WAY_MAX: usize = 4;
/// The longest name that there can be.
const NAME_BYTES_MAX: usize = 255;

/// Why a name has led nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    /// The resolver says so.
    #[error("{0}")]
    Failed(Arc<str>),
    /// The resolver says nothing.
    #[error("timed out: the resolver has not answered within {0:.1?}")]
    Timeout(Duration),
    /// The instance has too many look-ups under way.
    #[error("not asked: too many earlier look-ups are under way")]
    Busy,
    /// It is no name.
    #[error("it is longer than {NAME_BYTES_MAX} bytes")]
    TooLong,
}

impl From<LookupError> for io::Error {
    fn from(error: LookupError) -> Self {
        Self::other(error)
    }
}

type LookupResult = Result<Arc<[IpAddr]>, Arc<str>>;

/// Looks names up.
#[derive(Clone)]
pub(crate) struct Lookups(Arc<LookupsInner>);

struct LookupsInner {
    resolve: Arc<Resolve>,
    threads: Arc<Threads>,
    handle: Handle,
    names: Mutex<LookupTable>,
}

#[derive(Default)]
struct LookupTable {
    known: HashMap<String, (LookupResult, Instant)>,
    under_way: HashMap<String, watch::Receiver<Option<LookupResult>>>,
}

/// Look-ups on the charge of one instance.
#[derive(Clone)]
pub(crate) struct Resolver {
    lookups: Lookups,
    meters: Arc<Meters>,
}

/// A look-up that somebody waits for.
pub(crate) enum Lookup {
    Done(Result<Arc<[IpAddr]>, LookupError>),
    UnderWay { answer: watch::Receiver<Option<LookupResult>>, time: Duration, until: Instant },
}

impl Lookups {
    pub(crate) fn new(resolve: Arc<Resolve>, threads: Arc<Threads>, handle: Handle) -> Self {
        Self(Arc::new(LookupsInner { resolve, threads, handle, names: Mutex::default() }))
    }

    /// Look-ups on an instance's charge.
    pub(crate) fn charged_to(&self, meters: &Arc<Meters>) -> Resolver {
        Resolver { lookups: self.clone(), meters: meters.clone() }
    }

    fn begin(&self, name: &str, meters: &Arc<Meters>) -> Result<watch::Receiver<Option<LookupResult>>, LookupError> {
        let mut names = self.0.names.lock();
        let now = Instant::now();
        if let Some((answer, _)) = names.known.get(name).filter(|(_, until)| *until > now) {
            return Ok(watch::channel(Some(answer.clone())).1);
        }
        if let Some(answer) = names.under_way.get(name) {
            return Ok(answer.clone());
        }
        let (tell, answer) = watch::channel(None);
        let asking = PendingLookup { lookups: self.clone(), name: name.to_owned(), tell };
        // In the list before the thread begins, which takes it out of there.
        names.under_way.insert(name.to_owned(), answer.clone());
        drop(names);
        if self.0.threads.ask(&self.0.handle, meters, UNDER_WAY_MAX, move || asking.run()) {
            Ok(answer)
        } else {
            Err(LookupError::Busy)
        }
    }
}

/// A look-up under way; it leaves the list with it, however it ends.
struct PendingLookup {
    lookups: Lookups,
    name: String,
    tell: watch::Sender<Option<LookupResult>>,
}

impl PendingLookup {
    fn run(self) {
        let found = (self.lookups.0.resolve)(&self.name);
        let answer: LookupResult = match found {
            Ok(mut addresses) => {
                addresses.truncate(ADDRESSES_MAX);
                Ok(addresses.into())
            }
            Err(error) => Err(error.to_string().into()),
        };
        let until = Instant::now() + if answer.is_ok() { KNOWN } else { UNKNOWN };
        self.lookups.0.names.lock().remember(&self.name, answer.clone(), until);
        // Those who asked may have gone.
        self.tell.send_replace(Some(answer));
    }
}

impl Drop for PendingLookup {
    fn drop(&mut self) {
        self.lookups.0.names.lock().under_way.remove(&self.name);
    }
}

impl LookupTable {
    fn remember(&mut self, name: &str, answer: LookupResult, until: Instant) {
        if self.known.len() >= NAMES_MAX {
            let now = Instant::now();
            self.known.retain(|_, (_, until)| *until > now);
        }
        // All of them fresh: whoever fills it has nothing of it.
        if self.known.len() < NAMES_MAX || self.known.contains_key(name) {
            self.known.insert(name.to_owned(), (answer, until));
        }
    }
}

impl Resolver {
    /// Begins a look-up, or joins one that is under way; it is waited for at most so long.
    pub(crate) fn begin(&self, name: &str, most: Duration) -> Lookup {
        if name.len() > NAME_BYTES_MAX {
            return Lookup::Done(Err(LookupError::TooLong));
        }
        let time = TIME.min(most);
        match self.lookups.begin(&name.to_ascii_lowercase(), &self.meters) {
            Ok(answer) => Lookup::UnderWay { answer, time, until: Instant::now() + time },
            Err(error) => Lookup::Done(Err(error)),
        }
    }

    /// Looks a name up.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Arc<[IpAddr]>, LookupError> {
        let mut lookup = self.begin(name, TIME);
        lookup.ready().await;
        lookup.answer().unwrap_or(Err(LookupError::Timeout(TIME)))
    }
}

impl Lookup {
    /// Waits until there is an answer, or no more time.
    pub(crate) async fn ready(&mut self) {
        if let Self::UnderWay { answer, until, .. } = self {
            // One that ends without an answer has failed, as one whose time is over.
            let _ = tokio::time::timeout_at((*until).into(), answer.wait_for(Option::is_some)).await;
        }
    }

    /// The answer, if there is one by now.
    pub(crate) fn answer(&self) -> Option<Result<Arc<[IpAddr]>, LookupError>> {
        let (answer, time, until) = match self {
            Self::Done(answer) => return Some(answer.clone()),
            Self::UnderWay { answer, time, until } => (answer, *time, *until),
        };
        // Asked before the answer is looked for, which may be the last thing that was said.
        let ended = answer.has_changed().is_err();
        if let Some(answer) = &*answer.borrow() {
            return Some(answer.clone().map_err(LookupError::Failed));
        }
        if ended {
            return Some(Err(LookupError::Failed("the look-up has ended without an answer".into())));
        }
        (Instant::now() >= until).then_some(Err(LookupError::Timeout(time)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Look-ups by this function.
    fn lookups(resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Lookups {
        Lookups::new(Arc::new(resolve), Threads::new(), Handle::current())
    }

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    #[tokio::test]
    async fn a_name_is_looked_up_once_and_remembered() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let lookups = lookups(move |name| {
            counted.fetch_add(1, Ordering::Relaxed);
            if name == "db.example" { Ok(vec![ADDRESS]) } else { Err(io::Error::other("no such name")) }
        });
        let resolver = lookups.charged_to(&Arc::default());
        for name in ["db.example", "DB.example", "db.example"] {
            assert_eq!(*resolver.addresses(name).await.unwrap(), [ADDRESS]);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        for _ in 0..2 {
            assert_eq!(resolver.addresses("x.example").await, Err(LookupError::Failed("no such name".into())));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2, "nor is one asked for again that is not there");
        assert_eq!(resolver.addresses(&"x".repeat(256)).await, Err(LookupError::TooLong));
    }

    #[tokio::test]
    async fn all_who_ask_for_a_name_wait_for_one_look_up() {
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let lookups = lookups(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            gone.lock().recv().map_err(io::Error::other)?;
            Ok(vec![ADDRESS])
        });
        let meters = Arc::new(Meters::default());
        let (one, other) = (lookups.charged_to(&meters), lookups.charged_to(&Arc::default()));
        for _ in 0..1000 {
            drop(one.begin("a.example", TIME));
        }
        assert_eq!(meters.asking.load(Ordering::Relaxed), 1);
        let (mut first, mut second) = (one.begin("a.example", TIME), other.begin("a.example", TIME));
        assert_eq!(first.answer(), None);
        for name in ["b.example", "c.example", "d.example"] {
            assert_eq!(one.begin(name, TIME).answer(), None);
        }
        assert_eq!(one.begin("e.example", TIME).answer(), Some(Err(LookupError::Busy)));
        (0..4).for_each(|_| go.send(()).unwrap());
        first.ready().await;
        second.ready().await;
        assert_eq!(*first.answer().unwrap().unwrap(), [ADDRESS]);
        assert_eq!(*second.answer().unwrap().unwrap(), [ADDRESS]);
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_resolver_that_is_silent_is_waited_for_no_longer_than_its_time() {
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let lookups = lookups(move |_| gone.lock().recv().map(|()| vec![ADDRESS]).map_err(io::Error::other));
        let resolver = lookups.charged_to(&Arc::default());
        let most = Duration::from_millis(20);
        let mut lookup = resolver.begin("a.example", most);
        lookup.ready().await;
        assert_eq!(lookup.answer(), Some(Err(LookupError::Timeout(most))));
        go.send(()).unwrap();
        assert_eq!(*resolver.addresses("a.example").await.unwrap(), [ADDRESS], "it was heard all the same");
    }
}
