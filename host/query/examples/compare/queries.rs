//! Random queries of what Prometheus 2.42 knows, and of what means the same to version 3. Left out is what 2.42 does in
//! another way: `predict_linear` with `@` (its window slides there), deviations of infinities (0 there, NaN now), `atan2`
//! with a scalar (it keeps the name there), and rates of series that begin within the range (carried back further there).

use super::data::{Random, START_MS};

const MATH: [&str; 16] = [
    "abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "sin", "cos", "atan", "tanh", "round", "deg",
    "rad",
];
const OVER_TIME: [&str; 19] = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "absent_over_time",
    "rate",
];
const AGGREGATES: [&str; 8] = ["sum", "avg", "min", "max", "count", "stddev", "stdvar", "group"];
const OPERATORS: [&str; 14] = ["+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "atan2", "> bool"];

pub(crate) fn query(random: &mut Random) -> String {
    vector(random, 3)
}

fn selector(random: &mut Random) -> String {
    let metric = random.pick(&["requests_total", "errors_total", "temperature", "load", "seconds_bucket", "nothing"]);
    let matchers = random.pick(&[
        "",
        "",
        "",
        "{host=\"a\"}",
        "{mode=~\"u.*\"}",
        "{host!=\"a\"}",
        "{mode!~\"user|x\", host=\"b\"}",
        "{host=~\"a|b\"}",
    ]);
    format!("{metric}{matchers}")
}

fn shift(random: &mut Random) -> String {
    match random.below(8) {
        0 => format!(" offset {}", random.pick(&["1m", "7m", "-3m", "1h"])),
        1 => format!(" @ {}.234", START_MS / 1000 + 9000 + random.below(900) as i64 * 10 + 1),
        2 => random.pick(&[" @ end()", " @ start()"]).into(),
        _ => String::new(),
    }
}

fn counter(random: &mut Random) -> String {
    selector(random).replace("temperature", "requests_total").replace("load", "errors_total")
}

fn over_time(random: &mut Random) -> String {
    let function = random.pick(&OVER_TIME);
    if matches!(function, "rate" | "increase") {
        let range = random.pick(&["40s", "1m", "5m", "17m", "1h"]);
        return format!("{function}({}[{range}]{})", counter(random), shift(random));
    }
    format!("{function}({})", range(random))
}

fn range(random: &mut Random) -> String {
    if random.below(5) == 0 {
        // No shift within, and none that would put the grid's times on the range's start.
        let inner =
            random.pick(&["rate({}[2m])", "{}", "{} + 1", "max_over_time({}[1m])"]).replace("{}", &counter(random));
        return format!("({inner})[{}:{}]", random.pick(&["5m", "10m"]), random.pick(&["10s", "30s", ""]));
    }
    format!("{}[{}]{}", selector(random), random.pick(&["40s", "1m", "5m", "17m", "1h"]), shift(random))
}

fn grouping(random: &mut Random) -> &'static str {
    random.pick(&[
        "",
        " by (host)",
        " by (mode)",
        " without (host)",
        " by (host, mode)",
        " by (le)",
        " without (mode, le)",
    ])
}

fn vector(random: &mut Random, depth: u64) -> String {
    if depth == 0 {
        return format!("{}{}", selector(random), shift(random));
    }
    let inner = |random: &mut Random| vector(random, depth - 1);
    match random.below(14) {
        0 => format!("{}{}", selector(random), shift(random)),
        1 => format!("{}({})", random.pick(&MATH), inner(random)),
        2..=4 => over_time(random),
        5 => format!("quantile_over_time({}, {})", random.pick(&["0", "0.5", "0.93", "1.1"]), range(random)),
        6 => format!("predict_linear({}[7m], {})", selector(random), random.pick(&["60", "3600", "-90"])),
        7 | 8 => aggregate(random, depth),
        9 => format!(
            "{}{} ({}, {})",
            random.pick(&["topk", "bottomk", "quantile"]),
            grouping(random),
            random.pick(&["0.5", "1", "3"]),
            inner(random)
        ),
        10 => format!(
            "histogram_quantile({}, {})",
            random.pick(&["0.5", "0.9", "0.99"]),
            random.pick(&["rate(seconds_bucket[5m])", "seconds_bucket", "sum by (le) (rate(seconds_bucket[10m]))"])
        ),
        11 => binary(random, depth),
        12 => format!(
            "({}) {} {}",
            inner(random),
            random.pick(&OPERATORS[..12]),
            random.pick(&["2", "-1.5", "time()", "0", "scalar(load{host=\"a\",mode=\"user\"})"])
        ),
        _ => match random.below(7) {
            0 => format!("absent({})", inner(random)),
            1 => format!("label_replace({}, \"x\", \"$1-y\", \"host\", \"(a|b)\")", inner(random)),
            2 => format!("label_join({}, \"host\", \"/\", \"host\", \"mode\")", inner(random)),
            3 => format!("clamp({}, -10, 50)", inner(random)),
            4 => format!("timestamp({})", inner(random)),
            5 => format!("-({})", inner(random)),
            _ => format!("count_values{} (\"v\", changes({}))", grouping(random), range(random)),
        },
    }
}

fn aggregate(random: &mut Random, depth: u64) -> String {
    let op = random.pick(&AGGREGATES);
    let inner = if op.starts_with("std") { selector(random) } else { vector(random, depth - 1) };
    format!("{op}{} ({inner})", grouping(random))
}

fn binary(random: &mut Random, depth: u64) -> String {
    let (left, right) = (vector(random, depth - 1), vector(random, depth - 1));
    let matching = random.pick(&["", "", " on (host)", " on (host, mode)", " ignoring (mode)"]);
    if random.below(3) == 0 {
        return format!("({left}) {}{matching} ({right})", random.pick(&["and", "or", "unless"]));
    }
    let group = if matching.is_empty() {
        ""
    } else {
        random.pick(&["", " group_left ()", " group_right (mode)", " group_left (le)"])
    };
    format!("({left}) {}{matching}{group} ({right})", random.pick(&OPERATORS))
}
