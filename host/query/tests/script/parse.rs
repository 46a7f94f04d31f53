//! Reads scripts.

use saker_model::STALE_MARKER;
use saker_pipeline::reader::Identity;
use saker_query::ast::ExprKind;
use saker_query::{Labels, METRIC_NAME};
use std::borrow::Cow;

use super::{Evaluation, When};

pub(crate) enum Line {
    Clear,
    Load {
        identity: Identity,
        samples: Vec<(i64, f64)>,
    },
    /// A series of native histograms.
    Native(Identity),
    Eval(Evaluation),
}

#[derive(Default, Clone)]
pub(crate) struct Expected {
    /// Labels as they are printed, and values; for an instant one value.
    pub(crate) rows: Vec<(String, Vec<Option<f64>>)>,
    pub(crate) ordered: bool,
    pub(crate) fail: Option<String>,
    pub(crate) warn: Option<String>,
    pub(crate) info: Option<String>,
    pub(crate) no_warn: bool,
    pub(crate) no_info: bool,
    pub(crate) text: Option<String>,
    /// A result that holds native histograms.
    pub(crate) native: bool,
}

enum Block {
    Load { step_ms: i64, native: bool },
    Eval(Box<Evaluation>),
    None,
}

pub(crate) fn script(name: &str, text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut block = Block::None;
    for (number, line) in text.lines().enumerate() {
        let indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if !indented || command(line) {
            end(&mut block, &mut lines);
            block = start(&format!("{name}:{}", number + 1), line, &mut lines);
            continue;
        }
        match &mut block {
            Block::Load { step_ms, native } => {
                let loaded = load(line, *step_ms);
                if let (true, Line::Load { identity, .. }) = (*native, &loaded) {
                    lines.push(Line::Native(as_native(identity)));
                }
                lines.push(loaded);
            }
            Block::Eval(evaluation) => expect(line, &mut evaluation.expected),
            Block::None => panic!("{name}:{}: {line:?} belongs to nothing", number + 1),
        }
    }
    end(&mut block, &mut lines);
    lines
}

fn command(line: &str) -> bool {
    ["load ", "load_with_nhcb ", "eval", "clear"].iter().any(|word| line.starts_with(word))
}

fn end(block: &mut Block, lines: &mut Vec<Line>) {
    if let Block::Eval(evaluation) = std::mem::replace(block, Block::None) {
        lines.push(Line::Eval(*evaluation));
    }
}

fn start(place: &str, line: &str, lines: &mut Vec<Line>) -> Block {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "clear" => {
            lines.push(Line::Clear);
            Block::None
        }
        "load" | "load_with_nhcb" => Block::Load { step_ms: duration(rest), native: word != "load" },
        word if word.starts_with("eval") => {
            let mut expected = Expected::default();
            match word {
                "eval_fail" => expected.fail = Some(String::new()),
                "eval_ordered" => expected.ordered = true,
                "eval_warn" => expected.warn = Some(String::new()),
                "eval_info" => expected.info = Some(String::new()),
                _ => {}
            }
            let (when, query) = when(rest);
            Block::Eval(Box::new(Evaluation { place: place.into(), when, query, expected }))
        }
        // What a later version of their language may add is passed over.
        _ => Block::None,
    }
}

fn when(rest: &str) -> (When, String) {
    let mut words = rest.splitn(4, ' ');
    let kind = words.next().expect("as scripts are written");
    if kind == "instant" {
        let (at, query) = (words.nth(1).expect("as scripts are written"), words.next().expect("a query"));
        return (When::At(duration(at)), query.into());
    }
    let words: Vec<&str> = rest.splitn(8, ' ').collect();
    let [_, _, start, _, end, _, step, query] = words[..] else { panic!("{rest:?}") };
    (When::Range { start_ms: duration(start), end_ms: duration(end), step_ms: duration(step) }, query.into())
}

/// A duration or a number of seconds, in milliseconds.
fn duration(text: &str) -> i64 {
    let (sign, text) = text.trim().strip_prefix('-').map_or((1, text.trim()), |text| (-1, text));
    let ExprKind::Number { value, .. } = saker_query::parse(text).expect("as scripts are written").kind else {
        panic!("{text:?}")
    };
    sign * (value * 1000.0).round() as i64
}

/// Cuts a series from what follows it.
fn cut(line: &str) -> (&str, &str) {
    let (mut quote, mut braces) = (None, 0);
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => braces += 1,
            (None, '}') => braces -= 1,
            (None, ' ' | '\t') if braces == 0 => return (&line[..at], line[at..].trim()),
            _ => {}
        }
    }
    (line, "")
}

pub(crate) fn labels(series: &str) -> Labels {
    if series == "{}" {
        return Labels::default();
    }
    let ExprKind::Selector(selector) =
        saker_query::parse(series).unwrap_or_else(|error| panic!("{series}: {error}")).kind
    else {
        panic!("{series:?} is no series")
    };
    let name = selector.name.iter().map(|name| (Cow::Borrowed(METRIC_NAME), name.as_str()));
    let matchers = selector.matchers.iter().map(|matcher| (Cow::Borrowed(&*matcher.label), matcher.value.as_str()));
    Labels::collect(name.chain(matchers))
}

fn identity(labels: &Labels) -> Identity {
    let tags = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    Identity {
        endpoint: "".into(),
        metric: labels.metric().into(),
        tags: tags.map(|(name, value)| (name.into(), value.into())).collect(),
    }
}

/// What a classic histogram's bucket is called as a native one.
fn as_native(bucket: &Identity) -> Identity {
    let tags = bucket.tags.iter().filter(|(name, _)| &**name != "le").cloned().collect();
    Identity { metric: bucket.metric.strip_suffix("_bucket").unwrap_or(&bucket.metric).into(), tags, ..bucket.clone() }
}

fn load(line: &str, step_ms: i64) -> Line {
    let (series, values) = cut(line);
    let identity = identity(&labels(series));
    if values.contains("{{") {
        return Line::Native(identity);
    }
    let present = values_of(values).into_iter().enumerate();
    let samples = present.filter_map(|(at, value)| Some((at as i64 * step_ms, value?))).collect();
    Line::Load { identity, samples }
}

fn values_of(text: &str) -> Vec<Option<f64>> {
    text.split_whitespace().filter(|word| !word.starts_with('@')).flat_map(run).collect()
}

/// A value, or a run: `FROM[(+|-)STEP]xTIMES`, where the times come after the first.
fn run(word: &str) -> Vec<Option<f64>> {
    let number = |text: &str| match text {
        "_" => None,
        "stale" => Some(STALE_MARKER),
        text => Some(text.trim_start_matches('+').parse::<f64>().unwrap_or_else(|_| panic!("{word:?}"))),
    };
    let Some((pattern, times)) = word.split_once('x') else { return vec![number(word)] };
    let times: usize = times.parse().unwrap_or_else(|_| panic!("{word:?}"));
    if pattern == "_" {
        return vec![None; times];
    }
    // The sign of an exponent is none between from and step.
    let split =
        pattern.char_indices().skip(1).find(|(at, c)| matches!(c, '+' | '-') && !pattern[..*at].ends_with(['e', 'E']));
    let Some((split, _)) = split else { return vec![number(pattern); times + 1] };
    let (from, step) =
        (number(&pattern[..split]).expect("as scripts are written"), number(&pattern[split..]).expect("a number"));
    (0..=times).map(|at| Some(from + at as f64 * step)).collect()
}

fn expect(line: &str, expected: &mut Expected) {
    if let Some(rest) = line.strip_prefix("expect ") {
        return directive(rest, expected);
    }
    if let Some(text) = line.strip_prefix("expected_fail_message ") {
        return expected.fail = Some(text.into());
    }
    if line.starts_with("expected_fail_regexp") {
        return expected.fail = Some(String::new());
    }
    let (series, values) = cut(line);
    if values.contains("{{") || series.contains("{{") {
        return expected.native = true;
    }
    // A scalar is a value alone.
    let scalar = values.is_empty()
        && series.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == 'N' || c == 'I');
    let (labels, values) = if scalar { ("{}".into(), series) } else { (labels(series).to_string(), values) };
    expected.rows.push((labels, values_of(values)));
}

fn directive(rest: &str, expected: &mut Expected) {
    let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
    // Theirs may give whole messages, which are worded otherwise here.
    let ours = if text.starts_with("msg:") || text.starts_with("regex:") { String::new() } else { text.into() };
    match word {
        "ordered" => expected.ordered = true,
        "fail" => expected.fail = Some(ours),
        "warn" => expected.warn = Some(ours),
        "info" => expected.info = Some(ours),
        "no_warn" => expected.no_warn = true,
        "no_info" => expected.no_info = true,
        "string" => expected.text = Some(text.trim_matches(['"', '`', '\'']).into()),
        "range" => {}
        other => panic!("expect {other:?}"),
    }
}
