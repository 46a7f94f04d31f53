use super::*;
use crate::parse;

/// Queries that between them have every kind of node, each as it is printed.
const PRINTED: [&str; 40] = [
    "1",
    "-1",
    "0.5",
    "NaN",
    "Inf ^ a",
    "5m",
    "-1h30m",
    "\"a\\\"b\\n\\\\\"",
    "cpu_busy",
    "sum",
    "a:b:c",
    "cpu_busy{core=\"0\",mode!~\"a|b\"}",
    "{__name__=~\"cpu.*\"}",
    "{\"cpu.busy\"}",
    "{\"cpu.busy\",\"disk.name\"=\"sda\"}",
    "cpu_busy @ 12.500",
    "cpu_busy @ -3.000 offset -5m",
    "cpu_busy @ start() offset 1d",
    "cpu_busy[5m]",
    "cpu_busy[1m5ms] @ end() offset 2w",
    "cpu_busy[1h:]",
    "cpu_busy offset 5m[1h:30s] @ 5.000 offset 1m",
    "rate(cpu_busy[5m])[1h:1m]",
    "(1 + 2) * 3",
    "-cpu_busy ^ 2",
    "(-cpu_busy) ^ 2",
    "2 ^ 3 ^ 2",
    "(2 ^ 3) ^ 2",
    "a - b - c",
    "a - (b - c)",
    "a == bool on (x, y) b",
    "a / ignoring () group_left (\"x.y\", z) b",
    "a * on () group_right () b",
    "a and b or c unless d",
    "a atan2 b % c",
    "sum by (a, \"b.c\") (x)",
    "count without (core) (x)",
    "topk without () (5, x)",
    "count_values by (a) (\"v\", x)",
    "label_join(x, \"d\", \"-\", \"a\", \"b\")",
];

#[test]
fn every_kind_of_query_is_printed_as_it_was_written() {
    for query in PRINTED {
        assert_eq!(parse(query).unwrap().to_string(), query);
    }
}

#[test]
fn other_spellings_are_printed_in_the_usual_one() {
    for (query, printed) in [
        ("SUM(x)BY(a,)", "sum by (a) (x)"),
        ("x{b='1', a=\"2\",}", "x{b=\"1\",a=\"2\"}"),
        ("{\"cpu_busy\"}", "cpu_busy"),
        ("0x1F + 1e3", "31 + 1000"),
        ("x[300] offset 90", "x[5m] offset 1m30s"),
        ("x offset 5m @ 3", "x @ 3.000 offset 5m"),
        ("+x", "+x"),
        ("+1", "1"),
        ("+Inf", "Inf"),
        ("x == on(a) y # same", "x == on (a) y"),
        ("x[8d]", "x[8d]"),
        ("x[366d]", "x[366d]"),
        ("x[14d]", "x[2w]"),
        ("`a\\`", "\"a\\\\\""),
    ] {
        assert_eq!(parse(query).unwrap().to_string(), printed, "{query}");
    }
}

#[test]
fn what_is_printed_parses_to_the_same_tree() {
    for query in PRINTED {
        let tree = parse(query).unwrap();
        assert_eq!(format!("{:?}", parse(&tree.to_string()).unwrap()), format!("{tree:?}"), "{query}");
        assert_eq!(format!("{:?}", parse(&pretty(&tree)).unwrap()), format!("{tree:?}"), "{query}");
    }
}

#[test]
fn a_long_query_is_broken_into_lines() {
    let query = "sum by (instance, mode) (rate(a_rather_long_metric_name_total{mode=\"user\"}[5m])) / \
                 sum by (instance, mode) (rate(another_rather_long_metric_name_total[5m]))";
    let expected = "  sum by (instance, mode) (rate(a_rather_long_metric_name_total{mode=\"user\"}[5m]))\n/\n  \
                    sum by (instance, mode) (rate(another_rather_long_metric_name_total[5m]))";
    assert_eq!(pretty(&parse(query).unwrap()), expected);
    let nested = format!("topk(5, ({query}))");
    let printed = pretty(&parse(&nested).unwrap());
    assert!(printed.starts_with("topk(\n  5,\n  (\n") && printed.ends_with("\n  )\n)"), "{printed}");
}
