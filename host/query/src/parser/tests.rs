use super::*;

fn tree(query: &str) -> String {
    grouped(&parse(query).unwrap())
}

/// The tree with a parenthesis around every operator.
fn grouped(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Binary(binary) => {
            format!("[{} {} {}]", grouped(&binary.left), binary.op.as_str(), grouped(&binary.right))
        }
        ExprKind::Unary { negative, operand } => format!("[{}{}]", if *negative { '-' } else { '+' }, grouped(operand)),
        _ => expr.to_string(),
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    for (query, expected) in [
        ("a + b * c", "[a + [b * c]]"),
        ("a * b + c", "[[a * b] + c]"),
        ("a - b - c", "[[a - b] - c]"),
        ("a ^ b ^ c", "[a ^ [b ^ c]]"),
        ("-a ^ b", "[-[a ^ b]]"),
        ("-a * b", "[[-a] * b]"),
        ("2 ^ -a * 3", "[[2 ^ [-a]] * 3]"),
        ("a == b + c", "[a == [b + c]]"),
        ("a and b or c and d", "[[a and b] or [c and d]]"),
        ("a or b unless c", "[a or [b unless c]]"),
        ("a > b and c < d", "[[a > b] and [c < d]]"),
        ("a % b atan2 c", "[[a % b] atan2 c]"),
        ("--a", "[-[-a]]"),
        ("a offset 5m + b", "[a offset 5m + b]"),
    ] {
        assert_eq!(tree(query), expected, "{query}");
    }
}

#[test]
fn words_of_the_language_can_be_metrics_and_labels() {
    for query in [
        "sum",
        "by + 1",
        "offset",
        "and",
        "x{by=\"1\",sum=\"2\"}",
        "sum by (by, on, bool) (x)",
        "start + end",
        "count{a=\"1\"}",
    ] {
        assert!(parse(query).is_ok(), "{query}: {}", parse(query).unwrap_err());
    }
}

#[test]
fn every_mistake_is_told_with_its_place_and_a_cure() {
    for (query, place, problem, cure) in [
        ("", "1:1", "no expression", "metric"),
        ("x{", "1:3", "unexpected end of input in label matching", "\"}\""),
        ("sum by (", "1:9", "unexpected end of input in grouping opts", "label"),
        ("sum(x", "1:6", "unexpected end of input", "\",\""),
        ("x +", "1:4", "unexpected end of input", "expected"),
        ("x y", "1:3", "unexpected \"y\"", "operator"),
        ("x{a=1}", "1:5", "unexpected number 1", "quotes"),
        ("x{a~\"1\"}", "1:4", "unexpected character", "quotes"),
        ("x{a=\"1\" b=\"2\"}", "1:9", "label matching", "\",\""),
        ("x{a=~\"(\"}", "1:6", "bad pattern: unclosed group", "RE2"),
        ("{}", "1:1", "at least one non-empty matcher", "name the metric"),
        ("{a=~\".*\"}", "1:1", "at least one non-empty matcher", "label"),
        ("x{__name__=\"y\"}", "1:1", "set twice", "leave"),
        ("{\"x\",\"y\"}", "1:6", "set twice", "leave"),
        ("rate(x)", "1:6", "expected type range vector", "[5m]"),
        ("rate(x[5m]", "1:11", "unexpected end", "\",\""),
        ("sum(x[5m])", "1:5", "expected type instant vector", "rate"),
        ("ratee(x[5m])", "1:1", "unknown function with name \"ratee\"", "did you mean rate?"),
        ("rate(x[5m], 1)", "1:1", "expected 1 argument(s)", "range vector"),
        ("label_join(x)", "1:1", "at least 3", "string"),
        ("round(x, 1, 2)", "1:1", "at most 2", "scalar"),
        ("topk(x)", "1:1", "expected 2, got 1", "topk(parameter, vector)"),
        ("topk(x, y)", "1:6", "expected type scalar", "scalar(…)"),
        ("count_values(1, y)", "1:14", "expected type string", "quotes"),
        ("1 == 2", "1:3", "must use BOOL", "== bool"),
        ("x + bool y", "1:3", "bool modifier", "leave out"),
        ("1 and x", "1:3", "set operator \"and\"", "vector(1)"),
        ("x and on(a) group_left y", "1:3", "no grouping allowed", "leave out"),
        ("x + on(a) group_left(a) y", "1:3", "ON and GROUP", "leave"),
        ("1 + on(a) x", "1:3", "vector matching only", "leave out"),
        ("x + on(1) y", "1:8", "vector matching", "label"),
        ("x[5m] + 1", "1:1", "only scalar and instant vector", "range"),
        ("-\"a\"", "1:2", "unary expression", ""),
        ("x[0s]", "1:3", "greater than 0", "5m"),
        ("x[5m:0]", "1:6", "greater than 0", "5m"),
        ("x[]", "1:3", "unexpected \"]\" in range", "duration"),
        ("x[5m", "1:5", "unexpected end", "expected \"]\""),
        ("sum(x)[5m]", "1:7", "ranges only allowed", "[5m:1m]"),
        ("x offset 5m [5m]", "1:13", "before range", "first"),
        ("x offset 5m offset 6m", "1:13", "multiple times", "leave"),
        ("x @ 1 @ 2", "1:7", "multiple times", "leave"),
        ("sum(x) offset 5m", "1:8", "must be preceded", "within"),
        ("x @ y", "1:5", "@ modifier", "start()"),
        ("x @ Inf", "1:5", "out of bounds", "seconds"),
        ("x offset 999999y", "1:10", "duration out of range", "years"),
        ("\"a\"[5m:1m]", "1:1", "subquery is only allowed", ""),
        ("bool", "1:1", "unexpected \"bool\"", "after an operator"),
        ("\n\nsum(\n  rate(x))", "4:8", "expected type range vector", "[5m]"),
    ] {
        let error = parse(query).unwrap_err();
        assert_eq!(error.place.to_string(), place, "{query}: {error}");
        assert!(error.problem.contains(problem), "{query}: {error}");
        assert!(error.cure.contains(cure) && !error.cure.is_empty(), "{query}: {error}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    assert!(parse(&format!("{}x{}", "(".repeat(90), ")".repeat(90))).is_ok());
    assert!(parse(&format!("{}x{}", "(".repeat(5000), ")".repeat(5000))).unwrap_err().problem.contains("levels"));
    assert!(parse(&"-".repeat(5000)).is_err());
    assert!(parse(&vec!["x"; 400].join(" or ")).is_ok());
    assert!(parse(&vec!["x"; 4000].join(" or ")).unwrap_err().problem.contains("operators"));
    let matchers = vec!["a=\"1\""; 300].join(",");
    assert!(parse(&format!("x{{{matchers}}}")).unwrap_err().problem.contains("matchers"));
}
