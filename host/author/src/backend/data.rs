//! Cases in which nothing goes wrong but the data are unusual.

use std::time::Instant;

use saker_model::{Point, SeriesId};
use saker_sandbox::{InstanceSpec, StateCell, WriteError};

use super::session::{BatchOutcome, KitSession, ON_ITS_WAY, clock_ms, is_killed, say};
use super::{CaseBench, TestPeer, run_of};
use crate::common::memory_settles;
use crate::report::{CaseFailure, CaseResult, ConformanceReport, failed, skipped};
use crate::samples;
use crate::test_server::TestServer;

const EMPTY: &str = "an empty batch is written without the network";
const LATER: &str = "a series that was defined once can be written ever after";
const AGAIN: &str = "a handle that is defined again stands for the new series";
const REUSED: &str = "a handle that was forgotten can stand for another series";
const HUGE: &str = "a batch of 100,000 points is written";
const AWKWARD: &str = "names with every awkward character are written";
const TIMES: &str = "ancient and future times are written or rejected by place";
const FINITE: &str = "every class of finite number is written";
const NOT_FINITE: &str = "what is no number does no harm";
const SWAP: &str = "another instance goes on where one was closed";
const MEMORY: &str = "memory settles after many calls";

/// The cases, in their order.
pub(super) const NAMES: [&str; 11] =
    [EMPTY, LATER, AGAIN, REUSED, HUGE, AWKWARD, TIMES, FINITE, NOT_FINITE, SWAP, MEMORY];

/// Points of the batch that is huge: ten times what the agent hands over by default.
const HUGE_POINTS: usize = 100_000;
/// Its series.
const HUGE_SERIES: usize = 1000;

pub(super) async fn run(bench: &CaseBench<'_>, report: &mut ConformanceReport) {
    report.run(EMPTY, empty(bench)).await;
    report.run(LATER, later(bench)).await;
    report.run(AGAIN, handle(bench, Vec::new(), "kitdefinedagain")).await;
    report.run(REUSED, handle(bench, vec![SeriesId(3)], "kitusedagain")).await;
    report.run(HUGE, huge(bench)).await;
    report.run(AWKWARD, awkward(bench)).await;
    report.run(TIMES, times(bench)).await;
    report.run(FINITE, finite(bench)).await;
    report.run(NOT_FINITE, not_finite(bench)).await;
    report.run(SWAP, swap(bench)).await;
    report.run(MEMORY, memory(bench)).await;
}

async fn empty(bench: &CaseBench<'_>) -> CaseResult {
    // A closed port: whoever asks the network learns that nobody is there.
    let destination = TestServer::closed().map_err(super::no_server)?;
    let destination = bench.subject.settings_to(destination.address).map(|_| destination);
    let mut session = bench.open(destination.as_ref()).await?;
    let definitions = samples::numbered(0, vec![samples::series("kit.empty", &[])]);
    for define in [&[][..], &definitions] {
        match session.write(Vec::new(), define, &[]).await {
            Ok(0) => {}
            other => return Err(failed(say(&other), "do nothing, and say that 0 points are written")),
        }
    }
    session.close().await?;
    Ok("with a definition and without".into())
}

async fn later(bench: &CaseBench<'_>) -> CaseResult {
    let destination = bench.taking().await?;
    let mut session = bench.open(destination.as_ref()).await?;
    let definitions =
        samples::numbered(0, vec![samples::series("kit.a", &[]), samples::series("kit.b", &[("k", "v")])]);
    session.write_all(Vec::new(), &definitions, &[]).await?;
    for _ in 0..3 {
        session.write_all(Vec::new(), &[], &samples::points(&definitions, clock_ms())).await?;
    }
    // Handles are small, but they have gaps.
    let high = session.define_and_write(70_000, vec![samples::series("kit.c", &[])]).await?;
    let both = [samples::points(&definitions, clock_ms()), samples::points(&high, clock_ms())].concat();
    session.write_all(Vec::new(), &[], &both).await?;
    session.close().await?;
    Ok("defined in one call, written in five".into())
}

/// Gives the handle 3 to one series and then, after forgetting some, to another, whose metric is `marker`.
async fn handle(bench: &CaseBench<'_>, forget: Vec<SeriesId>, marker: &str) -> CaseResult {
    let destination = bench.taking().await?;
    let mut session = bench.open(destination.as_ref()).await?;
    session.define_and_write(3, vec![samples::series("kitbefore", &[])]).await?;
    let after = samples::numbered(3, vec![samples::series(marker, &[])]);
    session.write_all(forget, &after, &samples::points(&after, clock_ms())).await?;
    session.close().await?;
    let Some(destination) = destination else { return Ok("written; what was written cannot be seen".into()) };
    if !destination.until(ON_ITS_WAY, |seen| seen.says("kitbefore") || seen.says(marker)).await {
        return Ok("written; the names that were sent cannot be read by the kit".into());
    }
    if !destination.until(ON_ITS_WAY, |seen| seen.says(marker)).await {
        return Err(failed(
            "the point went to the series that the handle stood for before",
            "replace what a handle stands for whenever it is defined",
        ));
    }
    Ok("and the new name was sent".into())
}

async fn huge(bench: &CaseBench<'_>) -> CaseResult {
    let destination = bench.taking().await?;
    let mut session = bench.open(destination.as_ref()).await?;
    let names: Vec<_> = (0..HUGE_SERIES).map(|number| format!("device{number}")).collect();
    let series: Vec<_> =
        names.iter().map(|name| samples::series("kit.huge", &[("device", name), ("mount", "/")])).collect();
    let points = run_of(&series, 0, HUGE_POINTS, clock_ms());
    let start = Instant::now();
    session.write_all(Vec::new(), &samples::numbered(0, series), &points).await?;
    let took = start.elapsed();
    let memory = session.spec.meters.memory_bytes() >> 10;
    session.close().await?;
    Ok(format!("in {took:.1?}, with {memory} KiB"))
}

async fn awkward(bench: &CaseBench<'_>) -> CaseResult {
    let destination = bench.taking().await?;
    let mut session = bench.open(destination.as_ref()).await?;
    let definitions = samples::numbered(0, samples::awkward());
    let points = samples::points(&definitions, clock_ms());
    let taken = session.offer(&definitions, &points).await?;
    session.close().await?;
    all_or_named(&taken, points.len(), |place| definitions[place].1.to_string())
}

/// A batch may be taken whole, or in part if it is said which part; what is rejected whole is lost with no need.
fn all_or_named(taken: &BatchOutcome, count: usize, name: impl Fn(usize) -> String) -> CaseResult {
    if taken.rejected.is_empty() {
        return Ok(format!("{count} points"));
    }
    let first = name(taken.rejected[0]);
    if taken.written == 0 {
        return Err(failed(
            format!("all {count} points were rejected, those that are not awkward as well: {}", taken.why),
            "escape what the destination does not take, or reject only the points that it will never take, by place",
        ));
    }
    Ok(format!("{} of {count} rejected by place, such as {first}: {}", taken.rejected.len(), taken.why))
}

async fn times(bench: &CaseBench<'_>) -> CaseResult {
    let destination = bench.taking().await?;
    let mut session = bench.open(destination.as_ref()).await?;
    let definitions = samples::numbered(0, vec![samples::series("kit.times", &[])]);
    session.write_all(Vec::new(), &definitions, &samples::points(&definitions, clock_ms())).await?;
    let all = samples::times(clock_ms());
    let mut rejected = Vec::new();
    // One by one: a server may reject a request for one time in it.
    for (number, &timestamp_ms) in all.iter().enumerate() {
        let point = Point { series: SeriesId(0), timestamp_ms, value: 1.0 };
        match session.write(Vec::new(), &[], &[point]).await {
            Ok(1) => {}
            Err(WriteError::Reject { points, .. }) if number > 0 => {
                session.places(&points, 1)?;
                rejected.push(timestamp_ms.to_string());
            }
            other => {
                return Err(failed(
                    format!("a point at {timestamp_ms} ms: {}", say(&other)),
                    "write it, or reject it if the destination can never take such a time",
                ));
            }
        }
    }
    session.close().await?;
    let seen = format!("{} of {} written", all.len() - rejected.len(), all.len());
    Ok(if rejected.is_empty() { seen } else { format!("{seen}; rejected: {}", rejected.join(", ")) })
}

async fn finite(bench: &CaseBench<'_>) -> CaseResult {
    let destination = bench.taking().await?;
    let mut session = bench.open(destination.as_ref()).await?;
    let definitions = samples::numbered(0, vec![samples::series("kit.finite", &[])]);
    let now = clock_ms() - samples::FINITE.len() as i64 * 1000;
    let point = |(number, &value): (usize, &f64)| Point {
        series: SeriesId(0),
        timestamp_ms: now + number as i64 * 1000,
        value,
    };
    let points: Vec<_> = samples::FINITE.iter().enumerate().map(point).collect();
    let taken = session.offer(&definitions, &points).await?;
    session.close().await?;
    all_or_named(&taken, points.len(), |place| format!("{:e}", points[place].value))
}

async fn not_finite(bench: &CaseBench<'_>) -> CaseResult {
    let destination = bench.taking().await?;
    let mut session = bench.open(destination.as_ref()).await?;
    let definitions = samples::numbered(0, vec![samples::series("kit.notfinite", &[])]);
    let values = [1.0, f64::NAN, 2.0, f64::INFINITY, f64::NEG_INFINITY, 3.0];
    let now = clock_ms();
    let points: Vec<_> = (0i64..)
        .zip(values)
        .map(|(number, value)| Point { series: SeriesId(0), timestamp_ms: now + number, value })
        .collect();
    let cure = "leave such points out by rejecting their places: the agent lets none pass, but a backend must not fall over one";
    let first = session.write(Vec::new(), &definitions, &points).await;
    if is_killed(&first) || !session.is_alive() {
        return Err(failed(say(&first), cure));
    }
    let Err(WriteError::Reject { points: named, .. }) = &first else {
        session.write_all(Vec::new(), &[], &points[..1]).await?;
        session.close().await?;
        return Ok(say(&first));
    };
    let places = session.places(named, points.len())?;
    if let Some(lost) = places.iter().find(|&&place| values[place].is_finite()).filter(|_| !named.is_empty()) {
        return Err(failed(format!("it rejects {} as well", values[*lost]), cure));
    }
    let rest: Vec<_> = (0..points.len()).filter(|place| !places.contains(place)).map(|place| points[place]).collect();
    let rest = session.offer(&[], &rest).await?;
    session.close().await?;
    Ok(format!("{} rejected by place, {} of the others written", places.len(), rest.written))
}

async fn swap(bench: &CaseBench<'_>) -> CaseResult {
    let destination = bench.taking().await?;
    let state = StateCell::default();
    let spec = || Ok::<_, CaseFailure>(InstanceSpec { state: state.clone(), ..bench.spec(destination.as_ref())? });
    let mut before = KitSession::open(bench.subject, spec()?).await?;
    before.define_and_write(0, vec![samples::series("kitoldinstance", &[])]).await?;
    before.close().await?;
    let mut after = KitSession::open(bench.subject, spec()?).await?;
    let definitions = after.define_and_write(0, vec![samples::series("kitnewinstance", &[])]).await?;
    after.write_all(Vec::new(), &[], &samples::points(&definitions, clock_ms())).await?;
    after.close().await?;
    if let Some(destination) = &destination
        && destination.until(ON_ITS_WAY, |seen| seen.says("kitnewinstance")).await
        && !destination.seen().says("kitoldinstance")
    {
        return Err(failed(
            "what was written before the close has not come",
            "send all that was counted as written before write returns, or at the latest in close",
        ));
    }
    Ok(format!("with {} bytes of state", state.load().map_or(0, |bytes| bytes.len())))
}

async fn memory(bench: &CaseBench<'_>) -> CaseResult {
    // A real server is not for thousands of calls that only look at memory.
    if matches!(bench.peer, TestPeer::Given) {
        return Err(skipped("it would fill the server that was given with points"));
    }
    let destination = bench.taking().await?;
    let mut session = bench.open(destination.as_ref()).await?;
    let series: Vec<_> = (0..20).map(|number| samples::series(&format!("kit.memory{number}"), &[])).collect();
    session.write_all(Vec::new(), &samples::numbered(0, series.clone()), &[]).await?;
    let (spec, subject) = (session.spec.clone(), bench.subject);
    let mut round = 0;
    memory_settles(
        &spec,
        |miss: &CaseFailure| miss.clone(),
        async || {
            round += 1;
            // A series that comes and goes: what is built for it has to go with it.
            let name = format!("kit.passing{round}");
            let passing = samples::numbered(20, vec![samples::series(&name, &[("number", &round.to_string())])]);
            let mut points = run_of(&series, 0, 20, clock_ms());
            points.extend(samples::points(&passing, clock_ms()));
            let result = session.write(vec![SeriesId(20)], &passing, &points).await;
            match result {
                Ok(_) => Ok(()),
                Err(WriteError::Call(error)) => Err(subject.miss(&error, &session.spec)),
                Err(error) => Err(session.miss(&error)),
            }
        },
    )
    .await
}
