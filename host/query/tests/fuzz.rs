//! Whatever is asked: no panic, and what is understood is printed so that it is understood in the same way.

use proptest::prelude::*;
use saker_pipeline::reader::{Cancel, Identity, ReadBudget, ReadLimits};
use saker_query::{EvalSettings, MemoryReader, Query, parse, pretty};

/// Words that queries are made of, and some that they are not.
const WORDS: [&str; 72] = [
    "a",
    "b:c",
    "sum",
    "topk",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "and",
    "or",
    "unless",
    "atan2",
    "offset",
    "@",
    "start",
    "end",
    "(",
    ")",
    "()",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    "<",
    ">=",
    "=",
    "=~",
    "!~",
    "1",
    "0",
    "1e308",
    "0x1F",
    "NaN",
    "Inf",
    "5m",
    "1ms",
    "100y",
    "[5m]",
    "[1h:1m]",
    "[1m:]",
    "\"a\"",
    "'%'",
    "`(`",
    "\"\\n\"",
    "rate",
    "rate(a[5m])",
    "sum(a)",
    "label_replace",
    "vector(1)",
    "histogram_quantile",
    "time()",
    "scalar(a)",
    "{__name__=~\".+\"}",
    "{\"a\"}",
    "a{x!=\"1\"}",
    "#",
    "\n",
    "\u{e9}",
    "count_values(\"v\", a)",
];

fn reader() -> MemoryReader {
    let mut reader = MemoryReader::default();
    for (metric, tag) in [("a", "1"), ("a", "2"), ("b.c", "1")] {
        let tags = [("x".into(), tag.into())].into();
        let identity = Identity { endpoint: "h".into(), metric: metric.into(), tags };
        let values = [1.0, f64::NAN, f64::INFINITY, -1.0, 0.0, 1e308];
        values.iter().enumerate().for_each(|(at, value)| reader.push(&identity, at as i64 * 60_000, *value));
    }
    reader
}

fn check(text: &str) {
    let Ok(expr) = parse(text) else { return };
    let tree = format!("{expr:?}");
    for printed in [expr.to_string(), pretty(&expr)] {
        let again = parse(&printed).unwrap_or_else(|error| panic!("{text:?} printed {printed:?}: {error}"));
        assert_eq!(format!("{again:?}"), tree, "{text:?} printed {printed:?}");
    }
    let reader = reader();
    let query = Query { text, expr: &expr };
    let limits = ReadLimits { memory_bytes: 1 << 20, ..ReadLimits::default() };
    let budget = || ReadBudget::new(limits, Cancel::default());
    let _ = saker_query::instant(&reader, query, 300_000, &EvalSettings::default(), &budget());
    let _ = saker_query::range(&reader, query, (0, 400_000), 45_000, &EvalSettings::default(), &budget());
}

fn config(cases: u32) -> ProptestConfig {
    // A case that fails becomes a test of its own, not a file.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn words_in_any_order_never_panic(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 1..14)) {
        check(&words.join(" "));
        check(&words.concat());
    }
}

proptest! {
    #![proptest_config(config(5_000))]

    #[test]
    fn characters_in_any_order_never_panic(text in "[ -~\\n\u{e9}\u{1f600}]{0,60}") {
        check(&text);
    }

    #[test]
    fn patterns_of_any_kind_never_panic(pattern in "[a-c(){}\\[\\]\\\\.*+?|^$:dwsbQEi,0-9&~-]{0,24}", text in "[a-c0-9 .-]{0,8}") {
        if let Ok(pattern) = saker_query::TextPattern::new(&pattern) {
            let _ = pattern.matches(&text);
        }
    }

    #[test]
    fn parameters_of_any_kind_never_panic(text in "[0-9TtZz:+.eEinfNaAsmhdwy/=,\\\\ -]{0,40}", any in any::<String>()) {
        for text in [&text, &any] {
            if let Some(time_ms) = saker_query::api::parse_time(text) {
                prop_assert!(time_ms.abs() <= 9_000_000_000_000);
            }
            let _ = saker_query::api::parse_duration(text);
            let _ = saker_query::api::selector(text);
            let counter = saker_query::falcon::Counter::parse(text);
            prop_assert!(counter.tags.is_sorted() && counter.tags.iter().all(|(key, _)| !key.is_empty()));
        }
    }

    #[test]
    fn strings_and_numbers_are_printed_as_they_were(text in any::<String>(), bits in any::<u64>()) {
        let value = f64::from_bits(bits).abs();
        if value.is_finite() {
            check(&format!("{value}"));
            check(&format!("{value:e}"));
        }
        let quoted = serde_json::to_string(&text).expect("a string");
        if !text.contains(char::is_control) {
            check(&format!("a{{x={quoted}}}"));
        }
    }
}
