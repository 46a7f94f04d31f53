//! Name servers that do not answer: a flood of look-ups takes few threads, and nobody else's.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use saker_sandbox::{Blame, Collector, InstanceSpec, System};
use serde_json::json;

use crate::support::http::serve;
use crate::support::neighbour::Neighbour;
use crate::support::{elsewhere, run, spec, turn, until, value};

/// A resolver that answers with this machine's address, when it is told to.
#[derive(Clone, Default)]
struct Servers(Arc<State>);

#[derive(Default)]
struct State {
    answer: Mutex<bool>,
    changed: Condvar,
    asked: AtomicUsize,
    waiting: AtomicUsize,
}

impl Servers {
    fn system(&self) -> System {
        let state = self.0.clone();
        let resolve = move |_: &str| {
            state.asked.fetch_add(1, Ordering::SeqCst);
            state.waiting.fetch_add(1, Ordering::SeqCst);
            let mut answer = state.answer.lock();
            state.changed.wait_while(&mut answer, |answer| !*answer);
            state.waiting.fetch_sub(1, Ordering::SeqCst);
            Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
        };
        System { resolve: Arc::new(resolve), ..System::default() }
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    fn answer(&self) {
        *self.0.answer.lock() = true;
        self.0.changed.notify_all();
    }
}

fn flooding(names: &[String]) -> InstanceSpec {
    let mut spec = spec(json!({ "names": names, "times": 2000 }));
    spec.grants.connect = names.iter().map(|name| format!("{name}:80").parse().unwrap()).collect();
    spec.limits.deadlines.collect = Duration::from_secs(10);
    spec
}

#[tokio::test]
async fn look_ups_that_are_begun_and_dropped_take_few_threads_and_nobody_elses() {
    let _turn = turn().await;
    let servers = Servers::default();
    let (sandbox, plugin) = elsewhere(servers.system(), "lookup-flood").await;
    let neighbour = Neighbour::in_sandbox(&sandbox).await;
    let one = flooding(&["a.example".to_owned()]);
    let many = flooding(&(0..50).map(|n| format!("n{n}.example")).collect::<Vec<_>>());
    for spec in [&one, &many] {
        // What is under way is charged to the name, however often it is opened anew.
        for _ in 0..3 {
            let mut collector = Collector::open(&sandbox, &plugin, spec).await.unwrap();
            let values = run(&mut collector).await.unwrap();
            assert_eq!(value(&values, "lookup-flood.begun") + value(&values, "lookup-flood.rejected"), 2000.0);
        }
    }
    assert_eq!((one.meters.asking_threads(), many.meters.asking_threads()), (1, 4));
    until("all have asked", || servers.waiting() == 5).await;
    assert_eq!(servers.asked(), 5, "a name is asked for once, and each instance has four under way at most");
    assert_eq!((one.meters.stuck_threads(), many.meters.stuck_threads()), (0, 0));
    servers.answer();
    until("the threads' return", || one.meters.asking_threads() + many.meters.asking_threads() == 0).await;
    neighbour.has_noticed_nothing().await;
}

#[tokio::test]
async fn who_needs_a_name_is_told_in_time_that_no_server_answers() {
    let _turn = turn().await;
    let servers = Servers::default();
    let web = serve(204, "").await;
    let address = web.address("web.example");
    for (guest, settings) in
        [("http-post", json!({ "url": web.url("web.example") })), ("lookup", json!({ "name": "web.example" }))]
    {
        let (sandbox, plugin) = elsewhere(servers.system(), guest).await;
        let mut spec = spec(settings);
        // Without the address beside the name it leads to this machine.
        spec.grants.connect = vec![address.parse().unwrap(), web.address("127.0.0.1").parse().unwrap()];
        spec.limits.deadlines.collect = Duration::from_secs(1);
        let mut collector = Collector::open(&sandbox, &plugin, &spec).await.unwrap();
        let error = run(&mut collector).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), ("unavailable", Blame::Operator), "{guest}: {error}");
        assert!(collector.is_alive(), "{guest}");
        assert_eq!(spec.meters.asking_threads(), 1, "{guest}: it is under way as long as it takes");
        servers.answer();
        until("the answer", || spec.meters.asking_threads() == 0).await;
        let before = servers.asked();
        for _ in 0..3 {
            run(&mut collector).await.unwrap();
        }
        assert_eq!(servers.asked(), before, "{guest}: the answer that came too late is remembered");
        *servers.0.answer.lock() = false;
    }
}
