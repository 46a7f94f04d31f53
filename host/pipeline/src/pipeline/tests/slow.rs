//! A processor that takes its time, and everybody who comes meanwhile.

use tokio::sync::watch;

use super::*;

/// Says nothing of series that begin with "slow" before it is let.
struct Slow {
    /// Whom it was asked about, in order.
    asked: watch::Sender<Vec<String>>,
    is_let: watch::Sender<bool>,
}

impl Default for Slow {
    fn default() -> Self {
        Self { asked: watch::Sender::new(Vec::new()), is_let: watch::Sender::new(false) }
    }
}

impl Slow {
    async fn was_asked(&self, times: usize) {
        self.asked.subscribe().wait_for(|asked| asked.len() >= times).await.unwrap();
    }

    fn let_go(&self) {
        self.is_let.send_replace(true);
    }
}

impl Relabel for Arc<Slow> {
    fn relabel<'a>(&'a self, series: &'a [Arc<Series>], _: &'a SeriesLimits) -> BoxFuture<'a, Vec<RelabelOutcome>> {
        Box::pin(async move {
            let slow: Vec<_> = series.iter().filter(|series| series.metric.starts_with("slow")).collect();
            if !slow.is_empty() {
                self.asked.send_modify(|asked| asked.extend(slow.iter().map(|series| series.metric.to_string())));
                self.is_let.subscribe().wait_for(|is_let| *is_let).await.unwrap();
            }
            vec![RelabelOutcome::Keep; series.len()]
        })
    }
}

fn slow() -> (Arc<Pipeline>, Arc<Slow>) {
    let (table, slow) = (Arc::new(SeriesTable::new(100)), Arc::<Slow>::default());
    let sinks = Sinks { durable: Arc::new(Boundless::default()), others: Vec::new() };
    let shares = SeriesShares { collectors: 0.1, listener: 0.5 };
    let memory = Arc::new(MemoryBudget::new(1 << 20));
    (Arc::new(Pipeline::new(table, memory, sinks, Arc::new(slow.clone()), shares)), slow)
}

fn values(names: &[&str]) -> Vec<Sample> {
    names.iter().map(|name| value(name, 1.0)).collect()
}

/// Values that are pushed by somebody who waits for what becomes of them.
fn push(pipeline: &Arc<Pipeline>, names: &[&str]) -> tokio::task::JoinHandle<Receipt> {
    let (session, values) = (pipeline.session("push", SeriesBudget::Listener), values(names));
    tokio::spawn(async move { session.accept(values).await.unwrap() })
}

#[tokio::test]
async fn a_slow_processor_delays_only_who_brings_its_series() {
    let (pipeline, slow) = slow();
    assert_eq!(push(&pipeline, &["known"]).await.unwrap().accepted, 1);
    let waits = push(&pipeline, &["slow", "known"]);
    slow.was_asked(1).await;
    assert_eq!(push(&pipeline, &["known"]).await.unwrap().accepted, 1);
    assert_eq!(push(&pipeline, &["new"]).await.unwrap().accepted, 1, "another series that is new");
    assert!(!waits.is_finished());
    slow.let_go();
    assert_eq!(waits.await.unwrap().accepted, 2);
    assert_eq!(pipeline.breaches(), []);
}

#[tokio::test]
async fn values_of_known_series_are_taken_while_those_of_new_ones_are_parked() {
    let (pipeline, slow) = slow();
    let session = pipeline.session("collector:c", COLLECTOR);
    session.accept(values(&["known"])).await.unwrap();
    let (taken, parked) = session.accept_known(values(&["known", "slow", ""])).await;
    let taken = taken.unwrap();
    assert_eq!((taken.received, taken.accepted, taken.rejected), (1, 1, vec![]));
    let settled = tokio::spawn(parked.expect("one is new").settle());
    slow.was_asked(1).await;
    assert_eq!(pipeline.breaches(), [], "what is parked is counted when it is settled");
    let (taken, parked) = session.accept_known(values(&["known"])).await;
    assert_eq!((taken.unwrap().accepted, parked.is_none()), (1, true));
    slow.let_go();
    let settled = settled.await.unwrap().unwrap();
    assert_eq!((settled.received, settled.accepted), (2, 1), "names are looked at when series are new");
    assert_eq!(settled.rejected.iter().map(|&(_, reason)| reason).collect::<Vec<_>>(), [RejectReason::BadMetric]);
    let (_, counters) = pipeline.sources().remove(0);
    assert_eq!((counters.counts().received, counters.counts().accepted), (5, 4));
}

#[tokio::test]
async fn a_series_is_asked_about_once_however_many_wait_for_it() {
    let (pipeline, slow) = slow();
    let first = push(&pipeline, &["slow.a"]);
    slow.was_asked(1).await;
    let others: Vec<_> = (0..10).map(|_| push(&pipeline, &["slow.a", "slow.b"])).collect();
    slow.was_asked(2).await;
    slow.let_go();
    assert_eq!(first.await.unwrap().accepted, 1);
    for other in others {
        assert_eq!(other.await.unwrap().accepted, 2);
    }
    assert_eq!(*slow.asked.borrow(), ["slow.a", "slow.b"]);
}

#[tokio::test]
async fn whoever_gives_up_leaves_its_question_to_those_who_wait() {
    let (pipeline, slow) = slow();
    let first = push(&pipeline, &["slow"]);
    slow.was_asked(1).await;
    let second = push(&pipeline, &["slow"]);
    tokio::task::yield_now().await;
    first.abort();
    slow.was_asked(2).await;
    slow.let_go();
    assert_eq!(second.await.unwrap().accepted, 1);
}

#[tokio::test]
async fn what_was_said_before_everything_is_asked_anew_is_not_remembered() {
    let (pipeline, slow) = slow();
    let waits = push(&pipeline, &["slow"]);
    slow.was_asked(1).await;
    pipeline.judge_again();
    slow.let_go();
    assert_eq!(waits.await.unwrap().accepted, 1);
    assert_eq!(push(&pipeline, &["slow"]).await.unwrap().accepted, 1);
    assert_eq!(push(&pipeline, &["slow"]).await.unwrap().accepted, 1);
    assert_eq!(slow.asked.borrow().len(), 2);
}
