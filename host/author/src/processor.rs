//! The cases of processors.

use std::time::Instant;

use saker_model::{RejectReason, Sample, Series};
use saker_sandbox::{InstanceSpec, Processor, StateCell, Verdict as Judgement};

use crate::common::memory_settles;
use crate::report::{CaseFailure, CaseResult, ConformanceReport, failed};
use crate::samples;
use crate::subject::TestSubject;

const OPENS: &str = "it opens, judges and closes";
const EMPTY: &str = "no series are no verdicts";
const COUNT: &str = "every series gets its own verdict, in order";
const STABLE: &str = "what it says is stable: the same for the same series, and at rest after some rounds";
const AWKWARD: &str = "awkward names pass without a trap";
const OUTPUT: &str = "what it changes a series to would be taken";
const MEMORY: &str = "memory settles after many calls";
const TIME: &str = "a thousand series take less than half of the deadline";

/// A series that was changed is asked about again, so often until it has to be at rest.
const ROUNDS_MAX: usize = 4;

pub(crate) async fn run(subject: &TestSubject<'_>, report: &mut ConformanceReport) {
    if let Err(miss) = opens(subject).await {
        report.add(OPENS, Err(miss));
        let rest = [EMPTY, COUNT, STABLE, AWKWARD, OUTPUT, MEMORY, TIME];
        return report.skip(&rest, "it does not judge, see above");
    }
    report.add(OPENS, Ok("one series".into()));
    report.run(EMPTY, empty(subject)).await;
    report.run(COUNT, count_and_order(subject)).await;
    report.run(STABLE, stable(subject)).await;
    report.run(AWKWARD, awkward(subject)).await;
    report.run(OUTPUT, output(subject)).await;
    report.run(MEMORY, memory(subject)).await;
    report.run(TIME, time(subject)).await;
}

async fn open(subject: &TestSubject<'_>) -> Result<(Processor, InstanceSpec), CaseFailure> {
    let spec = InstanceSpec { state: StateCell::default(), ..subject.spec(&subject.settings()) };
    let opened = Processor::open(subject.sandbox, subject.plugin, &spec).await;
    Ok((opened.map_err(|error| subject.miss(&error, &spec))?, spec))
}

/// Asks a new instance.
async fn ask(subject: &TestSubject<'_>, series: &[Series]) -> Result<Vec<Judgement>, CaseFailure> {
    let (mut processor, spec) = open(subject).await?;
    let verdicts = processor.map_series(series).await.map_err(|error| subject.miss(&error, &spec))?;
    processor.close().await.map_err(|error| subject.miss(&error, &spec))?;
    Ok(verdicts)
}

async fn opens(subject: &TestSubject<'_>) -> Result<(), CaseFailure> {
    // A wrong number of verdicts is the case of another.
    let (processor, spec) = open(subject).await?;
    processor.close().await.map_err(|error| subject.miss(&error, &spec))
}

async fn empty(subject: &TestSubject<'_>) -> CaseResult {
    ask(subject, &[]).await.map(|_| "asked about none".into())
}

async fn awkward(subject: &TestSubject<'_>) -> CaseResult {
    ask(subject, &samples::awkward()).await.map(|verdicts| format!("{} series", verdicts.len()))
}

/// Ordinary series, all different, and as different as rules may want them.
fn ordinary(count: usize) -> Vec<Series> {
    let families = ["cpu.idle", "mem.memfree", "df.bytes.free", "net.if.in.bytes", "kit.sample"];
    (0..count)
        .map(|number| {
            let (host, device) = (format!("host-{}", number % 7), format!("device{number}"));
            Series {
                endpoint: host.into(),
                ..samples::series(families[number % families.len()], &[("device", &device), ("mount", "/data")])
            }
        })
        .collect()
}

async fn count_and_order(subject: &TestSubject<'_>) -> CaseResult {
    let mut series = ordinary(50);
    let together = ask(subject, &series).await?;
    series.reverse();
    let mut backwards = ask(subject, &series).await?;
    backwards.reverse();
    series.reverse();
    for (place, series) in series.iter().enumerate() {
        if together[place] != backwards[place] {
            return Err(failed(
                format!("{series}: {}, and in the list turned round {}", say(&together[place]), say(&backwards[place])),
                "give the verdict for each series at its place in the list",
            ));
        }
    }
    for place in [0, 17, 49] {
        let alone = ask(subject, &series[place..=place]).await?;
        if alone[0] != together[place] {
            return Err(failed(
                format!("{}: {} alone, and {} among others", series[place], say(&alone[0]), say(&together[place])),
                "judge each series for itself",
            ));
        }
    }
    Ok("50 series, forwards, backwards and alone".into())
}

fn say(verdict: &Judgement) -> String {
    match verdict {
        Judgement::Keep => "keep".into(),
        Judgement::Drop => "drop".into(),
        Judgement::Change(value) => format!("change to {:?} {:?} of {}", value.metric, value.tags, value.endpoint),
        Judgement::Fail(why) => format!("fail, {why}"),
    }
}

/// The series that a changed value stands for.
fn series_of(value: &Sample) -> Series {
    Series {
        endpoint: value.endpoint.clone(),
        metric: value.metric.as_str().into(),
        tags: value.tags.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
        metric_type: value.metric_type,
        step_s: value.step_s,
    }
}

async fn stable(subject: &TestSubject<'_>) -> CaseResult {
    let (mut processor, spec) = open(subject).await?;
    let mut current = ordinary(20);
    let total = current.len();
    for round in 0..=ROUNDS_MAX {
        let verdicts = processor.map_series(&current).await.map_err(|error| subject.miss(&error, &spec))?;
        let again = processor.map_series(&current).await.map_err(|error| subject.miss(&error, &spec))?;
        if let Some(place) = (0..verdicts.len()).find(|&place| verdicts[place] != again[place]) {
            return Err(failed(
                format!("{}: {}, and then {}", current[place], say(&verdicts[place]), say(&again[place])),
                "let a verdict depend on the series and the settings alone: it is asked for once and remembered",
            ));
        }
        let mut next = Vec::new();
        for (series, verdict) in current.iter().zip(&verdicts) {
            // What cannot be taken is the case of another.
            if let Judgement::Change(value) = verdict
                && let mut value = value.clone()
                && value.validate(0).is_ok()
                && series_of(&value) != *series
            {
                next.push(series_of(&value));
            }
        }
        if next.is_empty() {
            processor.close().await.map_err(|error| subject.miss(&error, &spec))?;
            return Ok(format!("{total} series are at rest after {round} changes"));
        }
        current = next;
    }
    Err(failed(
        format!("it changes its own answers after {ROUNDS_MAX} rounds still, such as to {}", current[0]),
        "leave what is already as it should be: a series that passes two agents is judged twice",
    ))
}

async fn output(subject: &TestSubject<'_>) -> CaseResult {
    let mut all = ordinary(20);
    all.extend(samples::awkward());
    let (mut changed, mut failures) = (0, 0);
    for (series, verdict) in all.iter().zip(ask(subject, &all).await?) {
        match verdict {
            Judgement::Change(mut value) => {
                changed += 1;
                // Where no room was left for one more tag, a processor that only adds its own is not to blame.
                let full = series.tags.len() == saker_model::LIMITS.tags;
                if let Err(reason) = value.validate(0)
                    && !(full && reason == RejectReason::TooManyTags)
                {
                    return Err(failed(
                        format!(
                            "{series} becomes {:?} {:?} of {:?}: {reason}",
                            value.metric, value.tags, value.endpoint
                        ),
                        "make names and tags that the agent takes: 255 bytes, values of tags 4096, no control characters, 40 tags",
                    ));
                }
            }
            Judgement::Fail(_) => failures += 1,
            Judgement::Keep | Judgement::Drop => {}
        }
    }
    Ok(format!("{changed} of {} changed, {failures} could not be judged", all.len()))
}

async fn memory(subject: &TestSubject<'_>) -> CaseResult {
    let (mut processor, spec) = open(subject).await?;
    let series = ordinary(20);
    memory_settles(&spec, |error| subject.miss(error, &spec), async || processor.map_series(&series).await.map(|_| ()))
        .await
}

async fn time(subject: &TestSubject<'_>) -> CaseResult {
    let (mut processor, spec) = open(subject).await?;
    let start = Instant::now();
    processor.map_series(&ordinary(1000)).await.map_err(|error| subject.miss(&error, &spec))?;
    let (took, deadline) = (start.elapsed(), spec.limits.deadlines.map);
    let seen = format!("{took:.1?} of {deadline:?}");
    if took * 2 > deadline { Err(failed(seen, "do less for each series")) } else { Ok(seen) }
}
