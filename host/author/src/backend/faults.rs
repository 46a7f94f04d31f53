//! Cases in which the destination is away, silent, busy or unwilling.

use std::time::{Duration, Instant};

use saker_sandbox::{CallError, WriteError};

use super::session::{Definitions, KitSession, clock_ms, is_another_try, is_killed, say};
use super::{CaseBench, TestPeer, no_server};
use crate::report::{CaseFailure, CaseResult, ConformanceReport, failed, skipped};
use crate::samples;
use crate::test_server::{Act, Channel, HttpDialect, TestServer};

const OPENS_ALONE: &str = "it opens while its destination is away";
const AWAY: &str = "a destination that is away is a retry, and the same batch succeeds later";
const SILENT: &str = "a silent destination is a retry before the deadline";
const BUSY: &str = "429 with Retry-After is a retry with that delay";
const ILL: &str = "500 and 503 are a retry, and the same batch succeeds later";
const UNWILLING: &str = "400 is a reject";
const CUT_REQUEST: &str = "a connection that breaks in mid-stream costs another try";
const CUT_ANSWER: &str = "an answer that breaks off does no harm";
const DENIED: &str = "without its grant a write says what is denied";

/// The cases, in their order.
pub(super) const NAMES: [&str; 9] = [OPENS_ALONE, AWAY, SILENT, BUSY, ILL, UNWILLING, CUT_REQUEST, CUT_ANSWER, DENIED];

/// What the busy server asks for.
const DELAY: Duration = Duration::from_secs(7);
/// Offers after which a batch has to be written once the destination is well.
const TRIES_MAX: usize = 4;

pub(super) async fn run(bench: &CaseBench<'_>, report: &mut ConformanceReport) {
    report.run(OPENS_ALONE, opens_alone(bench)).await;
    report.run(AWAY, away(bench)).await;
    report.run(SILENT, silent(bench)).await;
    report.run(BUSY, busy(bench)).await;
    report.run(ILL, ill(bench)).await;
    report.run(UNWILLING, unwilling(bench)).await;
    report.run(CUT_REQUEST, cut(bench, Act::CutRequest, false)).await;
    report.run(CUT_ANSWER, cut(bench, Act::CutAnswer, true)).await;
    report.run(DENIED, denied(bench)).await;
}

fn batch() -> Definitions {
    samples::numbered(0, (0..10).map(|number| samples::series(&format!("kit.fault{number}"), &[])).collect())
}

/// A server of the kit's that does something before it takes things in the backend's dialect. Where the kit does not
/// know the dialect, it is one that the backend never comes to hear.
async fn server(bench: &CaseBench<'_>, first: &[Act]) -> Result<TestServer, CaseFailure> {
    if matches!(bench.peer, TestPeer::Nowhere) {
        return Err(skipped("it sends nothing to an address"));
    }
    let last = Act::Take(bench.dialect().unwrap_or(HttpDialect::NoContent));
    let script: Vec<_> = first.iter().copied().chain([last]).collect();
    TestServer::start(&script).await.map_err(no_server)
}

/// Statuses are HTTP's.
fn needs_http(bench: &CaseBench<'_>) -> Result<(), CaseFailure> {
    match bench.peer {
        TestPeer::Kit(_, Channel::Http) => Ok(()),
        TestPeer::Kit(..) => Err(skipped("it does not speak HTTP")),
        _ => bench.dialect().map(|_| ()),
    }
}

/// UDP asks nobody whether anything has come.
fn needs_connection(bench: &CaseBench<'_>) -> Result<(), CaseFailure> {
    match bench.peer {
        TestPeer::Kit(_, Channel::Udp) => Err(skipped("datagrams are not answered")),
        _ => Ok(()),
    }
}

async fn opens_alone(bench: &CaseBench<'_>) -> CaseResult {
    let destination = TestServer::closed().map_err(no_server)?;
    if bench.subject.settings_to(destination.address).is_none() {
        return Err(skipped("it sends nothing to an address"));
    }
    match bench.open(Some(&destination)).await {
        Ok(session) => {
            session.close().await?;
            Ok("nobody listened".into())
        }
        Err(CaseFailure::Failed { why, .. }) => {
            Err(failed(why, "connect in write: the agent opens a backend before its destination is up"))
        }
        Err(other) => Err(other),
    }
}

async fn away(bench: &CaseBench<'_>) -> CaseResult {
    needs_connection(bench)?;
    let mut destination = TestServer::closed().map_err(no_server)?;
    if bench.subject.settings_to(destination.address).is_none() {
        return Err(skipped("it sends nothing to an address"));
    }
    let mut session = bench.open(Some(&destination)).await?;
    let definitions = batch();
    let points = samples::points(&definitions, clock_ms());
    let first = session.write(Vec::new(), &definitions, &points).await;
    if !is_another_try(&first) {
        return Err(failed(say(&first), "return retry: the points are as good as before"));
    }
    let Ok(dialect) = bench.dialect() else { return Ok(say(&first)) };
    destination.begin(&[Act::Take(dialect)]).await.map_err(no_server)?;
    succeeds_later(bench, session, &destination, &first).await
}

/// Offers the batch again, in a new instance if the old one is broken, until it is written.
async fn succeeds_later(
    bench: &CaseBench<'_>,
    mut session: KitSession<'_>,
    destination: &TestServer,
    first: &Result<u32, WriteError>,
) -> CaseResult {
    let definitions = batch();
    let points = samples::points(&definitions, clock_ms());
    let mut define = &[][..];
    let mut last = first.as_ref().map(|written| *written).map_err(Clone::clone);
    for number in 1..=TRIES_MAX {
        if !session.is_alive() || matches!(last, Err(WriteError::Broken(_))) {
            session = bench.open(Some(destination)).await?;
            define = &definitions;
        }
        last = session.write(Vec::new(), define, &points).await;
        define = &[];
        match &last {
            Ok(written) if *written as usize == points.len() => {
                session.close().await?;
                return Ok(format!("{}; written at offer {}", say(first), number + 1));
            }
            other if is_another_try(other) => {}
            other => {
                return Err(failed(
                    format!("first {}; then {}", say(first), say(other)),
                    "make a new connection after a failure, and write the same points",
                ));
            }
        }
    }
    Err(failed(
        format!("the destination is well again, and it says still: {}", say(&last)),
        "make a new connection after a failure",
    ))
}

async fn silent(bench: &CaseBench<'_>) -> CaseResult {
    needs_connection(bench)?;
    let destination = server(bench, &[Act::Hang; 64]).await?;
    let mut session = bench.open(Some(&destination)).await?;
    let definitions = batch();
    let deadline = session.spec.limits.deadlines.write;
    let start = Instant::now();
    let result = session.write(Vec::new(), &definitions, &samples::points(&definitions, clock_ms())).await;
    let took = start.elapsed();
    if is_killed(&result) {
        return Err(failed(
            say(&result),
            "bound every wait below the deadline and return retry: five calls that are ended from outside put a plugin \
             into quarantine",
        ));
    }
    match &result {
        // A protocol without answers: what was sent counts as written.
        Ok(_) if matches!(bench.peer, TestPeer::Kit(_, Channel::Tcp)) => Ok("it waits for no answer".into()),
        other if is_another_try(other) => Ok(format!("{} after {took:.1?} of {deadline:?}", say(other))),
        other => Err(failed(say(other), "return retry")),
    }
}

async fn busy(bench: &CaseBench<'_>) -> CaseResult {
    needs_http(bench)?;
    let seconds = u32::try_from(DELAY.as_secs()).unwrap_or(u32::MAX);
    let destination = server(bench, &[Act::Reject(429, Some(seconds))]).await?;
    let mut session = bench.open(Some(&destination)).await?;
    let definitions = batch();
    let result = session.write(Vec::new(), &definitions, &samples::points(&definitions, clock_ms())).await;
    match &result {
        Err(WriteError::Retry { after: Some(after), .. }) if *after == DELAY => {}
        other => {
            return Err(failed(
                say(other),
                format!("return retry with after-ms = {}, as the server asks", DELAY.as_millis()),
            ));
        }
    }
    succeeds_later(bench, session, &destination, &result).await
}

async fn ill(bench: &CaseBench<'_>) -> CaseResult {
    needs_http(bench)?;
    let destination = server(bench, &[Act::Reject(500, None), Act::Reject(503, None)]).await?;
    let mut session = bench.open(Some(&destination)).await?;
    let definitions = batch();
    let first = session.write(Vec::new(), &definitions, &samples::points(&definitions, clock_ms())).await;
    if !is_another_try(&first) {
        return Err(failed(say(&first), "return retry: a server that is ill now will be well later"));
    }
    succeeds_later(bench, session, &destination, &first).await
}

async fn unwilling(bench: &CaseBench<'_>) -> CaseResult {
    needs_http(bench)?;
    let destination = server(bench, &[Act::Reject(400, None); 64]).await?;
    let mut session = bench.open(Some(&destination)).await?;
    let definitions = batch();
    let points = samples::points(&definitions, clock_ms());
    let result = session.write(Vec::new(), &definitions, &points).await;
    let Err(WriteError::Reject { points: named, .. }) = &result else {
        return Err(failed(
            say(&result),
            "return reject: what a server calls malformed it calls so every time, and a retry would hold up the queue",
        ));
    };
    session.places(named, points.len())?;
    destination.follow(&[Act::Take(bench.dialect()?)]);
    session.write_all(Vec::new(), &[], &points).await?;
    session.close().await?;
    Ok(say(&result))
}

/// The connection ends too early. If `or_written`, the answer had begun, and may have said enough.
async fn cut(bench: &CaseBench<'_>, act: Act, or_written: bool) -> CaseResult {
    needs_connection(bench)?;
    if or_written {
        needs_http(bench)?;
    }
    let dialect = bench.dialect()?;
    let destination = server(bench, &[Act::Take(dialect), act]).await?;
    let mut session = bench.open(Some(&destination)).await?;
    let definitions = batch();
    let points = samples::points(&definitions, clock_ms());
    session.write_all(Vec::new(), &definitions, &points).await?;
    let connected = matches!(bench.peer, TestPeer::Kit(_, Channel::Tcp));
    if connected {
        // A stream keeps its one connection: it is this one that breaks.
        destination.follow(&[act, Act::Take(dialect)]);
        session.close().await?;
        session = bench.open(Some(&destination)).await?;
        session.write(Vec::new(), &definitions, &[]).await.map_err(|error| session.miss(&error))?;
    }
    let result = session.write(Vec::new(), &[], &points).await;
    match &result {
        // A stream learns of the end of its connection only at the next write.
        Ok(_) if or_written || connected => {}
        other if is_another_try(other) => {}
        other => return Err(failed(say(other), "return retry: the points may or may not have come")),
    }
    succeeds_later(bench, session, &destination, &result).await
}

async fn denied(bench: &CaseBench<'_>) -> CaseResult {
    let destination = match bench.peer {
        TestPeer::Given => None,
        _ => {
            let destination = TestServer::closed().map_err(no_server)?;
            bench.subject.settings_to(destination.address).map(|_| destination)
        }
    };
    if destination.is_none() && !matches!(bench.peer, TestPeer::Given) {
        return Err(skipped("it sends nothing to an address"));
    }
    let spec = bench.spec_without_grants(destination.as_ref())?;
    let cure = "return with the error denied and the permission, so that the operator is told which line to write";
    let mut session = match KitSession::open(bench.subject, spec).await {
        Ok(session) => session,
        Err(CaseFailure::Skipped(why)) if why.starts_with("denied") => return Ok(why),
        Err(CaseFailure::Failed { why, .. } | CaseFailure::Skipped(why)) => return Err(failed(why, cure)),
    };
    let definitions = batch();
    let result = session.write(Vec::new(), &definitions, &samples::points(&definitions, clock_ms())).await;
    match &result {
        Err(WriteError::Call(CallError::Denied(denied))) => Ok(denied.to_string()),
        other => Err(failed(say(other), cure)),
    }
}
