//! The cases of collectors.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use saker_model::{RejectReason, Sample, flat};
use saker_sandbox::{CallError, Collector, Grants, InstanceSpec, Run, StateCell};

use crate::common::memory_settles;
use crate::report::{CaseResult, ConformanceReport, failed, skipped};
use crate::subject::TestSubject;

const COLLECTS: &str = "it collects on the first run and on the second";
const NAMES: &str = "every name and every tag would be taken";
const FINITE: &str = "every value is a finite number";
const TIMES: &str = "times and steps make sense";
const TWICE: &str = "no series stands twice in an answer";
const IDENTITY: &str = "the same series come on every run";
const REOPEN: &str = "it goes on after a close, with the state that it saved";
const STRANGE_STATE: &str = "it opens with a state that it cannot read";
const DENIED: &str = "without its grants it says what is denied";
const MEMORY: &str = "memory settles after many calls";
const TIME: &str = "answers stay within half of the limits";

/// The interval that runs claim, in milliseconds. The time between them is [`Options::pause`](crate::Options).
const INTERVAL_MS: u32 = 10_000;
/// Runs of the case that looks for new series, after the first, which may lack what needs two readings.
const TICKS: usize = 5;
/// How far from its run a value's own time may be: a log that was read late, but not another unit.
const TIME_APART_MS: i64 = 86_400_000;

/// An instance that runs at its own clock, which stands still between runs: each is an interval after the last.
struct SteppedCollector<'a> {
    subject: &'a TestSubject<'a>,
    spec: InstanceSpec,
    collector: Collector,
    now_ms: i64,
}

/// What identifies a series, in a form that people can read.
type SeriesText = String;

pub(crate) async fn run(subject: &TestSubject<'_>, report: &mut ConformanceReport) {
    let answers = match two_runs(subject).await {
        Ok(answers) => answers,
        Err(miss) => {
            report.add(COLLECTS, Err(miss));
            report.run(DENIED, denied(subject)).await;
            let rest = [NAMES, FINITE, TIMES, TWICE, IDENTITY, REOPEN, STRANGE_STATE, MEMORY, TIME];
            return report.skip(&rest, "it does not collect, see above");
        }
    };
    report.add(COLLECTS, Ok(format!("{} values, then {}", answers[0].len(), answers[1].len())));
    let all: Vec<_> = answers.iter().flatten().cloned().collect();
    let [names, finite, times] = taken(&all);
    report.add(NAMES, names);
    report.add(FINITE, finite);
    report.add(TIMES, times);
    report.add(TWICE, no_series_twice(&answers));
    report.run(IDENTITY, identity(subject)).await;
    report.run(REOPEN, reopen(subject)).await;
    report.run(STRANGE_STATE, strange_state(subject)).await;
    report.run(DENIED, denied(subject)).await;
    if report.wants(MEMORY) || report.wants(TIME) {
        let (memory, time) = many_calls(subject).await;
        report.add(MEMORY, memory);
        report.add(TIME, time);
    }
}

impl<'a> SteppedCollector<'a> {
    async fn open(subject: &'a TestSubject<'a>, state: &StateCell) -> Result<Self, crate::report::CaseFailure> {
        let spec = InstanceSpec { state: state.clone(), ..subject.spec(&subject.settings()) };
        let opened = Collector::open(subject.sandbox, subject.plugin, &spec).await;
        let collector = opened.map_err(|error| subject.miss(&error, &spec))?;
        // So long ago that no run is in the future.
        let now_ms = clock_ms() - i64::from(INTERVAL_MS) * (TICKS as i64 + 2);
        Ok(Self { subject, spec, collector, now_ms })
    }

    async fn try_run(&mut self) -> Result<Vec<Sample>, CallError> {
        self.now_ms += i64::from(INTERVAL_MS);
        let run = Run { timestamp_ms: self.now_ms, interval_ms: INTERVAL_MS, step_s: INTERVAL_MS / 1000 };
        self.collector.collect(&Arc::from("kit-1"), run).await
    }

    async fn run(&mut self) -> Result<Vec<Sample>, crate::report::CaseFailure> {
        self.try_run().await.map_err(|error| self.subject.miss(&error, &self.spec))
    }

    async fn pause(&self) {
        tokio::time::sleep(self.subject.options.pause).await;
    }

    async fn close(self) -> Result<(), crate::report::CaseFailure> {
        let Self { subject, spec, collector, .. } = self;
        collector.close().await.map_err(|error| subject.miss(&error, &spec))
    }
}

async fn two_runs(subject: &TestSubject<'_>) -> Result<[Vec<Sample>; 2], crate::report::CaseFailure> {
    let mut stepped = SteppedCollector::open(subject, &StateCell::default()).await?;
    let first = stepped.run().await?;
    stepped.pause().await;
    let second = stepped.run().await?;
    stepped.close().await?;
    if first.is_empty() && second.is_empty() {
        return Err(skipped("it brought no values; give --settings or --grant with which it has some"));
    }
    Ok([first, second])
}

/// What the agent would say of the values: their names, their numbers, their times.
fn taken(values: &[Sample]) -> [CaseResult; 3] {
    let rejected = |these: &[RejectReason], cure: &str| {
        let found = values.iter().find_map(|value| {
            let reason = value.clone().validate(clock_ms()).err()?;
            these.contains(&reason).then(|| failed(format!("{}: {reason}", show(value)), cure))
        });
        found.map_or_else(|| Ok(format!("{} values", values.len())), Err)
    };
    let names = [
        RejectReason::BadEndpoint,
        RejectReason::BadMetric,
        RejectReason::BadTag,
        RejectReason::DuplicateTag,
        RejectReason::TooManyTags,
        RejectReason::TooLong,
    ];
    let times = rejected(
        &[RejectReason::BadStep, RejectReason::BadTimestamp, RejectReason::AheadOfClock],
        "give milliseconds since 1970 and whole seconds, or leave both to the agent",
    );
    [
        rejected(&names, "replace what is not allowed; the SDK has a function for tag values of any text"),
        rejected(
            &[RejectReason::NotFinite],
            "leave a value out where there is none: a division by zero, a first reading",
        ),
        times.and_then(|ok| apart(values).map_or(Ok(ok), Err)),
    ]
}

/// A value whose own time is far from its run's: in another unit, mostly.
fn apart(values: &[Sample]) -> Option<crate::report::CaseFailure> {
    let far = values.iter().find(|value| value.timestamp_ms.abs_diff(clock_ms()) > TIME_APART_MS.unsigned_abs())?;
    let why = format!("{}: its time is {}, more than a day from now", show(far), far.timestamp_ms);
    Some(failed(why, "give milliseconds since 1970, or leave the time to the agent"))
}

fn show(value: &Sample) -> String {
    format!("{:?} {{{}}} = {}", value.metric, flat::tags(pairs(value)), value.value)
}

fn identity_of(value: &Sample) -> SeriesText {
    let mut tags = pairs(value);
    tags.sort_unstable();
    format!("{}{{{}}} of {}", value.metric, flat::tags(tags), value.endpoint)
}

fn pairs(value: &Sample) -> Vec<(&str, &str)> {
    value.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn identities(values: &[Sample]) -> BTreeSet<SeriesText> {
    values.iter().map(identity_of).collect()
}

fn no_series_twice(answers: &[Vec<Sample>]) -> CaseResult {
    for answer in answers {
        let mut seen = BTreeSet::new();
        // The same series at two times is a history, not a mistake.
        let twice = answer.iter().find(|value| !seen.insert((identity_of(value), value.timestamp_ms)));
        if let Some(value) = twice {
            return Err(failed(identity_of(value), "add up what belongs together, or tell it apart by a tag"));
        }
    }
    Ok(format!("{} series", identities(&answers[1]).len()))
}

async fn identity(subject: &TestSubject<'_>) -> CaseResult {
    let mut stepped = SteppedCollector::open(subject, &StateCell::default()).await?;
    stepped.run().await?;
    let mut known = BTreeSet::new();
    let mut grown = Vec::new();
    let mut last = BTreeSet::new();
    for number in 0..TICKS {
        stepped.pause().await;
        last = identities(&stepped.run().await?);
        let new: Vec<_> = last.difference(&known).cloned().collect();
        if number > 0 && !new.is_empty() {
            grown.push(new[0].clone());
        }
        known.extend(last.iter().cloned());
    }
    stepped.close().await?;
    if grown.len() >= TICKS - 1 {
        return Err(failed(
            format!("every run brought series that were not there before, such as {}", grown[0]),
            "keep times, counts and process numbers out of names and tags: each new text is a new series for ever",
        ));
    }
    if grown.is_empty() && last == known {
        return Ok(format!("{} series on each of {TICKS} runs", known.len()));
    }
    let changed = grown.first().or_else(|| known.difference(&last).next()).map_or("", String::as_str);
    Ok(format!(
        "{} series in all, {} in the end; they come and go with what is measured, such as {changed}",
        known.len(),
        last.len()
    ))
}

async fn reopen(subject: &TestSubject<'_>) -> CaseResult {
    let state = StateCell::default();
    let mut stepped = SteppedCollector::open(subject, &state).await?;
    stepped.run().await?;
    stepped.pause().await;
    stepped.run().await?;
    stepped.close().await?;
    let bytes = state.load().map_or(0, |bytes| bytes.len());
    let mut stepped = SteppedCollector::open(subject, &state).await?;
    stepped.pause().await;
    let values = stepped.run().await?;
    stepped.close().await?;
    Ok(format!("{bytes} bytes of state, {} values on the first run after it", values.len()))
}

async fn strange_state(subject: &TestSubject<'_>) -> CaseResult {
    for bytes in [Vec::new(), b"\xff\xfe\x00 of another version".to_vec(), vec![0xff; 4096]] {
        let state = StateCell::with(Some(bytes));
        let mut stepped = SteppedCollector::open(subject, &state).await.map_err(strange)?;
        stepped.run().await.map_err(strange)?;
        stepped.close().await.map_err(strange)?;
    }
    Ok("empty, short and long".into())
}

fn strange(miss: crate::report::CaseFailure) -> crate::report::CaseFailure {
    match miss {
        crate::report::CaseFailure::Failed { why, .. } => {
            failed(why, "begin anew if the saved state is not what this version writes")
        }
        other => other,
    }
}

async fn denied(subject: &TestSubject<'_>) -> CaseResult {
    if subject.options.grants.is_empty() && subject.description().requests.is_empty() {
        return Err(skipped("it requests nothing"));
    }
    let spec = InstanceSpec { grants: Grants::default(), ..subject.spec(&subject.settings()) };
    let result = match Collector::open(subject.sandbox, subject.plugin, &spec).await {
        Ok(mut collector) => {
            let run = Run { timestamp_ms: clock_ms(), interval_ms: INTERVAL_MS, step_s: INTERVAL_MS / 1000 };
            collector.collect(&Arc::from("kit-1"), run).await
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(values) => Ok(format!("it brings {} values all the same", values.len())),
        Err(CallError::Denied(denied)) => Ok(denied.to_string()),
        Err(error) => Err(failed(
            format!("it says {error:?}", error = error.to_string()),
            "return with the error denied and the permission, so that the operator is told which line to write",
        )),
    }
}

async fn many_calls(subject: &TestSubject<'_>) -> (CaseResult, CaseResult) {
    let mut stepped = match SteppedCollector::open(subject, &StateCell::default()).await {
        Ok(stepped) => stepped,
        Err(miss) => return (Err(miss.clone()), Err(miss)),
    };
    let (spec, mut slowest, mut most) = (stepped.spec.clone(), std::time::Duration::ZERO, 0);
    let memory = memory_settles(
        &spec,
        |error| subject.miss(error, &spec),
        async || {
            let start = Instant::now();
            let values = stepped.try_run().await?;
            slowest = slowest.max(start.elapsed());
            most = most.max(values.len());
            Ok(())
        },
    )
    .await;
    let (deadline, records) = (spec.limits.deadlines.collect, spec.limits.max_result_samples);
    let seen = format!("slowest call {slowest:.1?} of {deadline:?}, {most} values of {records}");
    if memory.is_ok() && (slowest * 2 > deadline || most * 2 > records) {
        let cure = "do less in one call, or offer a setting that chooses; a larger host goes over the limit";
        return (memory, Err(failed(seen, cure)));
    }
    (memory.clone(), memory.map(|_| seen).map_err(|_| skipped("its calls did not go well, see above")))
}

fn clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
