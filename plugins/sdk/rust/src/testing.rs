//! The host's interfaces outside Wasm, for a plugin's own tests. Everything here belongs to the test's thread.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use crate::bindings::types::Sample;
use crate::host::{Level, StateError, Usage, UsageError};
use crate::http::{HttpError, Response, Rest, Target};

#[derive(Default)]
struct Fake {
    logged: Vec<(Level, String)>,
    state: Option<Vec<u8>>,
    usage: HashMap<String, Usage>,
    custom_metrics: HashMap<String, f64>,
    answers: VecDeque<Result<(Response, Rest), HttpError>>,
    posted: Vec<Posted>,
}

/// A request that a plugin has sent.
#[derive(Clone, Debug)]
pub struct Posted {
    /// How: `POST`, `GET`.
    pub method: String,
    /// Where to.
    pub target: Target,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, as sent.
    pub body: Vec<u8>,
}

thread_local! {
    static FAKE: RefCell<Fake> = RefCell::default();
}

/// Makes [`host::filesystem_usage`](crate::host::filesystem_usage) answer for a path.
pub fn set_usage(path: &str, usage: Usage) {
    FAKE.with_borrow_mut(|fake| fake.usage.insert(path.into(), usage));
}

/// The lines that were logged so far.
#[must_use]
pub fn logged() -> Vec<(Level, String)> {
    FAKE.with_borrow(|fake| fake.logged.clone())
}

/// What was saved last.
#[must_use]
pub fn saved_state() -> Option<Vec<u8>> {
    FAKE.with_borrow(|fake| fake.state.clone())
}

/// Forgets what was saved, as at the very first start.
pub fn clear_state() {
    FAKE.with_borrow_mut(|fake| fake.state = None);
}

/// What a counter or a gauge of the plugin's own stands at.
#[must_use]
pub fn custom_metric(name: &str) -> Option<f64> {
    FAKE.with_borrow(|fake| fake.custom_metrics.get(name).copied())
}

/// Queues the answer to one [`Target::post`]. Without one, requests are answered 204.
pub fn answer(answer: Result<Response, HttpError>) {
    queue(answer.map(|response| (response, Rest::default())));
}

/// As [`answer`], with headers, and behind them trailers, whose names are written with small letters.
pub fn answer_with(response: Response, headers: &[(&str, &str)]) {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    queue(Ok((response, Rest { headers, ..Rest::default() })));
}

/// As [`answer`], with a body that breaks off.
pub fn answer_cut(response: Response) {
    queue(Ok((response, Rest { broke_off: Some("no more of it in time".into()), ..Rest::default() })));
}

fn queue(answer: Result<(Response, Rest), HttpError>) {
    FAKE.with_borrow_mut(|fake| fake.answers.push_back(answer));
}

/// The requests that were posted since the last call.
#[must_use]
pub fn posted() -> Vec<Posted> {
    FAKE.with_borrow_mut(|fake| std::mem::take(&mut fake.posted))
}

/// The system's random bytes.
pub(crate) fn random(count: usize) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = vec![0; count];
    let source = std::fs::File::open("/dev/urandom");
    source.and_then(|mut source| source.read_exact(&mut bytes)).expect("every system for tests has /dev/urandom");
    bytes
}

pub(crate) mod http {
    use super::{FAKE, HttpError, Posted, Response, Rest, Target};
    use crate::http::HttpAnswer;

    pub(crate) fn send(
        target: &Target,
        method: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        most: usize,
        names: &[&str],
    ) -> Result<HttpAnswer, HttpError> {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (answer, mut rest) = FAKE.with_borrow_mut(|fake| {
            fake.posted.push(Posted { method: method.into(), target: target.clone(), headers, body: body.to_vec() });
            let taken = Response { status: 204, retry_after_s: None, body: String::new() };
            fake.answers.pop_front().unwrap_or(Ok((taken, Rest::default())))
        })?;
        rest.headers.retain(|(name, _)| names.contains(&name.as_str()));
        rest.bytes = answer.body.into_bytes();
        rest.bytes.truncate(most);
        Ok((answer.status, answer.retry_after_s, rest))
    }
}

pub(crate) mod host_log {
    use super::{FAKE, Level};

    pub(crate) fn log(level: Level, message: &str) {
        FAKE.with_borrow_mut(|fake| fake.logged.push((level, message.into())));
    }
}

pub(crate) mod state {
    use super::{FAKE, StateError};

    pub(crate) fn load() -> Option<Vec<u8>> {
        FAKE.with_borrow(|fake| fake.state.clone())
    }

    pub(crate) fn save(bytes: &[u8]) -> Result<(), StateError> {
        FAKE.with_borrow_mut(|fake| fake.state = Some(bytes.to_vec()));
        Ok(())
    }
}

pub(crate) mod statfs {
    use super::{FAKE, Usage, UsageError};

    pub(crate) fn stat(path: &str) -> Result<Usage, UsageError> {
        FAKE.with_borrow(|fake| fake.usage.get(path).copied())
            .ok_or_else(|| UsageError::Unavailable(format!("{path}: no such file or directory")))
    }
}

pub(crate) mod custom_metrics {
    use super::FAKE;

    pub(crate) fn counter_add(name: &str, amount: f64) {
        FAKE.with_borrow_mut(|fake| *fake.custom_metrics.entry(name.into()).or_default() += amount);
    }

    pub(crate) fn gauge_set(name: &str, value: f64) {
        FAKE.with_borrow_mut(|fake| fake.custom_metrics.insert(name.into(), value));
    }
}

/// What may become of a line of the kernel's: a word of it, or all of it.
const NONSENSE: [&str; 9] =
    ["", "x", "-1", "nan", "1e999", "18446744073709551615", "99999999999999999999999", "\u{fffd}\u{fffd}", "a b=c,d"];

/// Calls `check` with a text in which one line is changed, and with the line that it was: every line, and each of its
/// words, in each of several ways. For tests that a figure that makes no sense costs itself.
pub fn each_line_changed(text: &str, mut check: impl FnMut(&str, &str)) {
    let lines: Vec<_> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        for changed in changes(line) {
            let mut changed_lines = lines.clone();
            changed_lines[at] = &changed;
            check(&(changed_lines.join("\n") + "\n"), line);
        }
    }
}

fn changes(line: &str) -> Vec<String> {
    let words: Vec<_> = line.split(' ').collect();
    let mut changes: Vec<_> = NONSENSE.iter().map(|&nonsense| nonsense.to_owned()).collect();
    for at in (0..words.len()).filter(|&at| !words[at].is_empty()) {
        let with = |word: &[&str]| [&words[..at], word, &words[at + 1..]].concat().join(" ");
        changes.extend(NONSENSE.iter().map(|nonsense| with(&[nonsense])));
        changes.push(with(&[]));
        changes.push(words[..at].join(" "));
    }
    changes
}

/// Checks that of two runs the later has every value of the earlier as it was, but for those that `spoilt` names; those
/// may be missing or others, and yet finite.
///
/// # Panics
/// If it is not so.
pub fn same_but(before: &[Sample], after: &[Sample], spoilt: impl Fn(&Sample) -> bool) {
    for value in before.iter().filter(|value| !spoilt(value)) {
        assert!(after.contains(value), "{} {:?} is lost or another", value.metric, value.tags);
    }
    for value in after {
        assert!(value.value.is_finite() && value.value >= 0.0, "{} {:?} = {}", value.metric, value.tags, value.value);
        assert!(value.value < 1e19, "{} {:?} = {}", value.metric, value.tags, value.value);
    }
}
