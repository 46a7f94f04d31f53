use super::*;
use crate::MemoryReader;
use std::sync::mpsc;

fn question(query: &str) -> LoggedQuery {
    LoggedQuery { query: query.into(), start_ms: 0, end_ms: 0, step_ms: 0 }
}

fn engine(config: QueryConfig) -> Arc<Engine> {
    Engine::new(config, Arc::new(MemoryReader::default()))
}

fn count(engine: &Engine, result: &str) -> u64 {
    engine.counts.results().into_iter().find(|(name, _)| *name == result).map_or(0, |(_, count)| count)
}

#[tokio::test]
async fn work_runs_on_a_query_thread_and_its_record_is_kept() {
    let engine = engine(QueryConfig::default());
    let name = engine.run(question("up"), None, |budget| {
        budget.charge_samples(7)?;
        Ok(std::thread::current().name().map(ToOwned::to_owned))
    });
    assert_eq!(name.await.unwrap().as_deref(), Some("saker-query"));
    let ended = engine.log().ended();
    assert_eq!((&*ended[0].question.query, ended[0].samples), ("up", 7));
    assert_eq!((engine.log().active().len(), count(&engine, "answered")), (0, 1));
}

#[tokio::test]
async fn a_query_whose_asker_goes_away_is_cancelled() {
    let engine = engine(QueryConfig::default());
    let (began, has_began) = oneshot::channel();
    let (ended, has_ended) = mpsc::channel();
    let asking = engine.run(question("slow"), None, move |budget| {
        began.send(()).unwrap();
        while budget.check().is_ok() {
            std::thread::yield_now();
        }
        ended.send(budget.check()).unwrap();
        budget.check().map_err(QueryError::from)
    });
    tokio::select! {
        _ = asking => panic!("it cannot end"),
        began = has_began => began.unwrap(),
    }
    let ended = tokio::task::spawn_blocking(move || has_ended.recv()).await.unwrap();
    assert_eq!(ended.unwrap(), Err(ReadError::Cancelled));
    engine.stop();
    assert_eq!(count(&engine, "cancelled"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_hangs_in_the_system_keeps_nobody_waiting() {
    let engine = engine(QueryConfig::default());
    let (go, wait) = mpsc::channel::<()>();
    // It does not look at the time, as a call of a disk that hangs does not.
    let asked = engine.run(question("hung"), Some(Duration::from_secs(5)), move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let error = asked.await.unwrap_err();
    assert!(matches!(error, RunError::Query(QueryError::Read(ReadError::Timeout { limit_ms: 5000 }))), "{error}");
    drop(go);
    engine.stop();
}

#[tokio::test]
async fn more_than_may_wait_are_rejected_and_a_panic_costs_one_query() {
    let engine = engine(QueryConfig { threads: 1, waiting: 0, ..QueryConfig::default() });
    let (go, wait) = mpsc::channel::<()>();
    let running = engine.clone();
    let first = tokio::spawn(async move {
        running
            .run(question("first"), None, move |_| {
                assert!(wait.recv().is_err(), "on purpose");
                Ok(())
            })
            .await
    });
    while engine.log().active().is_empty() {
        tokio::task::yield_now().await;
    }
    let rejected = engine.run(question("second"), None, |_| Ok(())).await;
    assert!(matches!(rejected, Err(RunError::Busy(TooManyQueries { limit: 1 }))));
    go.send(()).unwrap();
    assert!(matches!(first.await.unwrap(), Err(RunError::Died)));
    engine.run(question("third"), None, |_| Ok(())).await.unwrap();
    assert_eq!((count(&engine, "rejected"), count(&engine, "answered")), (1, 1));
}

#[tokio::test]
async fn a_query_that_waits_gives_its_place_back_when_its_asker_goes_away() {
    let engine = engine(QueryConfig { threads: 1, waiting: 1, ..QueryConfig::default() });
    let (go, wait) = mpsc::channel::<()>();
    let (began, has_began) = oneshot::channel();
    let running = engine.clone();
    let work = move |_: &ReadBudget| {
        began.send(()).unwrap();
        Ok(wait.recv().is_ok())
    };
    let first = tokio::spawn(async move { running.run(question("first"), None, work).await });
    has_began.await.unwrap();
    for _ in 0..3 {
        let waiting = engine.run(question("gone"), None, |_| Ok(()));
        let gone = tokio::time::timeout(Duration::from_millis(1), waiting).await;
        assert!(gone.is_err(), "it waits for the first: {gone:?}");
        assert_eq!(engine.log().active().len(), 1);
    }
    go.send(()).unwrap();
    assert!(first.await.unwrap().unwrap());
    assert_eq!(count(&engine, "cancelled"), 3);
}

#[tokio::test]
async fn time_that_a_query_waits_for_a_thread_counts() {
    let engine = engine(QueryConfig { threads: 1, ..QueryConfig::default() });
    let (go, wait) = mpsc::channel::<()>();
    let running = engine.clone();
    let first =
        tokio::spawn(async move { running.run(question("first"), None, move |_| Ok(wait.recv().is_ok())).await });
    while engine.log().active().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = engine.run(question("second"), Some(Duration::ZERO), |_| Ok(()));
    go.send(()).unwrap();
    assert!(matches!(second.await, Err(RunError::Query(QueryError::Read(ReadError::Timeout { limit_ms: 0 })))));
    assert!(first.await.unwrap().unwrap());
}

#[tokio::test]
async fn threads_come_and_go_with_the_configuration() {
    let engine = engine(QueryConfig { threads: 1, ..QueryConfig::default() });
    for threads in [4, 1, 2] {
        engine.apply(QueryConfig { threads, ..QueryConfig::default() });
        engine.run(question("up"), None, |_| Ok(())).await.unwrap();
    }
    let stopping = engine.clone();
    tokio::task::spawn_blocking(move || stopping.stop()).await.unwrap();
    assert!(matches!(engine.run(question("up"), None, |_| Ok(())).await, Err(RunError::Stopped)));
}

#[test]
fn answers_that_nobody_reads_are_bounded() {
    let engine = engine(QueryConfig::default());
    let held = engine.charged(vec![0; ANSWERS_BYTES_MAX - 10]).unwrap();
    assert!(matches!(engine.charged(vec![0; 4096]), Err(RunError::Unread)));
    drop(held);
    engine.charged(vec![0; 4096]).unwrap();
}
